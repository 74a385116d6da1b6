"""Nothing is left behind, however Seatrial ends: not a process, a folder, shared memory or a port."""

import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seatrial.twin.kubelet.process.addresses import CLAIM_PORT
from seatrial.twin.kubelet.process.client import as_file
from seatrial.twin.kubelet.process.shim import procs
from seatrial.twin.kubelet.process.shim.server import Shim

#: By its size a segment of shared memory is known again: one of this process' own, for others may run the same tests.
SIZE = 1_000_000 + os.getpid()

#: A Seatrial that runs a container with a volume in memory, tells what it has, and waits to be killed.
CHILD = """
import asyncio, json, sys
from pathlib import Path
from seatrial.twin.kubelet.process.runtime import ProcessRuntime
from seatrial.twin.kubelet.runtime import ContainerSpec, Mount, Volume

async def main(root, isolation):
    runtime = ProcessRuntime(Path(root), isolation=isolation)
    address = runtime.start_pod({"metadata": {"uid": "u", "name": "p", "namespace": "n"}, "spec": {}})
    runtime.mount("u", Volume("m", "memory"))
    runtime.mount("u", Volume("c", "claim", claim="n/data"))
    script = '''
import ctypes, os, socket, subprocess, sys
listener = socket.create_server(("0.0.0.0", 8080))
assert ctypes.CDLL(None).shmget(0, {size}, 0o1600) >= 0
subprocess.Popen(["setsid", "sleep", "1000"])
open("/memory/x", "w").write("x")
open("/data/kept", "w").write("x")
print("up", flush=True)
listener.accept()
'''
    mounts = (Mount("m", "/memory"), Mount("c", "/data"))
    over = asyncio.get_running_loop().create_future()
    spec = ContainerSpec("u", "p", "n", "main", "python", 0, ("python3", "-c", script), mounts=mounts)
    container = runtime.start(spec, lambda exit_: print(exit_, file=sys.stderr))
    runtime.follow_log(container, lambda: over.done() or over.set_result(None))
    await over
    print(json.dumps({"address": address, "shim": runtime._shim.process.pid, "memory": str(runtime._memory),
                      "log": Path(runtime.log_path("u", "main", 0)).read_text()}), flush=True)
    await asyncio.get_running_loop().create_future()

asyncio.run(main(*sys.argv[1:]))
"""


class Seatrial:
    """A running child, and what it told of itself."""

    def __init__(self, root, isolation):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD.replace("{size}", str(SIZE)), str(root), isolation], stdout=subprocess.PIPE
        )
        self.facts = json.loads(self.process.stdout.readline())
        if "up" not in self.facts["log"]:
            self.process.kill()
            raise AssertionError(self.facts["log"])
        self.shim = self.facts["shim"]
        self.everybody = procs.descendants([self.process.pid, self.shim], procs.snapshot())

    def everybody_ends(self):
        """Wait for the end of every process there was, and say how long it took."""
        begun = time.monotonic()
        for pid in self.everybody:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            assert select.select([fd], [], [], 30)[0], f"{pid} is still there: {Path(f'/proc/{pid}/cmdline').read_bytes()!r}"
            os.close(fd)
        return time.monotonic() - begun


# they look at what is left on the whole machine: one at a time
pytestmark = pytest.mark.xdist_group("crash")


@pytest.fixture
def seatrial(tmp_path, isolation):
    child = Seatrial(tmp_path / "runtime", isolation)
    yield child
    child.process.kill()
    child.process.wait()
    child.everybody_ends()


