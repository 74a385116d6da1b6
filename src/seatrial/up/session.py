"""One `seatrial up`, from the app file to a running application and back: the order of things, and what is left behind.

    app file -> images and twin, side by side -> objects -> chart -> Helm -> follow until ready -> stay -> take down

A twin that this session started ends with it (unless detached); one that ran before is used and left as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.app import Problem
from seatrial.cluster.client import DEPLOYMENTS, EVENTS, INGRESSES, JOBS, PODS, REPLICASETS, SECRETS, STATEFULSETS, Client
from seatrial.cluster.helm import Helm, HelmError
from seatrial.twin.home import Home, Running, base
from seatrial.twin.spawn import Spawned, spawn
from seatrial.up.events import Event, Kind, Listener
from seatrial.up.images import build
from seatrial.up.plan import Chart, Plan, make_chart, read, secrets_for
from seatrial.up.progress import Picture, Row
from seatrial.world.objects import dig, labels_of, name_of, namespace_of

FOLLOWED = (PODS, EVENTS, DEPLOYMENTS, REPLICASETS, STATEFULSETS, JOBS)
#: The label on a Helm release that says which chart it holds, so that an unchanged one is left alone.
DIGEST = "seatrial.dev/digest"
#: Seconds between two pictures, and how long something may look failed before it is called so.
REFRESH, PATIENCE = 0.1, 20.0
#: Seconds after which another Ctrl-C means it; sooner it is the same one, passed on by a `make` or a shell between.
HASTE = 1.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for; `timeout` in seconds."""

    path: Path
    environment: str = "dev"
    detach: bool = False
    twin: str = "default"
    state: Path | None = None
    timeout: float = 300.0


#: Is given what works in an app file, and is hardly meant.
Noted = Callable[[Sequence[Problem]], None]


