"""Lifecycle hooks: what postStart and preStop do (pkg/kubelet/lifecycle/handlers.go)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from seatrial.twin.kubelet.containers import Container
from seatrial.twin.kubelet.probes import port_number
from seatrial.twin.kubelet.runtime import ExecResult, ProbeResult
from seatrial.twin.kubelet.tasks import Steps, sleep
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.kubelet.worker import PodWorker

#: Hooks have no time limit of their own; the termination grace bounds a preStop. Seconds.
NO_LIMIT = 3600.0


def run(worker: PodWorker, container: Container, hook: Obj, limit: float = NO_LIMIT) -> Steps[str | None]:
    """Run a hook in a running container, for at most `limit` seconds; returns what went wrong, None for nothing."""
    assert container.run is not None
    if "exec" in hook:
        command = tuple(hook["exec"].get("command") or ())
        result: ExecResult = yield partial(worker.host.runtime.exec, container.run.id, command, limit)
        if result.timed_out:
            return f"command {list(command)} timed out"
        return None if result.code == 0 else f"command '{' '.join(command)}' exited with {result.code}: {result.output}"
    if "httpGet" in hook:
        get = hook["httpGet"]
        answer: ProbeResult = yield partial(
            worker.host.runtime.http_probe,
            container.run.id,
            get.get("host") or worker.address,
            port_number(get["port"], container.spec),
            get.get("path") or "/",
            (get.get("scheme") or "HTTP").lower(),
            {header["name"]: header["value"] for header in get.get("httpHeaders") or ()},
            limit,
        )
        return None if answer.ok else answer.message
    if "sleep" in hook:
        yield sleep(worker.clock, min(limit, float(hook["sleep"].get("seconds") or 0)))
    return None
