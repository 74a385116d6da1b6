"""A pod of higher priority makes room for itself: where, at whose expense, and what is said of it."""

import pytest
import yaml

from board import Board, node, pod
from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.simulated import SimulatedRuntime

CLASSES = {"low": -10, "middle": 500, "high": 1000, "higher": 2000}


@pytest.fixture
def board():
    return prepared(node("n1", cpu=1))


def prepared(*nodes):
    board = Board(*nodes)
    for name, value in CLASSES.items():
        classify(board.registry, name, value)
    return board


def classify(registry, name, value, **more):
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value}
    registry.create("priorityclasses.scheduling.k8s.io", {**kind, **more})


def place(board, *pods):
    """Create pods one after the other, a second apart."""
    for each in pods:
        board.registry.create("pods", each)
        board.run(1)


def put(board, node_name, name, priority="", started=0, **more):
    """A pod that has been running on a node since some seconds after the beginning of 2026."""
    made = board.registry.create("pods", pod(name, nodeName=node_name, **classed(priority), **more))
    moment = f"2026-01-01T00:{started // 60:02}:{started % 60:02}Z"
    status = {**made["status"], "phase": "Running", "startTime": moment}
    status["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": moment}]
    board.registry.update_status("pods", {**made, "metadata": dict(made["metadata"]), "status": status})
    board.run(0.1)


def classed(priority):
    return {"priorityClassName": priority} if priority else {}


def victims(board):
    return sorted(p["metadata"]["name"] for p in board.pods() if p["metadata"].get("deletionTimestamp"))


def nominated(board, name):
    return board.registry.get("pods", "default", name)["status"].get("nominatedNodeName")


def gone(board, *names):
    """What a kubelet does when a pod's containers have ended."""
    for name in names:
        board.registry.delete("pods", "default", name, grace=0)
    board.run(2)


def events(board, reason, name):
    found = board.registry.list("events", "default")
    return [e["message"] for e in found if e["reason"] == reason and e["involvedObject"]["name"] == name]


def protect(board, allowed, **labels):
    made = board.registry.create(
        "poddisruptionbudgets.policy",
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "budget", "namespace": "default"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        },
    )
    board.run(0.2)
    found = board.registry.get("poddisruptionbudgets.policy", "default", made["metadata"]["name"])
    assert found["status"]["disruptionsAllowed"] == allowed


# one node


def test_a_pod_takes_the_place_of_one_of_lower_priority(board):
    put(board, "n1", "worker", cpu="600m")
    place(board, pod("payment", cpu="600m", priorityClassName="high"))
    assert victims(board) == ["worker"]
    assert nominated(board, "payment") == "n1"
    assert board.why("payment") == "0/1 nodes are available: 1 Insufficient cpu."
    gone(board, "worker")
    assert board.node_of("payment") == "n1"
    assert nominated(board, "payment") is None


