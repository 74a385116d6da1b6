"""A node that runs low says so, gives up the pods that take more than they asked for, and takes no others until it is well."""

import pytest
from quay import EXACT, NODE, Quay, container

from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.commands.outcome import Outcome
from seatrial.twin.kubelet.consumption import Consumption, Used
from seatrial.twin.kubelet.kubelet import Dispatcher, Kubelet
from seatrial.twin.kubelet.machine import machine_figures
from seatrial.twin.kubelet.node import NodeSpec, machine_memory
from seatrial.twin.kubelet.profiles import Profile, of_outcome
from seatrial.twin.kubelet.ranking import broken_limit, order
from seatrial.twin.kubelet.signals import DEFAULT_HARD, MEMORY, NODEFS, PIDS, Observed, Settings, ThresholdError, thresholds
from seatrial.twin.kubelet.simulated import SimulatedRuntime

MI, GI = 1 << 20, 1 << 30


@pytest.fixture
def quay():
    return Quay(spec=NodeSpec(NODE, cpu="4", memory="1Gi", storage="10Gi"))


def conditions(quay):
    found = quay.registry.get("nodes", "", NODE)["status"]["conditions"]
    return {c["type"]: c["status"] for c in found}


def taints(quay):
    return [taint["key"] for taint in quay.registry.get("nodes", "", NODE)["spec"].get("taints", [])]


def resources(**kinds):
    return {"resources": kinds}


def requests(**amounts):
    return resources(requests=amounts)


def evicted(quay, *names):
    return [name for name in names if quay.status(name).get("reason") == "Evicted"]


# memory


def test_a_pod_that_takes_the_nodes_memory_is_evicted_at_the_next_look(quay):
    quay.pod(does={"c": "memory=0:10Mi/15:1000Mi"})
    quay.run(19.9)
    assert quay.status()["phase"] == "Running"
    quay.run(22)
    status = quay.status()
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    said = (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 24Mi. "
        "Container c was using 1000Mi, request is 0, has larger consumption of memory. "
    )
    assert status["message"] == said
    assert quay.events("Evicted") == [f"Evicted: {said}"]
    told = quay.condition("DisruptionTarget")
    assert (told["status"], told["reason"], told["message"]) == ("True", "TerminationByKubelet", said)


