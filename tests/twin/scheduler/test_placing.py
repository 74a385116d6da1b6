"""Where pods go and why not elsewhere: each plugin, the queue, and ties."""

import pytest

from board import Board, node, pod
from seatrial.world.scheduling.choice import nodes_to_find
from seatrial.world.scheduling.framework import fit_error
from seatrial.world.scheduling.plugins.node_affinity import matches_term
from seatrial.world.scheduling.plugins.node_basics import tolerates
from seatrial.world.scheduling.state import needs_of

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
TAIL = "no new claims to deallocate, preemption: 0/{} nodes are available: {}."


def place(board, *pods):
    for each in pods:
        board.registry.create("pods", each)
        board.run(1)
    return [board.node_of(each["metadata"]["name"]) for each in pods]


def events(board, reason):
    return [e["message"] for e in board.registry.list("events", "default") if e["reason"] == reason]


# the plain facts of a node


def test_a_pod_is_bound_and_told():
    board = Board(node("n1"))
    assert place(board, pod("p")) == ["n1"]
    assert events(board, "Scheduled") == ["Successfully assigned default/p to n1"]
    assert {c["type"]: c["status"] for c in board.registry.get("pods", "default", "p")["status"]["conditions"]}[
        "PodScheduled"
    ] == "True"


def test_without_nodes_a_pod_waits_for_the_first():
    board = Board()
    assert place(board, pod("p")) == [None]
    assert board.why("p") == "no nodes available to schedule pods"
    board.add_node(node("n1"))
    board.run(1)
    assert board.node_of("p") == "n1"


def test_a_pod_that_fits_nowhere_is_told_so_in_condition_and_event():
    board = Board(node("n1", cpu=1), node("n2", cpu=2))
    assert place(board, pod("p", cpu="4")) == [None]
    helpless = TAIL.format(2, "2 Preemption is not helpful for scheduling")
    assert board.why("p") == f"0/2 nodes are available: 2 Insufficient cpu. {helpless}"
    condition = board.registry.get("pods", "default", "p")["status"]["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert events(board, "FailedScheduling") == [board.why("p")]


def test_every_shortage_of_a_node_is_named():
    board = Board(node("n1", cpu=1, memory="1Gi"))
    resources = {"requests": {"cpu": "2", "memory": "2Gi"}, "limits": {"nvidia.com/gpu": "1"}}
    place(board, pod("p", container={"resources": resources}))
    said = "1 Insufficient cpu, 1 Insufficient memory, 1 Insufficient nvidia.com/gpu"
    assert board.why("p").startswith(f"0/1 nodes are available: {said}. ")


def test_a_cordoned_node_takes_only_what_tolerates_it():
    board = Board(node("n1", unschedulable=True))
    tolerant = pod("t", tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}])
    assert place(board, pod("p"), tolerant) == [None, "n1"]
    assert "1 node(s) were unschedulable" in board.why("p")


def test_a_pod_waits_until_its_node_is_open_again():
    board = Board(node("n1", unschedulable=True))
    place(board, pod("p"))
    board.change_node("n1", unschedulable=False)
    board.run(2)
    assert board.node_of("p") == "n1"


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "x"}, False),
        ({"key": "k", "value": "v", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({}, False),
    ],
)
def test_what_a_toleration_covers(toleration, covers):
    assert tolerates(toleration, {"key": "k", "value": "v", "effect": "NoSchedule"}) is covers


def test_a_soft_taint_only_puts_off():
    taint = {"key": "soft", "effect": "PreferNoSchedule"}
    board = Board(node("n1", taints=[taint]), node("n2", cpu=1))
    placed = place(board, *(pod(f"p{index}", cpu="400m") for index in range(3)))
    assert placed == ["n2", "n2", "n1"]


def test_two_pods_cannot_have_one_port_of_a_node():
    board = Board(node("n1"))
    port = {"ports": [{"containerPort": 80, "hostPort": 8080}]}
    assert place(board, pod("a", container=port), pod("b", container=port)) == ["n1", None]
    assert "1 node(s) didn't have free ports for the requested pod ports" in board.why("b")
    assert TAIL.format(1, "1 No preemption victims found for incoming pod") in board.why("b")


