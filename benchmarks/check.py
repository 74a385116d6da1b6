"""Checking manifests and diagnosing what runs: how long it takes, and what is found that lies between objects.

`seatrial check` stands beside checkov: whole commands, by the clock, over the same generated folders of 10 to 10,000 objects in
the same run; in the largest, faults between objects are planted, each of a kind of its own, and it is told how many of them each
finds.  checkov looks at Kubernetes alone, which is the fastest that it can do.  The shortest of several runs counts, of as many
on both sides; of the largest folder checkov, which takes a minute for it, has one.  Then a live namespace of 2,000 pods, a
twentieth of which cannot be placed, is diagnosed.

checkov is no dependency: it is installed into a virtual environment of its own below .cache when this runs.  Where it cannot be
installed, that is said, and our figures stand alone.  Both keep the bytecode of their modules, as anything installed does.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from api import start_twin
from planted import FAULTS, Fault, service

CACHE = Path(__file__).parent.parent / ".cache" / "checkov"
SEATRIAL = [str(Path(sys.executable).parent / "seatrial")]
OBJECTS = 10_000
#: Smaller folders, without faults: of these, the start of a command is the most.
FEWER, RUNS = (10, 100, 1_000), 3
PODS = 2_000
#: A tree that is worked on may keep none; what is installed does.
BYTECODE = {"PYTHONPYCACHEPREFIX": str(CACHE.parent / "bytecode")}
RATIO, CHECK_SECONDS, DIAGNOSE_SECONDS = 30, 5.0, 3.0


def write(folder: Path, objects: int, faults: tuple[Fault, ...]) -> int:
    """Manifests of services without a fault, a file each, and the faults among them; how many objects there are."""
    chance, written, number = random.Random(7), 0, 0
    for fault in faults:
        (folder / f"{fault.name}.yaml").write_text(fault.text)
        written += fault.text.count("\nkind: ")
    while written < objects:
        text = service(f"svc-{number:04}-{chance.randrange(16**4):04x}", f"team-{number % 40}", 8000 + number % 900)
        written += text.count("\nkind: ")
        (folder / f"svc-{number:04}.yaml").write_text(text)
        number += 1
    return written


def timed(command: list[str], **more: str) -> tuple[float, str]:
    """(seconds by the clock, what it printed). `more` is for the environment."""
    environment = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**environment, **BYTECODE, **more})
    took = time.perf_counter() - begin
    if not done.stdout:
        raise SystemExit(f"{command[0]} printed nothing and ended with {done.returncode}: {done.stderr[-500:]}")
    return took, done.stdout


def ours(folder: Path) -> tuple[float, set[str]]:
    """(the shortest of the runs in seconds, the planted faults that were found: their rule, in their file)."""
    runs = [timed([*SEATRIAL, "check", str(folder), "-o", "json", "--fail-on", "never"]) for _ in range(RUNS)]
    found = {
        (each["rule"], fact["source"])
        for cause in json.loads(runs[0][1])["causes"]
        for each in (cause, *cause.get("symptoms", ()))
        for fact in each.get("evidence", ())
    }
    hits = {
        fault.name for fault in FAULTS if any(rule == fault.rule and f"{fault.name}.yaml:" in source for rule, source in found)
    }
    return min(took for took, _ in runs), hits


def install() -> str:
    """checkov's own command, or "" where it is not to be had."""
    command = CACHE / "bin" / "checkov"
    if not command.is_file():
        print("installing checkov into .cache/checkov", flush=True)
        steps = ([sys.executable, "-m", "venv", str(CACHE)], [str(CACHE / "bin" / "pip"), "install", "--quiet", "checkov"])
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"checkov cannot be installed here: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}")
                return ""
    return str(command)


def checkov(command: str, folder: Path) -> tuple[float, str]:
    """(seconds, what it printed) of checkov at its fastest."""
    line = [command, "--framework", "kubernetes", "--output", "json", "--quiet", "--compact", "--skip-download", "--directory"]
    return timed([*line, str(folder)], LOG_LEVEL="ERROR", BC_SKIP_MAPPING="TRUE")


def theirs(command: str, folder: Path) -> tuple[float, set[str]]:
    """(seconds of one run, the planted faults that were found).

    A fault counts as found when a check fails in its file that does not fail in the same file without the fault.
    """
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch:
        for fault in FAULTS:
            Path(scratch, f"{fault.name}.yaml").write_text(fault.without)
        before = _failed(checkov(command, Path(scratch))[1])
    took, printed = checkov(command, folder)
    failed = _failed(printed)
    return took, {fault.name for fault in FAULTS if failed.get(fault.name, set()) - before.get(fault.name, set())}


