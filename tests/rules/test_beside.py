"""Two pieces of work in two processes: the answers are those of one, whatever becomes of the other."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core, and so one process")

SCRIPT = """
import os
from seatrial.rules.beside import side_by_side

ME = os.getpid()

def own():
    {own}

def other():
    {other}

try:
    print(side_by_side(own, other))
except ZeroDivisionError:
    print("own failed")
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("nobody is left")
"""


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ("return os.getpid() == ME", "return os.getpid() == ME", "(True, False)"),
        ("return 1", "return (os.getpid() == ME) or os._exit(3)", "(1, True)"),  # the copy died: it is done here
        ("return 1", "return 'here' if os.getpid() == ME else (lambda: None)", "(1, 'here')"),  # no answer that can be sent
        ("return 1 / 0", "return 'x' * 10_000_000", "own failed"),
    ],
)
def test_both_answers_are_had_and_no_process_is_left(own, other, said):
    script = SCRIPT.format(own=own, other=other)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [said, "nobody is left"], done.stderr


def manifests(number):
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "a"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:latest", "envFrom": [{"configMapRef": {"name": "none"}}]}]},
            },
        },
    }
    maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{i}", "namespace": "a"}} for i in range(number)]
    return [*maps[: number // 2], workload, *maps[number // 2 :]]


def test_a_large_world_is_judged_alike_by_one_process_and_by_two(tmp_path):
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests(3100)}))
    command = [sys.executable, "-m", "seatrial", "check", "-o", "json", str(tmp_path)]
    two = subprocess.run(command, capture_output=True, text=True, check=False)
    core = {min(os.sched_getaffinity(0))}
    one = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=lambda: os.sched_setaffinity(0, core))
    assert one.stdout == two.stdout
    causes = json.loads(two.stdout)["causes"]
    rules = {each["rule"] for cause in causes for each in (cause, *cause.get("symptoms", ()))}
    assert rules >= {"image-tag-missing", "missing-config"}
