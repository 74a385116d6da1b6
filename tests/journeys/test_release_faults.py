"""A release through a cluster that stumbles, disappears or loses answers, on a full disk, and killed at every phase."""

from __future__ import annotations

import asyncio
import errno
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from release.faults import FaultProxy, Held, answers, cuts, drips, ends, expires, loses, resets, without_bookmarks
from seatrial.cluster import helm as helming
from seatrial.cluster.client import Client
from seatrial.release import evidence
from seatrial.release.events import Event, Result
from seatrial.release.evidence import save_evidence
from seatrial.release.redact import Redactor
from seatrial.release.run import Parts, Release, Wish
from seatrial.release.sources import Source
from seatrial.release.verify import verify
from seatrial.release.watch import Watcher

CHART = Path(__file__).parent.parent / "release" / "data" / "backend"
BROKEN = {"image": "example.com/gone:9", "profile": "pull_seconds=100ms,pull_error=example.com/gone:9: not found"}
#: Helm makes the Job of the hook.
HOOK = r"(POST|PATCH) /apis/batch/v1/namespaces/[^/]+/jobs(?!.*dryRun)"

pytestmark = pytest.mark.xdist_group("release-faults")


@pytest.fixture(scope="module")
def cluster(start_twin: Callable[..., Any]) -> Any:
    return start_twin("faulty", "--simulate", "--nodes", "2")