def _failed(printed: str) -> dict[str, set[tuple[str, str]]]:
    """File's name without its ending -> (check, object) of what failed in it."""
    found: dict[str, set[tuple[str, str]]] = {}
    reports = json.loads(printed)
    for report in reports if isinstance(reports, list) else [reports]:
        for each in report.get("results", {}).get("failed_checks", ()):
            found.setdefault(Path(each["file_path"]).stem, set()).add((each["check_id"], each["resource"]))
    return found


def smaller(command: str) -> None:
    """How it goes with fewer objects: nothing is asked of these figures, they tell where the ratio comes from."""
    for objects in FEWER:
        with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch:
            folder = Path(scratch)
            written = write(folder, objects, ())
            took = ours(folder)[0]
            words = f"{written:6,} objects: seatrial check {took:6.2f} s"
            if command:
                other = min(checkov(command, folder)[0] for _ in range(RUNS))
                words += f"   checkov {other:6.2f} s   ratio {other / took:5.1f}"
            print(words, flush=True)


def side_by_side() -> bool:
    command = install()
    smaller(command)
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch:
        folder = Path(scratch)
        objects = write(folder, OBJECTS, FAULTS)
        took, hits = ours(folder)
        print(f"{objects:,} objects, {len(FAULTS)} faults between objects")
        print(
            f"  seatrial check   {took:8.2f} s   finds {len(hits):2} of {len(FAULTS)}   at most {CHECK_SECONDS:.0f} s", flush=True
        )
        for fault in FAULTS:
            if fault.name not in hits:
                print(f"    not found: {fault.name} ({fault.rule})")
        good = len(hits) == len(FAULTS) and took < CHECK_SECONDS
        if not command:
            return good
        other, found = theirs(command, folder)
        print(f"  checkov          {other:8.2f} s   finds {len(found):2} of {len(FAULTS)}")
        print(f"  ratio            {other / took:8.1f}     at least {RATIO}", flush=True)
        return good and other / took >= RATIO


def workloads() -> Iterator[dict[str, Any]]:
    """2,000 pods of twenty Deployments; one asks for more than any node has, one for an image that is not there."""
    for number in range(20):
        name = f"web-{number:02}"
        container: dict[str, Any] = {
            "name": "web",
            "image": f"registry.example.com/web:{number}",
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"requests": {"cpu": "900" if number == 7 else "10m", "memory": "16Mi"}},
        }
        labels = {"app": name}
        yield {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "replicas": PODS // 20,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        }


def live() -> bool:
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import tools

    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as home:
        twin, _, running = start_twin(home, "--simulate", "--nodes", "100")
        try:
            kubectl = [tools.kubectl(), "--kubeconfig", running["kubeconfig"]]
            manifests = Path(home, "web.yaml")
            manifests.write_text(yaml.safe_dump_all(workloads()))
            subprocess.run([*kubectl, "apply", "-f", str(manifests)], check=True, capture_output=True)
            _wait(lambda: _running(kubectl) >= PODS - PODS // 20)
            command = [*SEATRIAL, "diagnose", "-n", "default", "--kubeconfig", running["kubeconfig"], "-o", "json"]
            runs = [timed([*command, "--fail-on", "never"]) for _ in range(3)]
        finally:
            twin.terminate()
            twin.wait()
    report = json.loads(runs[0][1])
    took = min(seconds for seconds, _ in runs)
    objects = report["summary"]["objects"]
    print(f"a live namespace of {PODS:,} pods, {objects:,} objects")
    print(f"  seatrial diagnose{took:8.2f} s   at most {DIAGNOSE_SECONDS:.0f} s")
    print(f"  its first cause: {report['causes'][0]['title'] if report['causes'] else 'none'}", flush=True)
    return took < DIAGNOSE_SECONDS and bool(report["causes"])


def _running(kubectl: list[str]) -> int:
    line = [*kubectl, "get", "deployments", "-o", "jsonpath={.items[*].status.readyReplicas}"]
    return sum(map(int, subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()))


def _wait(until: Callable[[], bool]) -> None:
    begin = time.perf_counter()
    while not until():
        if time.perf_counter() - begin > 300:
            raise SystemExit("the pods are not ready after 300 s")
        time.sleep(1)


def main() -> int:
    return 0 if all([side_by_side(), live()]) else 1


if __name__ == "__main__":
    sys.exit(main())