def test_a_port_is_free_once_its_pod_has_gone():
    board = Board(node("n1"))
    port = {"ports": [{"containerPort": 80, "hostPort": 8080}]}
    place(board, pod("a", container=port), pod("b", container=port))
    board.registry.delete("pods", "default", "a", grace=0)
    board.run(2)
    assert board.node_of("b") == "n1"


# affinity to nodes


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"key": "disk", "operator": "In", "values": ["ssd"]}, True),
        ({"key": "disk", "operator": "NotIn", "values": ["ssd"]}, False),
        ({"key": "cores", "operator": "Gt", "values": ["7"]}, True),
        ({"key": "cores", "operator": "Lt", "values": ["8"]}, False),
        ({"key": "gone", "operator": "DoesNotExist"}, True),
        ({"key": "gone", "operator": "Exists"}, False),
    ],
)
def test_expressions_of_node_affinity(rule, matches):
    assert matches_term({"matchExpressions": [rule]}, "n1", {"disk": "ssd", "cores": "8"}) is matches


def test_a_term_without_rules_matches_nothing_and_fields_mean_the_name():
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    assert not matches_term({}, "n1", {})
    assert matches_term({"matchFields": [field]}, "n1", {})
    assert not matches_term({"matchFields": [field]}, "n2", {})


def test_of_several_terms_one_is_enough():
    terms = [
        {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "b", "operator": "Exists"}]},
    ]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    board = Board(node("n1"), node("n2", labels={"b": "1"}))
    assert place(board, pod("p", affinity=affinity)) == ["n2"]


def test_a_preferred_node_is_taken_as_long_as_it_is_worth_it():
    preference = {"weight": 100, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}
    board = Board(node("n1"), node("n2", labels={"disk": "ssd"}))
    assert place(board, *(pod(f"p{index}", affinity=affinity) for index in range(3))) == ["n2"] * 3


def test_a_pod_goes_where_a_label_appears():
    board = Board(node("n1"))
    place(board, pod("p", nodeSelector={"disk": "ssd"}))
    assert "1 node(s) didn't match Pod's node affinity/selector" in board.why("p")
    found = board.registry.get("nodes", "", "n1")
    labels = {**found["metadata"]["labels"], "disk": "ssd"}
    board.registry.update("nodes", {**found, "metadata": {**found["metadata"], "labels": labels}})
    board.run(2)
    assert board.node_of("p") == "n1"


# spreading


def spread(key, skew=1, how="DoNotSchedule", **more):
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": how,
        "labelSelector": {"matchLabels": {"app": "web"}},
        **more,
    }


def zoned(*names):
    return [node(name, labels={ZONE: name[0]}) for name in names]


def web(name, **spec):
    return pod(name, labels={"app": "web"}, **spec)


def test_zones_are_filled_evenly():
    board = Board(*zoned("a1", "a2", "b1"))
    placed = place(board, *(web(f"p{index}", topologySpreadConstraints=[spread(ZONE)]) for index in range(6)))
    assert sorted(name[0] for name in placed) == ["a", "a", "a", "b", "b", "b"]


def test_a_skew_that_cannot_be_kept_keeps_a_pod_out():
    board = Board(node("a1", labels={ZONE: "a"}), node("b1", cpu="100m", labels={ZONE: "b"}))
    constraint = [spread(ZONE)]
    placed = place(board, *(web(f"p{index}", topologySpreadConstraints=constraint) for index in range(4)))
    assert placed.count(None) == 1
    said = board.why(f"p{placed.index(None)}")
    assert said.startswith("0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints.")


def test_a_node_without_the_label_is_out_of_the_question():
    board = Board(node("n1"))
    place(board, web("p", topologySpreadConstraints=[spread(ZONE)]))
    assert "1 node(s) didn't match pod topology spread constraints (missing required label)" in board.why("p")