def test_the_node_says_that_it_is_low_and_for_five_minutes_that_it_was(quay):
    quay.pod(does={"c": "memory=1000Mi"})
    quay.run(11)
    assert conditions(quay) == {"MemoryPressure": "True", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True"}
    low = next(c for c in quay.registry.get("nodes", "", NODE)["status"]["conditions"] if c["type"] == "MemoryPressure")
    assert (low["reason"], low["message"]) == ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available")
    assert taints(quay) == ["node.kubernetes.io/memory-pressure"]
    quay.run(305)
    assert conditions(quay)["MemoryPressure"] == "True"
    quay.run(330)
    assert conditions(quay)["MemoryPressure"] == "False"
    assert taints(quay) == []
    assert quay.events(name=NODE) == [
        "NodeHasInsufficientMemory: Node node-a status is now: NodeHasInsufficientMemory",
        "EvictionThresholdMet: Attempting to reclaim memory",
        "NodeHasSufficientMemory: Node node-a status is now: NodeHasSufficientMemory",
    ]


def test_one_pod_goes_and_the_next_only_when_that_was_not_enough(quay):
    for name in ("a", "b", "c"):
        quay.pod(name, does={"c": "memory=600Mi"})
    quay.run(10.5)
    assert len(evicted(quay, "a", "b", "c")) == 1
    quay.run(14)
    assert len(evicted(quay, "a", "b", "c")) == 2
    quay.run(60)
    assert len(evicted(quay, "a", "b", "c")) == 2


def test_who_keeps_to_its_request_stays(quay):
    quay.pod("modest", container(**requests(memory="600Mi")), does={"c": "memory=590Mi"})
    quay.pod("greedy", container(**requests(memory="100Mi")), does={"c": "memory=400Mi"})
    quay.run(20)
    assert evicted(quay, "modest", "greedy") == ["greedy"]


def test_an_evicted_pod_has_a_second_to_end(quay):
    quay.pod(does={"c": "memory=1000Mi, term_after=inf"}, terminationGracePeriodSeconds=600)
    quay.run(20)
    assert quay.status()["phase"] == "Failed"
    assert quay.state()["terminated"]["exitCode"] == 137


def test_critical_pods_are_never_evicted_and_always_taken(quay):
    quay.pod("vital", does={"c": "memory=1000Mi"}, priorityClassName="system-node-critical")
    quay.run(20)
    assert evicted(quay, "vital") == []
    quay.pod("late", priorityClassName="system-node-critical")
    quay.run(25)
    assert quay.status("late")["phase"] == "Running"


def test_under_memory_pressure_only_pods_that_ask_for_something_are_taken(quay):
    quay.pod("greedy", does={"c": "memory=1000Mi"})
    quay.run(15)
    quay.pod("plain")
    quay.pod("asking", container(**requests(memory="10Mi")))
    quay.pod("tolerant", tolerations=[{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}])
    quay.run(20)
    status = quay.status("plain")
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert status["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
    assert quay.status("asking")["phase"] == quay.status("tolerant")["phase"] == "Running"


def test_memory_that_a_volume_takes_counts(quay):
    volume = {"name": "cache", "emptyDir": {"medium": "Memory"}}
    mount = [{"name": "cache", "mountPath": "/cache"}]
    quay.pod("p", container(volumeMounts=mount), does={"c": "fill.cache=1000Mi"}, volumes=[volume])
    quay.run(15)
    assert evicted(quay, "p") == ["p"]


def test_a_node_on_which_nothing_can_happen_is_not_looked_at():
    quay = Quay(spec=NodeSpec(NODE, cpu="4", memory="8Gi"), timing=EXACT)
    quay.pod(does={"c": "memory=0:10Mi/3600:1Gi"})
    quay.run(30)
    looks = []
    quay.runtime.consumption = lambda uid: looks.append(uid)
    quay.run(600)
    assert looks == []


# disk, inodes, processes


def test_a_pod_that_fills_the_disk_is_evicted_and_no_pod_is_taken(quay):
    quay.pod("full", does={"c": "disk=0:0/60:9.5Gi"})
    quay.run(63)
    assert conditions(quay)["DiskPressure"] == "True"
    assert evicted(quay, "full") == ["full"]
    assert quay.status("full")["message"].startswith(
        "The node was low on resource: ephemeral-storage. Threshold quantity: 1073741840, "
    )
    quay.pod("asking", container(**requests(memory="10Mi")))
    quay.run(66)
    assert quay.status("asking")["message"] == "Pod was rejected: The node had condition: [DiskPressure]. "
    assert taints(quay) == ["node.kubernetes.io/disk-pressure"]


def test_a_disk_is_low_at_fifteen_percent_because_images_are_on_it(quay):
    quay.pod(does={"c": "disk=8.4Gi"})
    quay.run(15)
    assert evicted(quay, "p") == []
    quay.pod("more", does={"c": "disk=0.2Gi"})
    quay.run(25)
    assert evicted(quay, "p", "more") == ["p"]


def test_inodes_run_out_as_well(quay):
    quay.pod(does={"c": "inodes=640k"})  # 10Gi have 655,360 of them
    quay.run(15)
    assert quay.status()["message"].startswith("The node was low on resource: inodes. Threshold quantity: ")


def test_process_ids_count_where_the_node_has_a_threshold_for_them():
    quay = Quay(spec=NodeSpec(NODE, cpu="4", memory="8Gi", eviction_hard={PIDS: "10%"}))
    quay.pod(does={"c": "processes=30000"})
    quay.run(15)
    assert conditions(quay)["PIDPressure"] == "True"
    assert quay.status()["message"] == "The node was low on resource: pids. Threshold quantity: 3276, available: 2768. "


# thresholds that leave time, and room to be won back


def with_soft_threshold(**more):
    """A node that wants 300Mi free, and waits half a minute before it gives up pods for that."""
    soft = {"eviction_soft": {MEMORY: "300Mi"}, "eviction_soft_grace": {MEMORY: 30.0}}
    return Quay(spec=NodeSpec(NODE, cpu="4", memory="1Gi", **soft, **more))


def test_a_soft_threshold_is_told_at_once_and_costs_a_pod_only_after_its_grace():
    quay = with_soft_threshold()
    quay.pod(does={"c": "memory=800Mi"})
    quay.run(10.5)
    assert conditions(quay)["MemoryPressure"] == "True"
    quay.run(39)
    assert evicted(quay, "p") == []
    quay.run(42)
    assert evicted(quay, "p") == ["p"]
    assert "Threshold quantity: 300Mi, available: 224Mi. " in quay.status()["message"]


def test_who_gives_back_within_the_grace_of_a_soft_threshold_stays():
    quay = with_soft_threshold()
    quay.pod(does={"c": "memory=0:800Mi/25:800Mi/26:100Mi/55:100Mi/56:800Mi"})
    quay.run(85)
    assert evicted(quay, "p") == []
    quay.run(95)
    assert evicted(quay, "p") == ["p"]


def test_a_hard_threshold_does_not_wait_for_the_soft_one():
    quay = with_soft_threshold()
    quay.pod(does={"c": "memory=1000Mi"})
    quay.run(12)
    assert "Threshold quantity: 100Mi" in quay.status()["message"]


@pytest.mark.parametrize(("most", "seconds"), [(0.0, 1.0), (20.0, 20.0), (900.0, 60.0)])
def test_a_pod_that_goes_for_a_soft_threshold_gets_its_own_grace_up_to_the_nodes(most, seconds):
    quay = with_soft_threshold(eviction_max_pod_grace=most)
    quay.pod(does={"c": "memory=800Mi, term_after=inf"}, terminationGracePeriodSeconds=60)
    quay.run(150)
    ended = quay.first(lambda status: status["phase"] == "Failed")
    assert ended == 40 + max(seconds, 2.0)  # no container has less than two seconds between the signals


def test_once_pods_go_more_is_won_back_than_the_threshold_asks_for():
    def left_of_two(reclaim):
        quay = Quay(spec=NodeSpec(NODE, cpu="4", memory="1Gi", eviction_minimum_reclaim=reclaim))
        quay.pod("a", does={"c": "memory=500Mi"})
        quay.pod("b", does={"c": "memory=450Mi"})
        quay.run(60)
        return evicted(quay, "a", "b")

    assert left_of_two({}) == ["a"]
    assert left_of_two({MEMORY: "500Mi"}) == ["a", "b"]


def test_a_soft_threshold_without_a_grace_is_a_mistake():
    with pytest.raises(ThresholdError, match="needs its evictionSoftGracePeriod"):
        thresholds(Settings({}, {MEMORY: "1Gi"}))


# limits of the pod's own


def volume(limit):
    return [{"name": "scratch", "emptyDir": {"sizeLimit": limit}}]


def test_a_volume_that_grows_beyond_its_limit_ends_its_pod(quay):
    quay.pod(does={"c": "fill.scratch=0:0/100:1Gi"}, volumes=volume("500Mi"))
    quay.run(49)
    assert quay.status()["phase"] == "Running"
    quay.run(53)
    assert (quay.status()["reason"], quay.status()["message"]) == (
        "Evicted",
        'Usage of EmptyDir volume "scratch" exceeds the limit "500Mi". ',
    )
    assert "DisruptionTarget" not in quay.conditions()
    assert conditions(quay)["DiskPressure"] == "False"


def test_what_a_container_put_into_a_volume_stays_when_it_has_ended(quay):
    quay.pod(does={"c": "fill.scratch=600Mi,exits_after=2,exit_code=1"}, volumes=volume("500Mi"))
    quay.run(15)
    assert evicted(quay, "p") == ["p"]


def test_a_container_that_writes_more_than_its_limit_ends_its_pod(quay):
    quay.pod("p", container(**resources(limits={"ephemeral-storage": "1Gi"})), does={"c": "disk=0:0/20:2Gi"})
    quay.run(25)
    assert quay.status()["message"] == "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. "


def test_one_containers_limit_counts_though_the_pod_as_a_whole_has_room():
    limits = [container(name, **resources(limits={"ephemeral-storage": "1Gi"})) for name in ("a", "b")]
    used = Consumption({"a": Used(disk=GI + 1), "b": Used()})
    said = broken_limit({"spec": {"containers": limits}}, used)
    assert said == 'Container a exceeded its local ephemeral storage limit "1Gi". '


# pieces


def ranked(*pods):
    """Names of pods in the order in which they are given up for memory."""
    facts = {}
    for name, use, request, priority in pods:
        spec = {"containers": [container(**requests(memory=request))], "priority": priority}
        facts[name] = order({"spec": spec}, Consumption({"c": Used(memory=use * MI)}), "memory")
    return sorted(facts, key=facts.__getitem__)


def test_pods_go_by_their_request_then_their_priority_then_by_what_they_take():
    assert ranked(
        ("keeps", 900, "1Gi", -5),
        ("vip", 500, "10Mi", 100),
        ("small", 50, "10Mi", 0),
        ("large", 400, "10Mi", 0),
    ) == ["large", "small", "vip", "keeps"]


def test_thresholds_are_amounts_and_shares():
    memory, *_ = thresholds(Settings(DEFAULT_HARD))
    assert memory.met({MEMORY: Observed(GI, 99 * MI)})
    assert not memory.met({MEMORY: Observed(GI, 100 * MI)})
    (disk,) = thresholds(Settings({NODEFS: "10%"}))
    assert disk.met({NODEFS: Observed(1000, 99)})
    assert thresholds(Settings({MEMORY: "0%"})) == []


@pytest.mark.parametrize("hard", [{"memory.free": "1Gi"}, {MEMORY: "lots"}, {MEMORY: "x%"}])
def test_thresholds_that_cannot_be_read_are_told(hard):
    with pytest.raises(ThresholdError, match="memory"):
        thresholds(Settings(hard))


def test_a_stress_program_takes_its_memory_within_seconds():
    profile = of_outcome(Outcome(float("inf"), memory=GI), Profile())
    assert (profile.memory_at(0), profile.memory_at(2)) == (10 * MI, GI)


# the machine's own figures


class Process(SimulatedRuntime):
    """Containers that use this machine: nothing is known of them but what is measured."""

    def consumption(self, pod_uid):
        return None

    most_consumption = consumption


def on_machine(figures):
    clock = VirtualClock()
    runtime = Process(clock)
    cluster = Cluster(clock, runtime, [], seed=1, timing=EXACT)
    cluster.start()
    kubelet = Kubelet(cluster.context, runtime, NodeSpec(NODE), Dispatcher(cluster.context), timing=EXACT, machine=figures)
    kubelet.start()
    spec = {"nodeName": NODE, "containers": [container()], "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec}
    cluster.registry.create("pods", pod)
    clock.run_for(15)
    return cluster.registry.get("pods", "default", "p")["status"]


def test_a_machine_that_runs_low_costs_no_pod_unless_it_was_asked_for():
    assert on_machine(None)["phase"] == "Running"
    status = on_machine(lambda: {MEMORY: Observed(8 * GI, 50 * MI)})
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert "Threshold quantity: 100Mi, available: 50Mi. Container c was using 10Mi" in status["message"]


def test_the_machines_figures_are_plausible(tmp_path):
    figures = machine_figures(tmp_path)
    assert {MEMORY, NODEFS, PIDS} <= figures.keys()
    assert all(0 <= each.available <= each.capacity for each in figures.values())
    assert figures[MEMORY].capacity == machine_memory()


# the whole story


def test_replicas_that_stress_a_node_are_evicted_and_wait_until_it_is_well():
    clock = VirtualClock()
    cluster = Cluster(clock, SimulatedRuntime(clock), [NodeSpec("n", cpu="4", memory="4Gi")], seed=1)
    cluster.start()
    command = {"command": ["stress-ng"], "args": ["--vm-bytes", "2G", "--vm-keep", "--vm", "4"]}
    template = {
        "metadata": {"labels": {"app": "stress"}},
        "spec": {"containers": [{"name": "stress-ng", "image": "stress", **command}]},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "stress", "namespace": "default"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "stress"}}, "template": template},
    }
    cluster.registry.create("deployments.apps", deployment)
    clock.run_for(60)
    pods = cluster.registry.list("pods")
    reasons = [pod["status"].get("reason", pod["status"]["phase"]) for pod in pods]
    assert reasons.count("Evicted") == 2
    assert reasons.count("Pending") == 2
    waiting = next(pod for pod in pods if pod["status"]["phase"] == "Pending")
    why = next(c["message"] for c in waiting["status"]["conditions"] if c["type"] == "PodScheduled")
    assert "1 node(s) had untolerated taint(s)" in why