def test_a_victim_is_told_by_whom_and_why(board):
    put(board, "n1", "worker", cpu="600m")
    place(board, pod("payment", cpu="600m", priorityClassName="high"))
    worker = board.registry.get("pods", "default", "worker")
    told = next(c for c in worker["status"]["conditions"] if c["type"] == "DisruptionTarget")
    assert (told["status"], told["reason"]) == ("True", "PreemptionByScheduler")
    assert told["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
    uid = board.registry.get("pods", "default", "payment")["metadata"]["uid"]
    assert events(board, "Preempted", "worker") == [f"Preempted by pod {uid} on node n1"]
    assert worker["metadata"]["deletionGracePeriodSeconds"] == 30


def test_nobody_goes_for_a_pod_of_the_same_priority(board):
    put(board, "n1", "worker", "high", cpu="600m")
    place(board, pod("payment", cpu="600m", priorityClassName="high"))
    assert victims(board) == []
    said = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    assert board.why("payment").endswith(said)


def test_nobody_goes_when_that_would_not_make_enough_room(board):
    put(board, "n1", "worker", cpu="200m")
    put(board, "n1", "rival", "high", cpu="600m")
    place(board, pod("payment", cpu="600m", priorityClassName="high"))
    assert victims(board) == []
    assert board.why("payment").endswith("preemption: 0/1 nodes are available: 1 Insufficient cpu.")


def test_a_pod_that_will_not_preempt_waits(board):
    classify(board.registry, "polite", 5000, preemptionPolicy="Never")
    put(board, "n1", "worker", cpu="600m")
    place(board, pod("payment", cpu="600m", priorityClassName="polite"))
    assert victims(board) == []
    assert board.why("payment").endswith("preemption: not eligible due to preemptionPolicy=Never.")


def test_only_as_many_go_as_have_to_and_the_least_important(board):
    put(board, "n1", "middle", "middle", cpu="300m")
    put(board, "n1", "low", "low", cpu="300m")
    put(board, "n1", "none", cpu="300m")
    place(board, pod("payment", cpu="400m", priorityClassName="high"))
    assert victims(board) == ["low"]


def test_of_equals_the_one_that_started_last_goes(board):
    put(board, "n1", "old", started=10, cpu="400m")
    put(board, "n1", "young", started=50, cpu="400m")
    place(board, pod("payment", cpu="500m", priorityClassName="high"))
    assert victims(board) == ["young"]


def test_a_pod_that_a_budget_protects_goes_last(board):
    put(board, "n1", "guarded", "low", cpu="400m", labels={"app": "guarded"})
    put(board, "n1", "free", "middle", cpu="400m")
    protect(board, 0, app="guarded")
    place(board, pod("payment", cpu="500m", priorityClassName="high"))
    assert victims(board) == ["free"]


def test_a_budget_protects_only_as_long_as_nothing_else_helps(board):
    put(board, "n1", "guarded", cpu="900m", labels={"app": "guarded"})
    protect(board, 0, app="guarded")
    place(board, pod("payment", cpu="500m", priorityClassName="high"))
    assert victims(board) == ["guarded"]


def test_a_port_that_is_taken_is_taken_away(board):
    port = {"ports": [{"containerPort": 80, "hostPort": 8080}]}
    put(board, "n1", "worker", container=port)
    place(board, pod("payment", container=port, priorityClassName="high"))
    assert victims(board) == ["worker"]


def test_pods_are_not_taken_away_for_what_they_cannot_change(board):
    put(board, "n1", "worker", cpu="600m")
    place(board, pod("payment", nodeSelector={"disk": "ssd"}, priorityClassName="high"))
    assert victims(board) == []
    assert board.why("payment").endswith("preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.")


# which node


def two(*, labels=None):
    return prepared(node("n1", cpu=1, labels=labels or {}), node("n2", cpu=1))


def test_the_node_whose_budgets_allow_it_is_chosen():
    board = two()
    put(board, "n1", "guarded", cpu="900m", labels={"app": "guarded"})
    put(board, "n2", "free", "middle", cpu="900m")
    protect(board, 0, app="guarded")
    place(board, pod("payment", cpu="900m", priorityClassName="high"))
    assert (victims(board), nominated(board, "payment")) == (["free"], "n2")


def test_the_node_whose_most_important_victim_is_least_important_is_chosen():
    board = two()
    put(board, "n1", "middle", "middle", cpu="900m")
    for name in ("a", "b", "c"):
        put(board, "n2", name, cpu="300m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"))
    assert victims(board) == ["a", "b", "c"]


def test_then_the_node_whose_victims_are_worth_least_together():
    board = two()
    for name in ("a", "b"):
        put(board, "n1", name, cpu="450m")
    put(board, "n2", "c", cpu="450m")
    put(board, "n2", "d", "low", cpu="450m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"))
    assert victims(board) == ["c", "d"]


def test_few_victims_of_a_negative_priority_are_better_than_many():
    board = two()
    for name in ("a", "b"):
        put(board, "n1", name, "low", cpu="450m")
    put(board, "n2", "c", "low", cpu="900m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"))
    assert victims(board) == ["c"]


def test_then_the_node_whose_victim_started_last():
    board = two()
    put(board, "n1", "old", started=10, cpu="900m")
    put(board, "n2", "young", started=50, cpu="900m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"))
    assert victims(board) == ["young"]


# while the room is being made


def test_no_more_pods_go_while_the_first_are_on_their_way_out():
    board = two()
    put(board, "n1", "a", cpu="900m")
    put(board, "n2", "b", "middle", cpu="900m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"))
    board.add_node(node("n3", cpu="100m"))  # a reason to look again
    board.run(5)
    assert victims(board) == ["a"]
    assert board.why("payment").endswith("preemption: not eligible due to a terminating pod on the nominated node.")
    assert nominated(board, "payment") == "n1"