def test_too_few_domains_count_as_an_empty_one():
    board = Board(*zoned("a1", "b1"))
    constraint = [spread(ZONE, minDomains=3)]
    assert place(board, *(web(f"p{index}", topologySpreadConstraints=constraint) for index in range(3))).count(None) == 1


def test_revisions_are_spread_by_themselves():
    keys = ["pod-template-hash"]
    constraint = [spread(ZONE, matchLabelKeys=keys)]
    board = Board(*zoned("a1", "b1"))

    def revision(name, number):
        return pod(name, labels={"app": "web", "pod-template-hash": number}, topologySpreadConstraints=constraint)

    placed = place(board, revision("x1", "1"), revision("x2", "1"), revision("y1", "2"), revision("y2", "2"))
    assert placed[0] != placed[1]
    assert placed[2] != placed[3]


def test_a_wish_to_spread_gives_way_where_there_is_no_room():
    board = Board(node("a1", labels={ZONE: "a"}), node("b1", cpu="100m", labels={ZONE: "b"}))
    constraint = [spread(ZONE, how="ScheduleAnyway")]
    placed = place(board, *(web(f"p{index}", topologySpreadConstraints=constraint) for index in range(4)))
    assert sorted(placed) == ["a1", "a1", "a1", "b1"]


def test_pods_of_a_service_spread_over_nodes_by_themselves():
    board = Board(node("n1", cpu=64, memory="256Gi"), node("n2", cpu=64, memory="256Gi"))
    service = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    board.registry.create("services", {"apiVersion": "v1", "kind": "Service", **service})
    placed = place(board, *(web(f"p{index}") for index in range(6)))
    assert (placed.count("n1"), placed.count("n2")) == (3, 3)


# near to pods, away from pods


def near(app, key=HOST, kind="podAffinity"):
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def liked(app, weight, kind="podAffinity", key=HOST):
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": weight, "podAffinityTerm": term}]}}


def test_a_pod_goes_to_the_zone_of_the_pods_it_needs():
    board = Board(*zoned("a1", "b1", "b2"))
    placed = place(board, pod("cache", labels={"app": "cache"}, nodeSelector={ZONE: "b"}), web("p", affinity=near("cache", ZONE)))
    assert placed[1][0] == "b"


def test_what_a_pod_needs_and_is_not_there_keeps_it_out():
    board = Board(node("n1"))
    place(board, web("p", affinity=near("cache")))
    assert "1 node(s) didn't match pod affinity rules" in board.why("p")
    assert TAIL.format(1, "1 Preemption is not helpful for scheduling") in board.why("p")
    place(board, pod("cache", labels={"app": "cache"}))
    board.run(2)
    assert board.node_of("p") == "n1"


def test_the_first_of_a_kind_may_need_its_own_kind():
    board = Board(node("n1"), node("n2"))
    placed = place(board, *(web(f"p{index}", affinity=near("web")) for index in range(3)))
    assert len(set(placed)) == 1


def test_a_running_pod_keeps_those_away_whom_it_does_not_want():
    board = Board(node("n1"))
    place(board, pod("loner", affinity=near("web", kind="podAntiAffinity")), web("p"))
    assert "1 node(s) didn't satisfy existing pods anti-affinity rules" in board.why("p")
    board.registry.delete("pods", "default", "loner", grace=0)
    board.run(2)
    assert board.node_of("p") == "n1"


def test_affinity_is_of_the_namespace_unless_it_says_otherwise():
    board = Board(node("n1"))
    place(board, pod("loner", affinity=near("web", kind="podAntiAffinity")))
    board.registry.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    stranger = web("p")
    stranger["metadata"]["namespace"] = "other"
    board.registry.create("pods", stranger)
    board.run(1)
    assert board.registry.get("pods", "other", "p")["spec"]["nodeName"] == "n1"


