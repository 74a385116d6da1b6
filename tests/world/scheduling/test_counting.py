"""What the scheduler keeps counted, as pods and nodes come and go, is what a count from scratch would give."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from board import node, pod
from seatrial.world.scheduling.selection import Selection
from seatrial.world.scheduling.state import ClusterState, needs_of

ZONE = "topology.kubernetes.io/zone"
WEB = Selection.of("default", {"matchLabels": {"app": "web"}})
EVERY_WEB = Selection.of("default", {"matchLabels": {"app": "web"}}, everyone=True)

PODS, NODES = st.sampled_from([f"p{index}" for index in range(6)]), st.sampled_from(["n0", "n1", "n2"])
STEPS = st.one_of(
    st.tuples(st.just("put"), PODS, NODES, st.sampled_from(["web", "api"]), st.booleans()),
    st.tuples(st.just("take"), PODS),
    st.tuples(st.just("finish"), PODS),
    st.tuples(st.just("node"), NODES, st.sampled_from("ab")),
    st.tuples(st.just("no node"), NODES),
)


def shy(name, node_name, app, ending):
    term = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": app}}}
    away = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    obj = pod(name, labels={"app": app}, nodeName=node_name, affinity=away, cpu="100m" if app == "web" else "300m")
    obj["metadata"]["uid"] = name
    if ending:
        obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return obj


def do(state, pods, step):
    match step:
        case ("put", name, *rest):
            if name in pods:
                rest[0] = pods[name]["spec"]["nodeName"]  # a pod never moves
            pods[name] = shy(name, *rest)
            state.set_pod(pods[name])
        case ("take", name):
            pods.pop(name, None)
            state.remove_pod(name)
        case ("finish", name) if name in pods:
            state.set_pod({**pods.pop(name), "status": {"phase": "Succeeded"}})
        case ("node", name, zone):
            state.set_node(node(name, labels={ZONE: zone}))
        case ("no node", name):
            state.remove_node(name)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_counts_kept_are_counts_from_scratch(steps):
    state, pods = ClusterState(), {}
    for selection in (WEB, EVERY_WEB):
        state.matching(selection)
        state.matching_in(selection, ZONE)
    for step in steps:
        do(state, pods, step)
    webs = [p for p in pods.values() if p["metadata"]["labels"]["app"] == "web"]
    staying = [p for p in webs if "deletionTimestamp" not in p["metadata"]]
    assert state.matching(EVERY_WEB) == Counter(p["spec"]["nodeName"] for p in webs)
    assert state.matching(WEB) == Counter(p["spec"]["nodeName"] for p in staying)
    zones = {name: info.labels[ZONE] for name, info in state.nodes.items()}
    there = Counter(zones[p["spec"]["nodeName"]] for p in staying if p["spec"]["nodeName"] in zones)
    assert {zone: number for zone, number in state.matching_in(WEB, ZONE).items() if number} == there
    assert sum(sum(numbers.values()) for numbers in state.avoided.values()) == len(pods)
    for name, info in state.nodes.items():
        here = [needs_of(p) for p in pods.values() if p["spec"]["nodeName"] == name]
        assert len(info.pods) == len(here)
        assert info.requested("cpu") == sum(needs.requests["cpu"] for needs in here)
        assert info.counted_memory == sum(needs.memory for needs in here)


def test_a_part_of_the_nodes_in_turns_is_a_part_of_every_zone():
    state = ClusterState()
    for name in ("a1", "a2", "a3", "b1", "c1", "c2"):
        state.set_node(node(name, labels={ZONE: name[0]}))
    assert [info.name for info in state.in_turns()] == ["a1", "b1", "c1", "a2", "c2", "a3"]
    state.remove_node("b1")
    assert [info.name for info in state.in_turns()] == ["a1", "c1", "a2", "c2", "a3"]