class Session:
    def __init__(self, wish: Wish, listen: Listener, noted: Noted = lambda _: None) -> None:
        """`noted` is called before anything is started."""
        self.wish, self._listen, self._noted, self._begin = wish, listen, noted, time.monotonic()
        self._home = Home(wish.twin)
        self._spawning: asyncio.Future[Spawned] | None = None
        self._ours = False  # this session started the twin, and ends it
        self._code = 40  # until it is up, or is not going to be
        self._running: asyncio.Task[int] | None = None
        self._leaving: float | None = None  # since when, of the monotonic clock

    def tell(self, kind: Kind, text: str = "", rows: tuple[Row, ...] = (), **facts: Any) -> None:
        self._listen(Event(time.monotonic() - self._begin, kind, text, rows, facts))

    def interrupt(self) -> None:
        """Ctrl-C. The first takes all down in order; one more, when that takes its time, kills the twin and so all it started."""
        if self._leaving is None:
            self._leaving = time.monotonic()
            if self._running:
                self._running.cancel()
        elif time.monotonic() - self._leaving > HASTE:
            self.tell("stopping", "stopping at once")
            self._home.kill()

    async def run(self) -> int:
        """The exit code. Raises the errors of the app file, the images, Helm and the cluster; all is taken down before."""
        plan = read(self.wish.path, self.wish.environment)
        self._noted(plan.remarks)
        self._running = asyncio.current_task()
        keep = False
        try:
            with contextlib.suppress(asyncio.CancelledError):  # by interrupt()
                await self._bring_up(plan)
                keep = self.wish.detach
                if self._ours and not keep:
                    await self._stay()
        finally:
            if self._ours and not keep:
                await self._take_down()
        return self._code

    async def _stay(self) -> None:
        """Until Ctrl-C, or until the twin has ended: in order, as after `seatrial down`, or not."""
        running = self._home.running()
        if running is None or await _crashed(running.pid):
            self._code = 50
            self.tell("failed", f"twin {self._home.name!r} has ended unexpectedly; its log is {self._home.log}")

    async def _bring_up(self, plan: Plan) -> None:
        self.tell("step", "starting the embedded cluster, reading the sources")
        running, images = await asyncio.gather(self._twin(), build(plan.sources, self._home.images, base() / "environments"))
        client = Client(Path(running.kubeconfig))
        try:
            self._code = await self._apply(plan, images, running, client)
        finally:
            await client.close()

    async def _twin(self) -> Running:
        running = self._home.running()
        if running:
            self.tell("done", f"twin {running.name!r} runs already: {running.server}")
            return running
        begin = time.monotonic()
        options = ["--owner", "up"] + (["--state", str(self.wish.state)] if self.wish.state else [])
        self._ours = True
        self._spawning = asyncio.ensure_future(asyncio.to_thread(spawn, self._home, options, lifeline=not self.wish.detach))
        spawned = await asyncio.shield(self._spawning)  # a thread cannot be interrupted: what it starts is stopped later
        took = time.monotonic() - begin
        self.tell("done", f"twin {spawned.running.name!r} answers after {took:.1f} s: {spawned.running.server}")
        if spawned.running.limited:
            self.tell("log", spawned.running.runtime)
        return spawned.running

    async def _apply(self, plan: Plan, images: Mapping[str, str], running: Running, client: Client) -> int:
        secrets, _ = await client.list(SECRETS, plan.namespace)
        chart = make_chart(plan, images, secrets_for(plan, secrets)[0])
        digest = hashlib.sha256(repr((sorted(chart.files.items()), chart.secrets)).encode()).hexdigest()[:16]
        deployed = next((obj for obj in secrets if _is_deployed(obj, plan.release)), None)
        if deployed and labels_of(deployed).get(DIGEST) == digest:
            self.tell("done", "nothing changed since the last time")
            install = asyncio.ensure_future(asyncio.sleep(0))
        else:
            self.tell("step", "installing with Helm")
            install = asyncio.ensure_future(self._install(plan, chart, digest, running, client))
        picture, dirty = Picture(), asyncio.Event()
        followers = [asyncio.ensure_future(_follow(client, kind, plan.namespace, picture, dirty)) for kind in FOLLOWED]
        try:
            failed = await self._until_settled(install, followers, client, plan, picture, dirty, chart)
        finally:
            for task in (install, *followers):
                task.cancel()
            await asyncio.gather(install, *followers, return_exceptions=True)
        if failed:
            await self._explain(failed, picture, client, plan)
            return 20
        self.tell(
            "ready",
            f"{plan.app} is up after {time.monotonic() - self._begin:.1f} s",
            urls=await _urls(client, plan.namespace, running),
            next=self._next(plan, running),
        )
        return 0

    async def _install(self, plan: Plan, chart: Chart, digest: str, running: Running, client: Client) -> None:
        from seatrial.package.files import write

        folder = Path(tempfile.mkdtemp(prefix="seatrial-chart-"))
        try:
            write(chart.files, folder)
            await client.apply_namespace(chart.namespace)
            helm = Helm(Path(running.kubeconfig))
            begin = time.monotonic()
            await helm.upgrade(
                plan.release, folder, plan.namespace, values=chart.secrets, labels={DIGEST: digest}, timeout=self.wish.timeout
            )
            self.tell("done", f"release {plan.release!r} installed with Helm in {time.monotonic() - begin:.1f} s")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _until_settled(
        self,
        install: asyncio.Future[None],
        followers: Sequence[asyncio.Future[None]],
        client: Client,
        plan: Plan,
        picture: Picture,
        dirty: asyncio.Event,
        chart: Chart,
    ) -> str:
        """Show what happens until every workload is ready: "" then, or what went wrong."""
        calls = plan.calls(chart.workloads)
        deadline, doomed, refreshed = time.monotonic() + self.wish.timeout, 0.0, False
        while True:
            dirty.clear()
            rows = tuple(picture.rows(calls))
            if rows:
                self.tell("rows", rows=rows)
            if install.done():
                if (error := install.exception()) is not None:
                    if isinstance(error, HelmError):
                        return f"Helm: {error}"
                    raise error
                if not refreshed:  # what Helm wrote is there, whether or not the watches have said so yet
                    for kind in (DEPLOYMENTS, STATEFULSETS, JOBS):
                        for obj in (await client.list(kind, plan.namespace))[0]:
                            picture.see("MODIFIED", obj)
                    refreshed = True
                    continue
                if all(row.settled for row in rows) and chart.workloads <= {(row.kind, row.name) for row in rows}:
                    return ""
            for follower in followers:
                if follower.done() and (error := follower.exception()):
                    raise error
            failing = [row for row in rows if row.state == "failed"]
            doomed = (doomed or time.monotonic()) if failing else 0.0
            if failing and (time.monotonic() - doomed > PATIENCE or any(row.kind == "Job" for row in failing)):
                return f"{failing[0].kind} {failing[0].name} does not come up: {failing[0].why}"
            if time.monotonic() > deadline:
                late = next((row for row in rows if not row.settled), None)
                return f"not up after {self.wish.timeout:.0f} s" + (f": {late.name} {late.why}" if late else "")
            await _either(dirty, install, 1.0)
            await asyncio.sleep(REFRESH)

    async def _explain(self, failed: str, picture: Picture, client: Client, plan: Plan) -> None:
        logs = []
        for pod in picture.of("Pod"):
            for status in dig(pod, "status.containerStatuses", []):
                if status.get("ready") or dig(status, "state.terminated.exitCode") == 0:
                    continue
                lines = await client.logs(plan.namespace, name_of(pod), status["name"])
                if lines:
                    logs.append({"of": name_of(pod), "lines": lines})
        config = f"export KUBECONFIG={shlex.quote(str(self._home.kubeconfig))}"
        next_ = [config, f"kubectl -n {plan.namespace} describe pods", f"seatrial up{self._path}        again, after a change"]
        next_ += [self._end]
        self.tell("failed", failed, logs=logs[:3], next=next_)

    def _next(self, plan: Plan, running: Running) -> list[str]:
        return [
            f"export KUBECONFIG={shlex.quote(running.kubeconfig)}",
            f"kubectl -n {plan.namespace} get pods",
            f"seatrial up{self._path}        again, after a change: rolls only what changed",
            self._end,
        ]

    @property
    def _path(self) -> str:
        return "" if str(self.wish.path) == "." else f" {shlex.quote(str(self.wish.path))}"

    @property
    def _end(self) -> str:
        if self._ours and not self.wish.detach:
            return "Ctrl-C takes everything down"
        return f"seatrial down{self._path}" + ("" if self.wish.twin == "default" else f" --name {self.wish.twin}")

    async def _take_down(self) -> None:
        self._leaving = self._leaving or time.monotonic()
        self.tell("stopping", "stopping everything")
        if self._spawning:
            await asyncio.wait([self._spawning])
            if self._spawning.exception() is None and (lifeline := self._spawning.result().lifeline) is not None:
                os.close(lifeline)
        await asyncio.to_thread(self._home.stop)
        self.tell("stopped", "stopped; nothing is left behind")