def test_liking_and_disliking_weigh():
    board = Board(node("n1"), node("n2"))
    place(board, pod("cache", labels={"app": "cache"}, nodeSelector={HOST: "n2"}))
    assert place(board, web("friend", affinity=liked("cache", 100))) == ["n2"]
    assert place(board, web("foe", affinity=liked("cache", 100, "podAntiAffinity"))) == ["n1"]


def test_the_wishes_of_running_pods_count_for_newcomers():
    board = Board(node("n1"), node("n2"))
    place(board, pod("host", nodeSelector={HOST: "n2"}, affinity=liked("web", 100)))
    assert place(board, web("p")) == ["n2"]


# volumes


def claim(board, name, class_name="standard"):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": class_name}
    board.registry.create(
        "persistentvolumeclaims",
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"}, "spec": spec},
    )


def using(name, claim_name):
    return pod(name, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}])


def test_a_missing_claim_keeps_a_pod_out_until_it_is_there():
    board = Board(node("n1"))
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "standard"}}
    board.registry.create(
        "storageclasses.storage.k8s.io", {**kind, "provisioner": "x", "volumeBindingMode": "WaitForFirstConsumer"}
    )
    place(board, using("p", "data"))
    assert board.why("p").startswith('0/1 nodes are available: persistentvolumeclaim "data" not found. ')
    claim(board, "data")
    board.run(3)
    assert board.node_of("p") == "n1"


def test_a_claim_that_should_be_bound_and_is_not_keeps_a_pod_out():
    board = Board(node("n1"))
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "manual"}}
    board.registry.create("storageclasses.storage.k8s.io", {**kind, "provisioner": "kubernetes.io/no-provisioner"})
    claim(board, "data", "manual")
    place(board, using("p", "data"))
    assert "pod has unbound immediate PersistentVolumeClaims" in board.why("p")


# resources


def test_the_emptier_node_is_chosen():
    board = Board(node("n1"), node("n2"))
    place(board, pod("big", cpu="3", nodeSelector={HOST: "n1"}))
    assert place(board, pod("p", cpu="500m")) == ["n2"]


def test_the_node_that_fills_more_evenly_is_chosen():
    """Both nodes stay equally free on average; on n2 CPU and memory end up equally used."""
    board = Board(node("n1", cpu=10, memory="10Gi"), node("n2", cpu=10, memory="10Gi"))
    first = {"resources": {"requests": {"cpu": "4", "memory": "2Gi"}}}
    second = {"resources": {"requests": {"cpu": "2", "memory": "4Gi"}}}
    place(board, pod("x", nodeSelector={HOST: "n1"}, container=first), pod("y", nodeSelector={HOST: "n2"}, container=second))
    assert place(board, pod("p", container={"resources": {"requests": {"cpu": "2", "memory": "0"}}})) == ["n2"]


def test_pods_that_ask_for_nothing_count_a_little():
    needs = needs_of({"spec": {"containers": [{"name": "c"}, {"name": "d", "resources": {"requests": {"cpu": "1"}}}]}})
    assert (needs.requests, needs.cpu, needs.memory) == ({"cpu": 1000}, 1100, 400 << 20)


def test_the_room_of_a_finished_pod_is_free():
    board = Board(node("n1", cpu=1))
    place(board, pod("done", cpu="1"), pod("p", cpu="1"))
    assert board.node_of("p") is None
    done = board.registry.get("pods", "default", "done")
    board.registry.update_status(
        "pods", {**done, "metadata": dict(done["metadata"]), "status": {**done["status"], "phase": "Succeeded"}}
    )
    board.run(2)
    assert board.node_of("p") == "n1"


# the queue


def test_the_more_important_pod_goes_first():
    board = Board(node("n1", cpu=1))
    for name, value in (("low", 1), ("high", 1000)):
        kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value}
        board.registry.create("priorityclasses.scheduling.k8s.io", kind)
    for name in ("low", "high"):
        board.registry.create("pods", pod(name, cpu="1", priorityClassName=name))
    board.run(1)
    assert (board.node_of("high"), board.node_of("low")) == ("n1", None)


