# ruff: noqa: E501 - rows of a table
"""`seatrial release` beside `helm upgrade --wait` in the same run: how soon a failure is known, what a healthy release costs, and
what watching 2,000 pods takes.

Failures: a healthy release is live, and its next version fails in one of twelve ways.  An observer of its own follows the
namespace and notes when the cluster first shows the failure; the seconds count from there to the line with the verdict, and for
Helm to its end, which is its timeout (`HELM_TIMEOUT` here, 5 minutes by default).  What a preflight would refuse before anything
changes is brought about behind its back, while the release's own hook runs.

python benchmarks/release.py                        everything
python benchmarks/release.py failures image quota   the failures whose name has one of these words
python benchmarks/release.py healthy|large          one part
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from api import start_twin

from seatrial.cluster.api import Resource
from seatrial.cluster.client import Client
from seatrial.release.follow import Follower

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import tools

HELM_TIMEOUT = 20
KNOWN, ROUNDS, WORKLOADS, REPLICAS, NODES = 3.0, 5, 200, 10, 60
MIB = 2**20
Obj = dict[str, Any]

#: Follows what a release without hooks may not need.
RESOURCES = tuple(
    Resource(group, "v1", kind, f"{kind.lower()}s", True)
    for group, kind in (("", "Pod"), ("", "Event"), ("apps", "ReplicaSet"), ("batch", "Job"))
)


def deployment(name: str = "web", profile: str = "ready_after=500ms", **more: Any) -> Obj:
    container = {
        "name": "app",
        "image": "example.com/app:1",
        "ports": [{"containerPort": 8080}],
        **SAFE,
        **more.pop("container", {}),
    }
    spec: Obj = {
        "replicas": more.pop("replicas", 2),
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}, "annotations": {"sim.seatrial.dev/app": profile}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **more.pop("pod", {})},
        },
        **more,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def hook(profile: str = "exits_after=3s") -> Obj:
    notes = {"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}
    metadata = {"annotations": {"sim.seatrial.dev/app": profile}}
    spec = {"restartPolicy": "Never", "containers": [{"name": "app", "image": "example.com/migrate:1", **SAFE}]}
    template = {"metadata": metadata, "spec": spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "annotations": notes}, "spec": {"backoffLimit": 0, "template": template}}  # fmt: skip


#: A container that every level of Pod Security takes, so that only what is meant to fail does.
SAFE = {
    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 1000, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}  # fmt: skip
TCP = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
CONFIG: list[Obj] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"level": "info"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": "t0ken-of-the-bench"}},
]


# when the cluster shows it


def waiting(*reasons: str) -> Callable[[Obj], bool]:
    return lambda obj: any(_dig(each, "state", "waiting").get("reason") in reasons for each in _statuses(obj))


def ended(times: int) -> Callable[[Obj], bool]:
    """A container that has ended so often."""
    return lambda obj: any(
        each.get("restartCount", 0) + bool(_dig(each, "state", "terminated")) >= times for each in _statuses(obj)
    )


def event(reason: str, count: int = 1) -> Callable[[Obj], bool]:
    return lambda obj: obj["kind"] == "Event" and obj.get("reason") == reason and obj.get("count", 1) >= count


def condition(kind: str, status: str, reason: str) -> Callable[[Obj], bool]:
    return lambda obj: any(
        (each.get("type"), each.get("status")) == (kind, status) and reason in each.get("reason", "")
        for each in _dig(obj, "status").get("conditions", ())
    )


def _statuses(obj: Obj) -> list[Obj]:
    return _dig(obj, "status").get("containerStatuses", []) if obj["kind"] == "Pod" else []


def _dig(obj: Obj, *path: str) -> Obj:
    for key in path:
        obj = obj.get(key) or {}
    return obj


@dataclass(frozen=True)
class Failure:
    """`objects` are the failing version; `late` are kubectl's words for what happens behind the preflight's back."""

    name: str
    objects: Sequence[Obj]
    shown: Callable[[Obj], bool]
    late: Sequence[Sequence[str]] = ()
    options: Sequence[str] = ()


def env(kind: str, name: str, key: str) -> Obj:
    return {"container": {"env": [{"name": "X", "valueFrom": {kind: {"name": name, "key": key}}}]}}


def patch(what: str, document: Obj) -> Sequence[str]:
    return ("patch", *what.split(), "--type=merge", "-p", json.dumps(document))


FAILURES = (
    Failure("crash loop", [deployment(profile="exits_after=100ms,exit_code=1", container=TCP)], waiting("CrashLoopBackOff")),
    Failure("second crash after a while", [deployment(profile="exits_after=4s,exit_code=1", minReadySeconds=20)], ended(2)),
    Failure("image not found", [deployment(profile="pull_seconds=300ms,pull_error=example.com/gone:9: not found", container={"image": "example.com/gone:9"})],
            waiting("ErrImagePull", "ImagePullBackOff")),
    Failure("bad image name", [deployment(container={"image": "Example.com/App:1"})], waiting("InvalidImageName")),
    Failure("missing config map", [deployment(**env("configMapKeyRef", "settings", "level"))], waiting("CreateContainerConfigError"),
            [("delete", "configmap", "settings")]),
    Failure("missing secret key", [deployment(**env("secretKeyRef", "keys", "token"))], waiting("CreateContainerConfigError"),
            [patch("secret keys", {"data": {"token": None}})]),
    Failure("quota refuses pods", [deployment(container={"env": [{"name": "V", "value": "2"}]})],
            condition("ReplicaFailure", "True", "FailedCreate"), [("create", "quota", "none", "--hard=pods=0")]),
    Failure("no node for the pods", [deployment(container={"resources": {"requests": {"cpu": "1", "example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}})],
            condition("PodScheduled", "False", "Unschedulable"), [patch("node node-1 --subresource=status", {"status": {"allocatable": {"example.com/gpu": None}, "capacity": {"example.com/gpu": None}}})]),
    Failure("probe that cannot pass", [deployment(container={"readinessProbe": {"tcpSocket": {"port": 9999}, "initialDelaySeconds": 10, "periodSeconds": 1}})],
            event("Unhealthy", 3)),
    Failure("failed hook", [hook("exits_after=300ms,exit_code=3"), deployment(profile="ready_after=1s")], condition("Failed", "True", "")),
    Failure("out of memory", [deployment(profile="ready_after=5s,memory=0:10Mi/1:200Mi", container=TCP)], ended(2)),
    Failure("pod security refuses pods", [deployment(container={"securityContext": {"privileged": True}})],
            condition("ReplicaFailure", "True", "FailedCreate"), [("label", "namespace", "NAMESPACE", "pod-security.kubernetes.io/enforce=restricted")]),
)  # fmt: skip


@dataclass
class Bench:
    """A twin, a folder for charts, and the commands against it."""

    kubeconfig: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def chart(self, name: str, objects: Sequence[Obj]) -> Path:
        """A chart whose templates are these objects as they are."""
        chart = self.folder / name
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text("{apiVersion: v2, name: bench, version: 0.1.0}\n")
        (chart / "templates" / "all.yaml").write_text(yaml.safe_dump_all(objects))
        return chart

    def helm(self, namespace: str, chart: Path, timeout: int = 120) -> list[str]:
        command = [tools.helm(), "upgrade", "--install", "bench", str(chart), "-n", namespace, "--create-namespace", "--wait"]
        return [*command, "--timeout", f"{timeout}s", "--kubeconfig", str(self.kubeconfig)]

    def seatrial(self, namespace: str, chart: Path, *options: str) -> list[str]:
        command = [sys.executable, "-m", "seatrial", "release", "--kubeconfig", str(self.kubeconfig), "-n", namespace]
        command += ["--release-name", "bench", "--chart-path", str(chart), "--yes", "-o", "json", "--on-failure", "keep"]
        return [*command, "--evidence", str(self.folder / "evidence"), *options]

    async def run(self, command: Sequence[str], *, check: bool = True) -> float:
        """Seconds that a command takes."""
        pipe = asyncio.subprocess.PIPE
        begin = time.monotonic()
        child = await asyncio.create_subprocess_exec(
            *command, env=self.environment, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await child.communicate()
        took = time.monotonic() - begin
        if check and child.returncode:
            raise SystemExit(f"{' '.join(command[:8])}:\n{said.decode()[-2000:]}")
        return took

    async def apply(self, namespace: str, objects: Sequence[Obj]) -> None:
        path = self.folder / "given.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        await self.kubectl("-n", namespace, "apply", "-f", str(path))

    async def kubectl(self, *words: str) -> None:
        await self.run([tools.kubectl(), "--kubeconfig", str(self.kubeconfig), *words])


class Observer:
    """Follows a namespace, and notes when something first held of an object."""

    def __init__(self, client: Client, namespace: str, shown: Callable[[Obj], bool]) -> None:
        self._shown, self.at = shown, 0.0
        self._followers = [Follower(client, resource, namespace, self._see, time) for resource in RESOURCES]  # type: ignore[arg-type]

    async def __aenter__(self) -> Observer:
        self._tasks = [asyncio.ensure_future(follower.run()) for follower in self._followers]
        await asyncio.gather(*(follower.ready.wait() for follower in self._followers))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _see(self, change: str, obj: Obj) -> None:
        if not self.at and change != "DELETED" and self._shown(obj):
            self.at = time.monotonic()


async def watched(bench: Bench, namespace: str, chart: Path, failure: Failure) -> tuple[float, str]:
    """When the verdict was printed, and its reason; what is to happen late happens when the hook has started."""
    pipe = asyncio.subprocess.PIPE
    command = bench.seatrial(namespace, chart, *failure.options)
    child = await asyncio.create_subprocess_exec(*command, env=bench.environment, stdout=pipe, limit=1 << 26)
    at, reason, late = 0.0, "", list(failure.late)
    assert child.stdout
    async for line in child.stdout:
        said = json.loads(line)
        if late and said["kind"] == "hook":
            for words in late:
                await bench.kubectl("-n", namespace, *(word.replace("NAMESPACE", namespace) for word in words))
            late = []
        if not at and (said["kind"] == "result" or (said["kind"] == "verdict" and said["state"] != "progressing")):
            at, reason = time.monotonic(), said["reason"]
    await child.wait()
    return at, reason


async def failure_row(bench: Bench, client: Client, number: int, failure: Failure) -> tuple[str, float, float, str]:
    """(name, seconds of seatrial, seconds of Helm, reason), both in namespaces of their own, side by side."""
    ours, theirs = f"ours-{number}", f"theirs-{number}"
    slow = [] if any(obj["kind"] == "Job" for obj in failure.objects) else [hook()]
    before = bench.chart(f"before-{number}", [deployment(profile="ready_after=100ms")])
    chart = bench.chart(f"after-{number}", [*slow, *failure.objects])
    plain = bench.chart(
        f"plain-{number}", failure.objects
    )  # Helm has no phases to wait for: what is late is there before it starts
    if failure.name == "no node for the pods":
        gpu = {"status": {"allocatable": {"example.com/gpu": "8"}, "capacity": {"example.com/gpu": "8"}}}
        await bench.kubectl(*patch("node node-1 --subresource=status", gpu))
    await asyncio.gather(bench.run(bench.helm(ours, before)), bench.run(bench.helm(theirs, before)))
    await bench.apply(ours, CONFIG)
    async with Observer(client, ours, failure.shown) as mine:
        at, reason = await watched(bench, ours, chart, failure)
    for words in failure.late:
        if words[0] in ("create", "label"):
            await bench.kubectl("-n", theirs, *(word.replace("NAMESPACE", theirs) for word in words))
    async with Observer(client, theirs, failure.shown) as other:
        await bench.run(bench.helm(theirs, plain, HELM_TIMEOUT), check=False)
        end = time.monotonic()
    return failure.name, at - mine.at if mine.at else -1.0, end - other.at if other.at else -1.0, reason


async def failures(bench: Bench, client: Client, only: Sequence[str] = ()) -> int:
    print(f"from what the cluster shows to the verdict, seconds (helm upgrade --wait --timeout {HELM_TIMEOUT}s beside it)")
    print(f"{'':<30}{'seatrial':>10}{'helm':>8}{'ratio':>8}   reason")
    late, known = 0, 0
    for number, failure in enumerate(FAILURES):
        if only and not any(word in failure.name for word in only):
            continue
        name, mine, theirs, reason = await failure_row(bench, client, number, failure)
        shown = f"{max(mine, 0.0):>10.2f}" if reason != "PreflightFailed" else f"{'preflight':>10}"
        ratio = f"{theirs / max(mine, 0.01):>8.0f}" if theirs > 0 else f"{'':>8}"
        print(f"{name:<30}{shown}{theirs:>8.1f}{ratio}   {reason}", flush=True)
        missed = mine > KNOWN or reason in ("Released", "TimedOut", "ApplyFailed")
        late, known = late + missed, known + (not missed)
    print(f"{known} of {late + known} known within {KNOWN:.0f} s of what the cluster shows\n")
    return late


async def healthy(bench: Bench) -> int:
    """Upgrades of the same chart, one after the other, each in a namespace of its own."""
    surge = {
        "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}
    }  # one wave: what is compared is not the waves
    objects = [
        deployment(name, replicas=3, profile="ready_after=2s", container=TCP, **surge) for name in ("web", "api", "worker")
    ]
    times: dict[str, list[float]] = {"seatrial": [], "helm": []}
    for number in range(ROUNDS + 1):
        for obj in objects:
            obj["spec"]["template"]["metadata"]["annotations"]["round"] = str(number)
        chart = bench.chart("healthy", objects)
        for name, command in (("helm", bench.helm("healthy-h", chart)), ("seatrial", bench.seatrial("healthy-s", chart))):
            took = await bench.run(command)
            if number:  # the first installs, and warms what is cached
                times[name].append(took)
    mine, theirs = statistics.median(times["seatrial"]), statistics.median(times["helm"])
    bound = max(1.05 * theirs, theirs + 1.0)
    print(f"a healthy upgrade of 3 Deployments with 3 pods each, seconds from command to prompt (medians of {ROUNDS} rounds)")
    print(f"seatrial {mine:.2f}   helm upgrade --wait {theirs:.2f}   ratio {mine / theirs:.2f}   {mine - theirs:+.2f} s (at most {bound - theirs:+.2f})\n")  # fmt: skip
    return mine > bound


async def large(bench: Bench) -> int:
    """Memory and processor time of a release of many workloads, of its own process alone."""
    objects = [deployment(f"app-{number}", replicas=REPLICAS, profile="ready_after=1s") for number in range(WORKLOADS)]
    chart = bench.chart("large", objects)
    command = bench.seatrial("large", chart)
    begin = time.monotonic()
    log = (bench.folder / "large.jsonl").open("wb")
    child = await asyncio.create_subprocess_exec(*command, env=bench.environment, stdout=log, stderr=subprocess.DEVNULL)
    process, peak, cpu = psutil.Process(child.pid), 0, 0.0
    ending = asyncio.ensure_future(child.wait())
    while not ending.done():
        try:
            peak = max(peak, _peak(child.pid))
            used = process.cpu_times()
            cpu = used.user + used.system
        except (psutil.Error, OSError):
            break
        await asyncio.wait({ending}, timeout=0.2)
    await ending
    log.close()
    took = time.monotonic() - begin
    result = json.loads((bench.folder / "large.jsonl").read_bytes().splitlines()[-1])
    print(f"{WORKLOADS} workloads, {WORKLOADS * REPLICAS} pods: {result['reason']} after {took:.0f} s")
    print(f"memory {peak / MIB:.0f} MiB at the peak (limit 300)   processor {cpu:.1f} s = {cpu / took:.2f} of a core (limit 1)")
    print("seconds: " + "  ".join(f"{phase} {seconds:.1f}" for phase, seconds in result["seconds"].items()))
    return child.returncode != 0 or peak > 300 * MIB


def _peak(pid: int) -> int:
    """The most memory a process has had resident, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


async def main() -> int:
    wanted = sys.argv[1:2] or ["failures", "healthy", "large"]
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as home:
        twin, _, running = start_twin(home, "--simulate", "--nodes", str(NODES))
        environment = {**os.environ, "PATH": f"{tools.TOOLS}{os.pathsep}{os.environ['PATH']}", "HELM_NO_PLUGINS": "1"}
        environment |= {"PYTHONPYCACHEPREFIX": f"{home}/bytecode"}  # from the second run on, as anybody's
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        bench = Bench(Path(running["kubeconfig"]), Path(home) / "charts", environment)
        client = Client(bench.kubeconfig)
        missed = 0
        try:
            if "failures" in wanted:
                missed += await failures(bench, client, sys.argv[2:])
            if "healthy" in wanted:
                missed += await healthy(bench)
            if "large" in wanted:
                missed += await large(bench)
        finally:
            await client.close()
            twin.terminate()
            twin.wait()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