async def _crashed(pid: int) -> bool:
    """Wait for the end of a child process; whether it was killed or failed."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
        end = os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOWAIT)
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return end is None or end.si_code != os.CLD_EXITED or end.si_status != 0


def _is_deployed(secret: dict[str, Any], release: str) -> bool:
    labels = labels_of(secret)
    return labels.get("owner") == "helm" and labels.get("name") == release and labels.get("status") == "deployed"


async def _follow(client: Client, kind: Any, namespace: str, picture: Picture, dirty: asyncio.Event) -> None:
    async for change, obj in client.follow(kind, namespace):
        picture.see(change, obj)
        dirty.set()


async def _either(dirty: asyncio.Event, install: asyncio.Future[None], patience: float) -> None:
    """Wait for a change, the end of Helm, or `patience` seconds."""
    waiter: asyncio.Future[Any] = asyncio.ensure_future(dirty.wait())
    awaited = {waiter} if install.done() else {waiter, install}
    await asyncio.wait(awaited, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()


async def _urls(client: Client, namespace: str, running: Running) -> dict[str, str]:
    """What a browser can open: plain localhost while one host is served, else each by its own name."""
    ingresses, _ = await client.list(INGRESSES, "*")
    hosts = {
        (namespace_of(obj), name_of(obj)): [rule.get("host", "") for rule in dig(obj, "spec.rules", [])] for obj in ingresses
    }
    alone = len({host for found in hosts.values() for host in found}) == 1
    port = running.ingress.rpartition(":")[2]
    return {
        name: running.ingress if alone or not found[0] else f"http://{found[0]}:{port}"
        for (where, name), found in hosts.items()
        if where == namespace and found
    }


async def take_down(path: Path, environment: str, twin: str) -> list[str]:
    """Take an application down. Returns what was done, in words.

    A twin that `up` had started for it alone is stopped as it is, which is quick; elsewhere the release is uninstalled and
    its namespace deleted. What `--state` keeps is kept.
    """
    plan, home = read(path, environment), Home(twin)
    running = home.running()
    if running is None:
        return [f"Twin {twin!r} does not run: there is nothing to take down."]
    helm, client = Helm(Path(running.kubeconfig)), Client(Path(running.kubeconfig))
    try:
        alone = await client.releases() <= {(plan.namespace, plan.release)}
        if not alone or running.owner != "up":
            await helm.uninstall(plan.release, plan.namespace)
            await client.delete_namespace(plan.namespace)
            return [f"{plan.app} is down."]
    finally:
        await client.close()
    await asyncio.to_thread(home.stop)
    return [f"{plan.app} is down, and twin {twin!r} with it; nothing is left behind."]
