"""The watcher against a running twin: success, failures with their logs, secrets that stay secret, a deadline that passes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage import deployment

from seatrial.cluster.client import Client
from seatrial.release.events import Rollout, Verdict
from seatrial.release.redact import Redactor
from seatrial.release.watch import Watcher
from seatrial.world.objects import Obj, Ref, clone


@pytest.fixture(scope="module")
def simulated(start_twin: Callable[..., Any]) -> Any:
    return start_twin("watched", "--simulate")


class Watched:
    """What a watcher told, and its verdict, for some objects that kubectl applies."""

    def __init__(self, twin: Any, namespace: str) -> None:
        self.twin, self.namespace = twin, namespace
        self.told: list[tuple[str, dict[str, Any]]] = []
        twin.kubectl("create", "namespace", namespace)

    def tell(self, kind: str, ref: Ref | None = None, /, **payload: Any) -> None:
        self.told.append((kind, payload))

    def release(self, objects: list[Obj], seconds: float = 60, secrets: tuple[str, ...] = ()) -> Verdict:
        return asyncio.run(self._release([self._placed(obj) for obj in objects], seconds, secrets))

    def _placed(self, obj: Obj) -> Obj:
        copy = clone(obj)
        copy["metadata"]["namespace"] = self.namespace
        return copy

    async def _release(self, objects: list[Obj], seconds: float, secrets: tuple[str, ...]) -> Verdict:
        client = Client(Path(self.twin.running.kubeconfig))
        watcher = Watcher(
            client, Rollout("r", self.namespace, tuple(objects)), tell=self.tell, redactor=Redactor(secrets), clock=time
        )
        running = asyncio.ensure_future(watcher.run(time.monotonic() + seconds))
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        out = await asyncio.to_thread(self.twin.kubectl, "apply", "-o", "json", "-f", "-", stdin=listed)
        live = json.loads(out)
        watcher.applied(live["items"] if live["kind"] == "List" else [live])
        try:
            return await running
        finally:
            await client.close()

    def lines(self) -> list[str]:
        return [payload["line"] for kind, payload in self.told if kind == "log"]


READY = {"readinessProbe": {"tcpSocket": {"port": 80}, "initialDelaySeconds": 5}}


def test_a_rollout_is_followed_to_its_end(simulated: Any) -> None:
    watched = Watched(simulated, "w-good")
    assert watched.release([deployment(replicas=2)]).state == "succeeded"
    rows = [payload["rows"] for kind, payload in watched.told if kind == "tree"]
    assert (rows[-1][0]["state"], rows[-1][0]["ready"]) == ("ready", 2)


def test_a_crash_is_told_with_its_log_and_without_the_secret(simulated: Any) -> None:
    watched = Watched(simulated, "w-crash")
    command = ["sh", "-c", "echo using hunter2hunter2; echo DB_URL is not set; exit 3"]
    verdict = watched.release([deployment(container={**READY, "command": command})], secrets=("hunter2hunter2",))
    assert (verdict.state, verdict.findings[0].rule) == ("doomed", "crash-config")
    assert "DB_URL" in verdict.text
    assert "hunter2" not in repr(watched.told) + repr(verdict)
    assert "using ***" in watched.lines()


def test_a_pod_that_fits_nowhere_is_known_where_nothing_adds_nodes(simulated: Any) -> None:
    watched = Watched(simulated, "w-room")
    verdict = watched.release([deployment(container={"resources": {"requests": {"cpu": "900"}}})])
    assert (verdict.state, verdict.reason) == ("doomed", "Unschedulable")
    assert any("largest node" in fact.text for fact in verdict.findings[0].evidence)


def test_what_takes_too_long_is_timed_out_with_what_is_known(simulated: Any) -> None:
    watched = Watched(simulated, "w-slow")
    probe = {"readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1}}
    verdict = watched.release([deployment(profile="ready_after=never", container=probe)], seconds=2)
    assert (verdict.state, verdict.reason) == ("timed out", "TimedOut")
    assert "Deployment web" in verdict.text