@pytest.fixture(autouse=True)
def tools(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same Helm for releases in this process as for those in one of their own."""
    monkeypatch.setenv("PATH", cluster.environment["PATH"])
    helming.binary.cache_clear()
    yield
    helming.binary.cache_clear()


@pytest.fixture
def proxy(cluster: Any, tmp_path: Path) -> Iterator[FaultProxy]:
    with FaultProxy(Path(cluster.running.kubeconfig), tmp_path) as proxy:
        yield proxy


class Skewed:
    """A clock whose time of day jumps back and forth by an hour; `skipped` are the seconds that nobody waited for."""

    def __init__(self) -> None:
        self.skipped, self._jump = 0.0, 3600.0

    def monotonic(self) -> float:
        return time.monotonic() + self.skipped

    def time(self) -> float:
        self._jump = -self._jump
        return time.time() + self._jump

    async def sleep(self, seconds: float) -> None:
        self.skipped += seconds
        await asyncio.sleep(0)


class Released:
    """A release in this process, its events and its result."""

    def __init__(self, proxy: FaultProxy, namespace: str, wish: Wish | None = None, clock: Any = time, **values: Any) -> None:
        self.events: list[Event] = []
        self.left = False  # whether the cluster has left it
        self.heard: Callable[[Event], None] = lambda event: None
        self._proxy, self._values, self._namespace, self._clock = proxy, values, namespace, clock
        self._wish = wish or Wish()

    def run(self) -> Result:
        return asyncio.run(self._run())

    async def _run(self) -> Result:
        client, helm = Client(self._proxy.kubeconfig), helming.Helm(self._proxy.kubeconfig)
        source = Source("./chart", "backend", self._namespace, CHART, self._values)
        watcher = partial(Watcher, sleep=self._clock.sleep) if isinstance(self._clock, Skewed) else Watcher
        parts = Parts(watcher, Redactor(), verify=verify, save=save_evidence, clock=self._clock, listen=self._listen)
        wish = Wish(
            **{**{name: getattr(self._wish, name) for name in Wish.__slots__}, "yes": True, "evidence": self._proxy.folder}
        )
        try:
            return await Release(source, client, helm, wish, parts).run()
        finally:
            await client.close()

    def _listen(self, event: Event) -> None:
        self.events.append(event)
        self.heard(event)

    def started(self) -> list[str]:
        return [str(event.payload["phase"]) for event in self.events if event.kind == "phase"]

    def of(self, kind: str) -> list[str]:
        return [str(event.payload.get("text") or event.payload) for event in self.events if event.kind == kind]


def profile(cluster: Any, namespace: str) -> str:
    path = "jsonpath={.spec.template.metadata.annotations.sim\\.seatrial\\.dev/app}"
    return cluster.kubectl("-n", namespace, "get", "deployment", "backend", "-o", path)


def is_free(cluster: Any, namespace: str) -> bool:
    return cluster.kubectl("-n", namespace, "get", "leases", "-o", "name") == ""


STUMBLES = (
    ("GET /version", answers(429, Retry_After="0")),
    (r"GET /apis\n", answers(500)),
    (r"GET /api\n", resets()),
    ("GET .*/resourcequotas", answers(503)),
    ("POST .*/leases", answers(429, Retry_After="0")),
    ("POST .*/leases", loses()),
    ("PUT .*/leases/", answers(503)),
    ("GET .*/pods\\?.*limit", answers(500)),
    ("GET .*/pods\\?.*watch", resets()),
    ("GET .*/pods\\?.*watch", ends(after=1)),
    ("GET .*/pods\\?.*watch", without_bookmarks()),
    ("GET .*/deployments\\?.*watch", expires()),
    ("GET .*/deployments\\?.*watch", drips()),
    ("GET .*/replicasets\\?.*watch", cuts(after=300)),
    ("GET .*/replicasets\\?.*watch", answers(503, Retry_After="1")),
    ("GET .*/jobs\\?.*watch", answers(410)),
    ("GET .*/events\\?.*watch", cuts(after=1000)),
)


def stumble(proxy: FaultProxy) -> None:
    proxy.script.clear()
    for pattern, act in STUMBLES:
        proxy.on(pattern, act)


def test_a_release_goes_through_a_cluster_that_stumbles_while_the_clock_jumps(cluster: Any, proxy: FaultProxy) -> None:
    stumble(proxy)
    result = Released(proxy, "stumbles", clock=Skewed()).run()
    assert (result.code, result.reason) == (0, "Released")
    firsts = {fault.pattern: fault for fault in reversed(proxy.script)}
    assert not [pattern for pattern, fault in firsts.items() if not fault.done], "these faults never struck"
    assert proxy.count(HOOK) == 1
    assert cluster.kubectl("-n", "stumbles", "get", "deployment", "backend", "-o", "jsonpath={.status.availableReplicas}") == "2"
    assert is_free(cluster, "stumbles")

    stumble(proxy)
    released = Released(proxy, "stumbles", clock=Skewed(), **BROKEN)
    result = released.run()
    assert (result.code, result.reason) == (20, "ImageUnavailable"), result.text
    assert result.evidence is not None and (result.evidence.folder / "finding.json").exists()
    assert profile(cluster, "stumbles") == "ready_after=200ms"
    assert is_free(cluster, "stumbles")


def test_a_cluster_that_disappears_for_twenty_seconds_is_waited_for_and_one_that_stays_away_is_left(
    cluster: Any, proxy: FaultProxy
) -> None:
    clock = Skewed()
    released = Released(proxy, "gone", clock=clock, replicas=1, gate="example.com/go")

    async def sleep(seconds: float) -> None:
        await Skewed.sleep(clock, seconds)
        if proxy.gone and clock.skipped >= 20:
            proxy.gone = False
            open_gate(cluster, "gone")

    clock.sleep = sleep  # type: ignore[method-assign]
    released.heard = lambda event: disappear_once(proxy, released)
    result = released.run()
    assert (result.code, result.reason) == (0, "Released"), result.text
    assert clock.skipped >= 20

    staying = Released(proxy, "gone", clock=Skewed(), replicas=1, gate="example.com/never")
    staying.heard = lambda event: disappear_once(proxy, staying)
    result = staying.run()
    assert (result.code, result.reason) == (50, "Unreachable"), result.text


def disappear_once(proxy: FaultProxy, released: Released) -> None:
    """The cluster is gone when its new pod was seen and Helm has ended: the pod's gate is shut, so that much is to come."""
    pods = [row["pods"] for event in released.events if event.kind == "tree" for row in event.payload["rows"]]
    if "watch" in released.started() and any(pod["new"] for each in pods for pod in each) and not released.left:
        released.left = True
        proxy.disappear()


def open_gate(cluster: Any, namespace: str) -> None:
    go = {"status": {"conditions": [{"type": "example.com/go", "status": "True"}]}}
    pod = cluster.kubectl("-n", namespace, "get", "pods", "-l", "app=backend", "-o", "jsonpath={.items[0].metadata.name}")
    cluster.kubectl("-n", namespace, "patch", "pod", pod, "--subresource", "status", "-p", json.dumps(go))


def test_an_answer_to_helm_that_is_lost_leaves_the_old_version_and_runs_no_hook_twice(cluster: Any, proxy: FaultProxy) -> None:
    assert Released(proxy, "lost").run().code == 0
    proxy.asked.clear()
    proxy.on(HOOK, loses())
    result = Released(proxy, "lost", profile="ready_after=300ms").run()
    assert (result.code, result.reason) == (20, "ApplyFailed")
    assert proxy.count(HOOK) == 1
    assert profile(cluster, "lost") == "ready_after=200ms"


def test_a_full_disk_keeps_nobody_from_rolling_back(cluster: Any, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Released(proxy, "full").run().code == 0
    real, room = evidence.write, ["finding.json"]

    def write(path: Path, text: str) -> None:
        if path.name not in room:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, text)

    monkeypatch.setattr(evidence, "write", write)
    result = Released(proxy, "full", **BROKEN).run()
    assert (result.code, result.reason) == (20, "ImageUnavailable"), result.text
    assert result.evidence is not None and [path.name for path in result.evidence.folder.rglob("*.*")] == ["finding.json"]

    room.clear()
    released = Released(proxy, "full", **BROKEN)
    result = released.run()
    assert (result.code, result.evidence) == (20, None)
    assert any("No space left on device" in text for text in released.of("warning"))
    assert profile(cluster, "full") == "ready_after=200ms"


# kill -9


@contextmanager
def killed(cluster: Any, proxy: FaultProxy, namespace: str, at: str, *options: str, before: bool = False) -> Iterator[str]:
    """A release in a process of its own that is killed when the cluster has been asked for `at`; what it had said."""
    held = Held(before=before)
    proxy.script[:] = []
    proxy.on(at, held)
    command = [sys.executable, "-m", "seatrial", "release", "--kubeconfig", str(proxy.kubeconfig), "-o", "json", "--yes"]
    command += ["-n", namespace, "--release-name", "backend", "--chart-path", str(CHART), "--recover", *options]
    said = proxy.folder / "said"
    with said.open("wb") as out:
        environment = {**cluster.environment, "TMPDIR": str(proxy.folder)}  # what is killed leaves its folder there
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=proxy.folder)
        reached = held.reached.wait(60)
        children = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        child.wait()
        # Helm goes with it: it is let on now, as the network would
        held.go()
        _, alive = psutil.wait_procs(children, timeout=60)
    proxy.script.clear()
    assert reached, said.read_text()
    assert not alive, "Helm went on alone"
    yield said.read_text()


