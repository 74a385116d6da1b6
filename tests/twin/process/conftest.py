"""A process runtime of its own for each test, and words to use it with.  Tests wait for what happens; nothing here sleeps."""

import asyncio
import itertools
import os
import time
from pathlib import Path

import pytest

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

    def commands(self):
        """The command lines of everything that the shim has started."""
        pids = procs.descendants([self.runtime._shim.process.pid], procs.snapshot())[1:]
        lines = [Path(f"/proc/{pid}/cmdline") for pid in pids]
        return [line.read_bytes().decode().replace("\0", " ").strip() for line in lines if line.exists()]

    async def empty(self):
        """Wait until the shim has no process under it."""
        shim = self.runtime._shim.process.pid
        deadline = time.monotonic() + PATIENCE
        while left := procs.descendants([shim], procs.snapshot())[1:]:
            assert time.monotonic() < deadline, left
            await process_ends(left[0])

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


async def process_ends(pid):
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


@pytest.fixture(params=["auto", "plain"])
def isolation(request):
    return request.param


@pytest.fixture
def run(tmp_path, isolation):
    """Runs a test's coroutine with a Box, and takes the runtime down after it: once isolated, once with plain processes."""
    return runner(tmp_path, isolation)


@pytest.fixture
def run_isolated(tmp_path):
    """As `run`, for what only isolated containers do."""
    return runner(tmp_path, "auto")


def runner(folder, isolation):
    async def inside(test):
        box = Box(folder / "runtime", isolation)
        try:
            if isolation == "auto" and not box.runtime.capability().full:
                pytest.skip(box.runtime.capability().words)
            await test(box)
        finally:
            box.runtime.close(0)

    return lambda test: asyncio.run(inside(test))
