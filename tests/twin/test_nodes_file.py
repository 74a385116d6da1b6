"""Nodes from a file: every size, place, label and taint; mistakes with their lines."""

import pytest
from click.testing import CliRunner

from seatrial.cli import seatrial
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.nodes import NodesFileError, read
from seatrial.twin.runtimes import SIMULATED_CPU, SIMULATED_MEMORY, Runtimes

GOOD = """
- name: system
  cpu: 2
  memory: 4Gi
  taints: ["dedicated=system:NoSchedule", {key: quiet, effect: PreferNoSchedule}]
- {name: worker, count: 3, zone: [a, b], pods: 30, labels: {disk: ssd}, resources: {nvidia.com/gpu: 2}}
- {name: odd, zone: c, region: eu, unschedulable: true, storage: 20Gi, reserved: {cpu: 500m},
   evictionHard: {memory.available: 5%}}
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "nodes.yaml"
        path.write_text(text)
        return path

    return write


def mistakes(path):
    with pytest.raises(NodesFileError) as caught:
        read(path)
    return str(caught.value).splitlines()


def test_a_file_lists_single_nodes_and_many_alike(file):
    nodes = read(file(GOOD))
    assert [(node.name, node.zone) for node in nodes] == [
        ("system", ""),
        ("worker-1", "a"),
        ("worker-2", "b"),
        ("worker-3", "a"),
        ("odd", "c"),
    ]
    system, worker, *_, odd = nodes
    assert (system.cpu, system.memory) == ("2", "4Gi")
    assert system.taints == [
        {"key": "dedicated", "value": "system", "effect": "NoSchedule"},
        {"key": "quiet", "effect": "PreferNoSchedule"},
    ]
    assert (worker.pods, worker.labels, worker.resources) == (30, {"disk": "ssd"}, {"nvidia.com/gpu": "2"})
    assert (odd.region, odd.unschedulable, odd.storage, odd.reserved) == ("eu", True, "20Gi", {"cpu": "500m"})
    assert odd.eviction_hard["memory.available"] == "5%"
    assert odd.eviction_hard["nodefs.available"] == "10%"


def test_thresholds_that_leave_time_are_read_as_a_kubelet_has_them(file):
    (node,) = read(
        file("""
- name: soft
  evictionSoft: {memory.available: 1Gi}
  evictionSoftGracePeriod: {memory.available: 1m30s}
  evictionMinimumReclaim: {memory.available: 500Mi}
  evictionMaxPodGracePeriod: 60
""")
    )
    assert (node.eviction.soft, node.eviction.grace) == ({"memory.available": "1Gi"}, {"memory.available": 90.0})
    assert (node.eviction.reclaim, node.eviction.max_pod_grace) == ({"memory.available": "500Mi"}, 60.0)


def test_a_soft_threshold_without_a_grace_is_told_with_its_line(file):
    path = file("- {name: soft, evictionSoft: {memory.available: 1Gi}}\n")
    assert "a soft eviction threshold needs its evictionSoftGracePeriod" in mistakes(path)[0]


def test_all_mistakes_are_told_at_once_with_their_lines(file):
    path = file("""
- name: Worker
  memroy: 4Gi
- {name: b, cpu: lots, count: 0}
- {name: b, pods: many, labels: {"a b": c}, taints: ["x=y:Never"]}
- {name: c, cpu: 1, cpu: 2, unschedulable: maybe, evictionHard: {memory.free: 1Gi}}
""")
    told = mistakes(path)
    assert [line.removeprefix(f"{path}:")[0] for line in told] == ["2", "3", "4", "4", "5", "5", "5", "6", "6", "6"]
    assert "'Worker' is no name of a node: a lowercase RFC 1123 subdomain must consist" in told[0]
    assert told[1] == f"{path}:3: unknown key `memroy`"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: expected a list of nodes"),
        ("cpu: 4", "1: expected a list of nodes"),
        ("- worker", "1: expected keys and values"),
        ("- {name: a}\n- {name: a}", "2: there is another node called 'a'"),
        ("- {name: a-2}\n- {name: a, count: 3}", "2: there is another node called 'a-2'"),
        ("- {name: a, count: 3000}\n- {name: b, count: 3000}", "2: these are more than 5000 nodes"),
        ("- {name: a\n- b", "this is no YAML"),
        ("- {name: ~}", "1: expected a word"),
        ("- {taints: x}", "1: expected a list of taints"),
        ("- {taints: [{key: a, efect: NoSchedule}]}", "1: unknown key `efect` of a taint"),
        ("- {reserved: {gpu: 1}}", "1: a node cannot reserve gpu"),
        ("- {zone: [a, 'b c']}", "1: 'b c' is no value of a label"),
    ],
)
def test_what_is_wrong_is_said(file, text, said):
    assert said in mistakes(file(text))[0]


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "nodes.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in mistakes(path)[0]


def test_what_a_file_leaves_out_is_the_size_of_simulated_nodes():
    simulated = Runtimes.__new__(Runtimes)
    simulated.process = None
    small, plain = simulated.complete([NodeSpec("a", cpu="1", memory="1Gi"), NodeSpec("b")])
    assert (small.cpu, small.memory) == ("1", "1Gi")
    assert (plain.cpu, plain.memory) == (SIMULATED_CPU, SIMULATED_MEMORY)


# the command line


def start(*arguments):
    return CliRunner().invoke(seatrial, ["twin", "start", *arguments], catch_exceptions=False)


def test_mistakes_in_the_file_come_before_anything_is_started(file):
    path = file("- {name: a, cpus: 4}")
    done = start("--nodes", str(path))
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [f"{path}:1:13: unknown key `cpus`", "    did you mean `cpu`?", "1 mistake"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes", "0"], "there can be 1 to 5000"),
        (["--nodes", "no-such.yaml"], "neither a number nor a file"),
        (["--nodes", __file__, "--zones", "a,b"], "in a file each entry has its own `zone`"),
    ],
)
def test_wrong_usage_is_explained(arguments, said):
    done = start(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