def test_a_victim_on_its_way_out_is_no_reason_to_look_again():
    board = prepared(node("n1", cpu=1), node("n2", taints=[{"key": "k", "effect": "NoSchedule"}]))
    put(board, "n1", "worker", cpu="600m")
    place(board, pod("payment", cpu="600m", priorityClassName="high"))
    board.run(5)
    assert events(board, "FailedScheduling", "payment") == [
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s)."
    ]


def test_room_that_was_made_is_not_for_lower_priorities(board):
    put(board, "n1", "worker", cpu="900m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"), pod("sneaky", cpu="900m", priorityClassName="middle"))
    gone(board, "worker")
    assert (board.node_of("payment"), board.node_of("sneaky")) == ("n1", None)


def test_room_beside_the_nominated_pod_is_for_everybody(board):
    put(board, "n1", "worker", cpu="900m")
    place(board, pod("payment", cpu="600m", priorityClassName="high"), pod("large", cpu="500m"), pod("small", cpu="100m"))
    gone(board, "worker")
    assert (board.node_of("large"), board.node_of("small")) == (None, "n1")


def test_a_pod_of_higher_priority_takes_over_the_node_and_the_nomination():
    board = prepared(node("n1", cpu=1))
    put(board, "n1", "worker", cpu="900m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"), pod("alarm", cpu="900m", priorityClassName="higher"))
    assert nominated(board, "alarm") == "n1"
    assert nominated(board, "payment") is None
    gone(board, "worker")
    assert (board.node_of("alarm"), board.node_of("payment")) == ("n1", None)


def test_a_nomination_that_helps_no_longer_is_withdrawn(board):
    put(board, "n1", "worker", cpu="900m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"))
    board.change_node("n1", unschedulable=True)
    board.run(2)
    assert nominated(board, "payment") is None


def test_trying_leaves_no_trace(board):
    put(board, "n1", "a", cpu="300m")
    put(board, "n1", "b", "high", cpu="300m")
    before = board.scheduler.state.nodes["n1"].requested_cpu
    place(board, pod("payment", cpu="800m", priorityClassName="high"))
    state = board.scheduler.state.nodes["n1"]
    assert state.requested_cpu == before
    assert sorted(info.name for info in state.pods.values()) == ["a", "b"]


def test_of_very_many_nodes_a_part_is_tried():
    board = prepared(*(node(f"n{index}", cpu=1) for index in range(150)))
    for index in range(150):
        put(board, f"n{index}", f"p{index}", cpu="900m")
    place(board, pod("payment", cpu="900m", priorityClassName="high"))
    assert len(victims(board)) == 1


# the whole story, with kubelets

SCENARIO = """
apiVersion: v1
kind: Pod
metadata: {name: analytics-worker, namespace: default}
spec:
  containers:
  - {name: c, image: busybox, command: [sleep, "1000"], resources: {requests: {cpu: 600m}}}
---
apiVersion: v1
kind: Pod
metadata: {name: payment-processor, namespace: default}
spec:
  priorityClassName: high-priority
  containers:
  - {name: c, image: busybox, command: [sleep, "1000"], resources: {requests: {cpu: 600m}}}
"""


def test_a_payment_runs_as_soon_as_the_analytics_have_left():
    clock = VirtualClock()
    cluster = Cluster(clock, SimulatedRuntime(clock), [NodeSpec("node-a", cpu="1", memory="4Gi")], seed=1)
    cluster.start()
    classify(cluster.registry, "high-priority", 1_000_000)
    analytics, payment = yaml.safe_load_all(SCENARIO)
    cluster.registry.create("pods", analytics)
    clock.run_for(5)
    cluster.registry.create("pods", payment)
    clock.run_for(20)
    phases = {p["metadata"]["name"]: p["status"]["phase"] for p in cluster.registry.list("pods")}
    assert phases == {"analytics-worker": "Running", "payment-processor": "Pending"}
    clock.run_for(15)  # a shell's sleep does not hear SIGTERM: the grace of 30 s runs out
    phases = {p["metadata"]["name"]: p["status"]["phase"] for p in cluster.registry.list("pods")}
    assert phases == {"payment-processor": "Running"}
