"""A process runtime of its own for each test, and words to use it with.  Tests wait for what happens; nothing here sleeps."""

import asyncio
import itertools
import os
import shutil
import time
from pathlib import Path

import pytest
import uvloop

from seatrial.twin.kubelet.process.runtime import ProcessRuntime
from seatrial.twin.kubelet.process.shim import procs
from seatrial.twin.kubelet.runtime import ContainerSpec, Mount, Volume

PATIENCE = 30.0  # seconds after which something that should have happened will not


class Box:
    """A runtime with pods that are made as they are asked for."""

    #: What a shell does for ever, and stops doing when a signal is trapped.
    idle = "while :; do sleep 1000 & wait; done"

    def __init__(self, root, isolation):
        self.runtime = ProcessRuntime(root, isolation=isolation)
        self.isolation, self.root = isolation, root
        self._uids = itertools.count(1)

    async def clear(self):
        """Take back all that a test has made."""
        for pod in list(self.runtime._pods):
            self.runtime.remove_pod(pod)
        await self.until(lambda: not self.runtime._leaving)
        for namespace in list(self.runtime._hosts):
            self.runtime.set_hosts(namespace, "")
        shutil.rmtree(self.root / "claims", ignore_errors=True)

    async def until(self, true):
        """Wait until something holds that the shim's events bring about."""
        heard, happened = self.runtime._shim._heard, asyncio.Event()

        def hear(event):
            heard(event)
            happened.set()

        self.runtime._shim._heard = hear
        while not true():
            happened.clear()
            await asyncio.wait_for(happened.wait(), PATIENCE)
        self.runtime._shim._heard = heard

    def running(self, command):
        """What runs a command under the shim, the oldest first."""
        seen = procs.snapshot()
        found = [pid for pid in procs.descendants([self.runtime._shim.process.pid], seen) if command_of(pid) == command]
        return sorted(found, key=lambda pid: seen[pid].started)

    async def empty(self):
        """Wait until the shim has no process under it."""
        shim = self.runtime._shim.process.pid
        deadline = time.monotonic() + PATIENCE
        while left := procs.descendants([shim], procs.snapshot())[1:]:
            assert time.monotonic() < deadline, left
            await self.process_ends(left[0])

    async def process_ends(self, pid):
        """Wait for the end of a process that is not a child of this one."""
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        over = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(fd, lambda: over.done() or over.set_result(None))
        try:
            await asyncio.wait_for(over, PATIENCE)
        finally:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)

    def pod(self, name="web-0", namespace="shop", **spec):
        uid = f"uid-{next(self._uids)}"
        metadata = {"uid": uid, "name": name, "namespace": namespace}
        address = self.runtime.start_pod({"metadata": metadata, "spec": spec})
        return Pod(self, uid, name, namespace, address)


class Pod:
    def __init__(self, box, uid, name, namespace, address):
        self.box, self.runtime, self.uid, self.name, self.namespace, self.address = (
            box,
            box.runtime,
            uid,
            name,
            namespace,
            address,
        )
        self._mounts = []

    def mount(self, path, kind="files", files=None, read_only=False, sub_path="", **volume):
        name = f"v{len(self._mounts)}"
        self.runtime.mount(self.uid, Volume(name, kind, {k: v.encode() for k, v in (files or {}).items()}, **volume))
        self._mounts.append(Mount(name, path, read_only, sub_path))
        return name

    def remount(self, name, files):
        self.runtime.mount(self.uid, Volume(name, "files", {k: v.encode() for k, v in files.items()}))

    def start(self, *command, image="busybox", name="main", attempt=0, **spec):
        spec.setdefault("mounts", tuple(self._mounts))
        ended = asyncio.get_running_loop().create_future()
        wanted = ContainerSpec(self.uid, self.name, self.namespace, name, image, attempt, command, **spec)
        container = Container(self, wanted, ended)
        container.id = self.runtime.start(wanted, ended.set_result)
        return container

    async def run(self, script, **spec):
        """Run a shell script as a container; its Exit and what it wrote."""
        container = self.start("sh", "-c", script, **spec)
        exit_ = await container.ended()
        return exit_, container.output()


class Container:
    def __init__(self, pod, spec, ended):
        self.pod, self.spec, self._ended, self.runtime, self.id = pod, spec, ended, pod.runtime, ""

    async def ended(self):
        return await asyncio.wait_for(asyncio.shield(self._ended), PATIENCE)

    def log(self):
        path = self.runtime.log_path(self.pod.uid, self.spec.name, self.spec.attempt)
        return Path(path).read_text() if path else ""

    def output(self):
        return "".join(line.split(" ", 3)[3] + "\n" for line in self.log().splitlines())

    async def says(self, text):
        """Wait until the container has written a text."""
        grown = asyncio.Event()
        leave = self.runtime.follow_log(self.id, grown.set)
        while text not in self.log():
            assert not self._ended.done(), f"ended with {self._ended.result()}: {self.log()}"
            grown.clear()
            await asyncio.wait_for(grown.wait(), PATIENCE)
        leave()

    async def exec(self, *command, timeout=PATIENCE):
        done = asyncio.get_running_loop().create_future()
        self.runtime.exec(self.id, command, timeout, done.set_result)
        return await asyncio.wait_for(done, PATIENCE)

    def signal(self, number):
        self.runtime.signal(self.id, number)

    @property
    def pid(self):
        return self.runtime._containers[self.id].pid


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ").strip()
    except OSError:
        return ""


@pytest.fixture(params=["auto", "plain"])
def isolation(request):
    return request.param


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One runtime for each isolation, which the tests use one after the other: to start one costs more than most of them."""
    loop, boxes = uvloop.new_event_loop(), {}

    async def make(isolation):
        return Box(tmp_path_factory.mktemp("shared") / "runtime", isolation)

    def get(isolation):
        if isolation not in boxes:
            boxes[isolation] = loop.run_until_complete(make(isolation))
        return boxes[isolation]

    yield loop, get
    for box in boxes.values():
        box.runtime.close(0)
    loop.close()


@pytest.fixture
def run(shared, isolation):
    """Runs a test's coroutine with a Box: once isolated, once with plain processes."""
    return runner(shared, isolation)


@pytest.fixture
def run_isolated(shared):
    """As `run`, for what only isolated containers do."""
    return runner(shared, "auto")


def runner(shared, isolation):
    loop, get = shared
    box = get(isolation)

    async def inside(test):
        if isolation == "auto" and not box.runtime.capability().full:
            pytest.skip(box.runtime.capability().words)
        try:
            await test(box)
        finally:
            await box.clear()

    return lambda test: loop.run_until_complete(inside(test))


@pytest.fixture
def run_alone(tmp_path, isolation):
    """As `run`, with a runtime of the test's own, which it may harm."""

    async def inside(test):
        box = Box(tmp_path / "runtime", isolation)
        try:
            await test(box)
        finally:
            box.runtime.close(0)

    return lambda test: asyncio.run(inside(test))