def enters(phase: str) -> str:
    """The request that writes a phase into the lock."""
    return f'(?s)PUT .*/leases/.*"seatrial.dev/phase":"{phase}"'


def test_what_is_killed_in_any_phase_is_taken_up_by_the_next(cluster: Any, proxy: FaultProxy) -> None:
    namespace = "killed"
    for at in ("GET /version", "GET .*/resourcequotas", "POST .*/leases"):  # plan, preflight, lock: nothing is changed
        with killed(cluster, proxy, namespace, at):
            assert cluster.helm("-n", namespace, "list", "-q") == ""
            assert proxy.count(HOOK) == 0

    with killed(cluster, proxy, namespace, HOOK, before=True) as said:  # apply
        assert "took over the lock" in said
        assert '"deployed"' not in cluster.helm("-n", namespace, "list", "-o", "json")
        assert cluster.kubectl("-n", namespace, "get", "deployments", "-o", "name") == ""

    proxy.asked.clear()
    with killed(cluster, proxy, namespace, enters("watch")):
        assert proxy.count(HOOK) == 1

    with killed(cluster, proxy, namespace, enters("verify")) as said:  # takes up watching, and applies nothing again
        assert "taking it up from there" in said

    released = Released(proxy, namespace)
    assert released.run().reason == "Released"
    assert any("taking it up from there" in text for text in released.of("note"))
    assert proxy.count(HOOK) == 1
    (row,) = json.loads(cluster.helm("-n", namespace, "list", "-o", "json"))
    assert row["status"] == "deployed"
    assert is_free(cluster, namespace)


def test_what_is_killed_while_it_mends_a_failure_is_taken_up_by_the_next(cluster: Any, proxy: FaultProxy) -> None:
    namespace = "mending"
    assert Released(proxy, namespace).run().code == 0
    broken = [part for key, value in BROKEN.items() for part in ("--set", f"{key}={value}".replace(",", "\\,"))]
    for phase in ("evidence", "rollback"):
        with killed(cluster, proxy, namespace, enters(phase), *broken) as said:
            assert '"ImageUnavailable"' in said
    result = Released(proxy, namespace, **BROKEN).run()
    assert (result.code, result.reason) == (20, "ImageUnavailable"), result.text
    assert profile(cluster, namespace) == "ready_after=200ms"
    assert is_free(cluster, namespace)