def test_a_pod_that_fits_nowhere_is_not_tried_again_before_something_changes():
    board = Board(node("n1", cpu=1))
    place(board, pod("p", cpu="4"))
    board.run(290)
    assert len(events(board, "FailedScheduling")) == 1
    assert board.registry.list("events", "default")[0]["count"] == 1


def test_a_pod_that_fits_nowhere_is_tried_again_after_five_minutes():
    board = Board(node("n1", cpu=1))
    place(board, pod("p", cpu="4"))
    board.run(305)
    assert next(e for e in board.registry.list("events", "default"))["count"] == 2


def test_tries_back_off_from_one_second_to_ten():
    board = Board(node("n1", cpu=1))
    place(board, pod("p", cpu="4"))
    tried = []
    board.store.subscribe("events", lambda change: tried.append(round(board.clock.now() - begin)))
    begin = board.clock.now() - 1  # the first try was a second ago
    for step in range(400):
        board.change_node("n1", taints=[{"key": f"t{step}", "effect": "PreferNoSchedule"}])
        board.run(0.1)
    assert tried == [1, 3, 7, 15, 25, 35]


def test_what_does_not_concern_the_reason_does_not_wake():
    board = Board(node("n1", cpu=1))
    place(board, pod("p", cpu="4"))
    place(board, pod("other", labels={"x": "y"}))
    board.run(30)
    assert next(e for e in board.registry.list("events", "default") if e["reason"] == "FailedScheduling")["count"] == 1


def test_a_pod_with_gates_is_left_alone_until_they_are_gone():
    board = Board(node("n1"))
    place(board, pod("p", schedulingGates=[{"name": "example.com/wait"}]))
    assert board.node_of("p") is None
    assert events(board, "FailedScheduling") == []
    gated = board.registry.get("pods", "default", "p")
    spec = {key: value for key, value in gated["spec"].items() if key != "schedulingGates"}
    board.registry.update("pods", {**gated, "metadata": dict(gated["metadata"]), "spec": spec})
    board.run(1)
    assert board.node_of("p") == "n1"


def test_pods_of_another_scheduler_are_left_alone():
    board = Board(node("n1"))
    assert place(board, pod("p", schedulerName="mine")) == [None]


def test_a_waiting_pod_that_is_deleted_is_forgotten():
    board = Board(node("n1", cpu=1))
    place(board, pod("p", cpu="4"))
    board.registry.delete("pods", "default", "p")
    assert len(board.scheduler.queue) == 0


def test_a_pod_that_will_not_displace_others_is_told_so():
    board = Board(node("n1", cpu=1))
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "polite"}, "value": 5}
    board.registry.create("priorityclasses.scheduling.k8s.io", {**kind, "preemptionPolicy": "Never"})
    place(board, pod("p", cpu="4", priorityClassName="polite"))
    assert board.why("p").endswith("preemption: not eligible due to preemptionPolicy=Never.")


# ties and large clusters


def test_equal_nodes_are_chosen_by_the_seed():
    def placed(seed):
        board = Board(*(node(f"n{index}") for index in range(5)), seed=seed)
        return place(board, *(pod(f"p{index}") for index in range(8)))

    assert placed(1) == placed(1)
    assert len({tuple(placed(seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize(("nodes", "enough"), [(50, 50), (100, 100), (500, 230), (1000, 420), (5000, 500), (10000, 500)])
def test_of_a_large_cluster_only_a_part_is_looked_at(nodes, enough):
    assert nodes_to_find(nodes) == enough


def test_all_nodes_of_a_large_cluster_get_their_turn():
    board = Board(*(node(f"n{index:03}", pods=1) for index in range(200)))
    for index in range(200):
        board.registry.create("pods", pod(f"p{index}"))
    board.run(5)
    assert len({each["spec"].get("nodeName") for each in board.pods()}) == 200


def test_the_words_count_equal_reasons_and_sort_them():
    assert fit_error(3, ["b", "a", "b"]) == "0/3 nodes are available: 1 a, 2 b."
    assert fit_error(3, "all is lost", "more") == "0/3 nodes are available: all is lost. more"