def nothing_is_left(root, facts, held):
    assert list((root / "run").iterdir()) == []
    assert not Path(facts["memory"]).exists()
    assert str(SIZE) not in [line.split()[3] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    assert (root / "claims/n/data/kept").read_text() == "x", "what a claim keeps is kept"
    assert not held & listening(facts["address"]), "a socket that was listened on is closed"


def listening(address):
    """The sockets (by inode) that listen on a pod's address, and on the first of its block, which another twin may take."""
    octets = [int(part) for part in address.split(".")]
    places = {
        f"{''.join(f'{part:02X}' for part in reversed([*octets[:3], last]))}:{port:04X}"
        for last, port in ((octets[3], 8080), (0, CLAIM_PORT))
    }
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return {row[9] for row in rows if row[3] == "0A" and row[1] in places}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_seatrial_is_killed(seatrial, tmp_path, how):
    assert len(seatrial.everybody) >= 4  # itself, the shim, the container's first process and what that started
    held = listening(seatrial.facts["address"])
    assert held
    seatrial.process.send_signal(how)
    assert seatrial.everybody_ends() < 10
    nothing_is_left(tmp_path / "runtime", seatrial.facts, held)


def test_containers_die_with_the_shim_and_the_next_runtime_clears_the_folders(seatrial, tmp_path, run_alone):
    held = listening(seatrial.facts["address"])
    os.kill(seatrial.process.pid, signal.SIGSTOP)  # so that it cannot start another shim
    os.kill(seatrial.shim, signal.SIGKILL)
    os.kill(seatrial.process.pid, signal.SIGKILL)
    seatrial.process.wait()
    seatrial.everybody_ends()
    assert Path(seatrial.facts["memory"]).exists()

    async def test(box):
        assert not Path(seatrial.facts["memory"]).exists()
        assert [folder.name for folder in (box.root / "run").iterdir()] == [box.runtime._token]

    run_alone(test)
    nothing_is_left(tmp_path / "runtime", seatrial.facts, held)


def test_a_runtime_whose_shim_was_killed_says_so_and_goes_on(run_alone):
    async def test(box):
        pod = box.pod()
        container = pod.start("sh", "-c", "echo up; " + box.idle)
        await container.says("up")
        os.kill(box.runtime._shim.process.pid, signal.SIGKILL)
        assert (await container.ended()).code == 137
        assert (await pod.run("echo again", attempt=1))[1] == "again\n"

    run_alone(test)


def test_a_removed_pod_takes_its_processes_folders_and_address_with_it(run):
    async def test(box):
        pod = box.pod()
        pod.mount("/scratch", "empty")
        container = pod.start(
            "sh", "-c", "mkdir -p $SEATRIAL_ROOT/scratch/a; chmod 0 $SEATRIAL_ROOT/scratch/a; echo up; " + box.idle
        )
        await container.says("up")
        folder = box.runtime._pods[pod.uid].folder
        box.runtime.remove_pod(pod.uid)
        assert (await container.ended()).code == 137
        await box.until(lambda: not box.runtime._leaving)
        assert not folder.exists()
        assert box.pod("web-1").address != pod.address, "nobody gets an address that was somebody's a moment ago"

    run(test)


def test_closing_lets_those_that_listen_to_sigterm_finish(run_alone):
    async def test(box):
        pod = box.pod()
        pod.mount("/data", "claim", claim="n/c")
        script = "trap 'echo bye > $SEATRIAL_ROOT/data/said; exit 0' TERM; echo up; " + box.idle
        await pod.start("sh", "-c", script, name="polite").says("up")
        await pod.start("sh", "-c", "echo up; exec sleep 1000", name="deaf").says("up")
        begun = time.monotonic()
        box.runtime.close(grace=20)
        assert time.monotonic() - begun < 15, "one that has no handler is not waited for"
        assert (box.root / "claims/n/c/said").read_text() == "bye\n"

    run_alone(test)


def test_a_container_that_cannot_even_be_forked_is_refused_and_the_shim_goes_on(monkeypatch):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    shim = Shim(theirs, [])

    def no_more_processes():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_more_processes)
    plan = as_file({"isolated": False, "address": "", "memory_limit": None, "hosts": ""})
    pipe = os.pipe()
    socket.send_fds(ours, [json.dumps({"do": "start", "id": "c"}).encode()], [plan, *pipe])
    shim._hear()
    event = json.loads(ours.recv(1 << 16))
    assert (event["event"], event["id"], event["code"]) == ("ended", "c", 128)
    assert event["error"].endswith("start failed: [Errno 11] Resource temporarily unavailable")
    for fd in (plan, *pipe, shim._alive, shim._held):
        os.close(fd)
