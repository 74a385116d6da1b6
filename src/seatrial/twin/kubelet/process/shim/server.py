"""The shim's loop: takes requests from the runtime over a socket, forks containers, tells how they ended, and cleans up.

Requests and events are packets of JSON, with descriptors beside them (see `Shim`).  When the socket closes, because Seatrial
was killed, every container is killed and the runtime's folders are removed; then the shim ends too.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seatrial.twin.kubelet.process.shim import child, linux, plain, procs, sockets
from seatrial.twin.kubelet.process.shim.enter import enter
from seatrial.twin.kubelet.process.shim.plan import ExecPlan, Plan
from seatrial.twin.kubelet.process.shim.remove import remove

PATIENCE = 10.0  # seconds for killed processes to be gone; what the kernel holds longer is left to it
MEMORY_PERIOD = 1.0  # seconds between two looks at what containers with a limit hold
PACKET = 1 << 16


@dataclass
class Task:
    """A command that was forked: a container's own, or one run in it."""

    id: str
    plan: Plan
    pid: int  # of the child: the launcher, the minder, and once it is known the first process
    reports: socket.socket | None
    command_pid: int = 0
    error: str = ""
    code: int = 0
    started: bool = False
    oom: bool = False
    waiting: list[Callable[[], object]] = field(default_factory=list)  # what is to be done once it runs
    execs: dict[str, Task] = field(default_factory=dict)
    owner: Task | None = None  # the container, for a command run in one

    @property
    def isolated(self) -> bool:
        return self.plan["isolated"] and self.owner is None


class Shim:
    """`scratch` are the folders that go when the shim does."""

    def __init__(self, control: socket.socket, scratch: list[str]) -> None:
        self._control, self._scratch = control, scratch
        self._selector = selectors.DefaultSelector()
        self._containers: dict[str, Task] = {}
        self._pids: dict[int, Task] = {}
        self._discards: list[tuple[str, set[str], list[str]]] = []
        self._removers: dict[int, str] = {}
        self._ports = sockets.Ports(lambda address, port, where: self._say("port", address=address, port=port, where=where))
        self._alive, self._held = os.pipe()  # children notice by `alive` that the shim, which holds the other end, is gone
        self._closing, self._deadline, self._give_up, self._look = False, 0.0, 0.0, 0.0
        self._requests: dict[str, Callable[[dict[str, Any], list[int]], None]] = {
            "start": self._start,
            "exec": self._exec,
            "kill-exec": self._kill_exec,
            "signal": self._signal,
            "discard": self._discard,
            "close": self._close,
            "move": self._move,
        }

    def run(self) -> None:
        wakes, woken = socket.socketpair()
        for end in (wakes, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._shut(0.0))
        self._selector.register(wakes, selectors.EVENT_READ, lambda: self._woken(wakes))
        self._selector.register(self._control, selectors.EVENT_READ, self._hear)
        gc.freeze()
        while not self._finished():
            for key, _ in self._selector.select(self._wait()):
                try:
                    key.data()
                except Exception:  # one container's trouble must not end the others
                    traceback.print_exc()
            self._tick()
        self._end()

    def _wait(self) -> float | None:
        """Seconds until something has to be looked at without being asked."""
        dues = [self._deadline or self._give_up] if self._closing else []
        if any(task.plan["memory_limit"] for task in self._containers.values()):
            dues.append(self._look)
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _tick(self) -> None:
        now = time.monotonic()
        if self._closing and self._deadline and now >= self._deadline:
            self._deadline = 0.0
            for task in self._containers.values():
                self._kill(task)
        if now >= self._look:
            self._watch_memory()
            took = time.monotonic() - now
            self._look = now + max(MEMORY_PERIOD, took * 50)  # on a machine with many processes, no more than 2 % of a CPU

    # what the runtime asks

    def _hear(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._control, PACKET, 4, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            data, fds = b"", []
        if not data:
            self._selector.unregister(self._control)
            self._shut(0.0)
            return
        request = json.loads(data)
        try:
            self._requests[request["do"]](request, fds)
        except OSError as error:
            self._refuse(request, f"{request['do']} failed: {error}")

    def _refuse(self, request: dict[str, Any], why: str) -> None:
        """Answer for what could not even be begun, for want of processes or descriptors."""
        if request["do"] == "start":
            self._containers.pop(request["id"], None)
            self._say("ended", id=request["id"], status=1 << 8, error=child.START_FAILED.format(why), code=128, oom=False)
        elif request["do"] == "exec":
            for container in self._containers.values():
                container.execs.pop(request["exec"], None)
            self._say("exec-ended", exec=request["exec"], status=1 << 8, error=why, code=128)

    def _say(self, event: str, **facts: object) -> None:
        try:
            self._control.send(json.dumps({"event": event, **facts}).encode())
        except OSError:
            return  # nobody listens any more; the closed socket is noticed where it is read

    def _start(self, request: dict[str, Any], fds: list[int]) -> None:
        """Descriptors: the plan, standard output, standard error."""
        plan: Plan = _plan(fds[0])
        streams = (os.open("/dev/null", os.O_RDONLY), fds[1], fds[2])
        become = child.isolated if plan["isolated"] else plain.plain
        task = Task(request["id"], plan, 0, None)
        self._containers[task.id] = task
        network = self._network(plan)
        self._fork(task, lambda reports: become(plan, streams, reports, self._alive, network))
        _close_all(streams)

    def _exec(self, request: dict[str, Any], fds: list[int]) -> None:
        """Descriptors: the plan, standard input, output and error."""
        command: ExecPlan = _plan(fds[0])
        container = self._containers.get(request["id"])
        if container is None:
            self._say("exec-ended", exec=request["exec"], status=1 << 8, error="container not running", code=1)
            _close_all(fds[1:])
            return
        if not container.started:
            container.waiting.append(lambda: self._execute(container, request, command, fds))
            return
        self._execute(container, request, command, fds)

    def _execute(self, container: Task, request: dict[str, Any], command: ExecPlan, fds: list[int]) -> None:
        if not container.started:  # it waited, and the container never came to run
            self._say("exec-ended", exec=request["exec"], status=1 << 8, error="container not running", code=1)
            _close_all(fds[1:])
            return
        task = Task(request["exec"], container.plan, 0, None, owner=container)
        container.execs[task.id] = task
        pidfd = os.pidfd_open(container.pid)
        streams = (fds[1], fds[2], fds[3])
        network = self._network(container.plan)
        self._fork(task, lambda reports: enter(container.plan, command, pidfd, streams, reports, self._alive, network))
        _close_all([*streams, pidfd])

    def _kill_exec(self, request: dict[str, Any], _fds: list[int]) -> None:
        for container in self._containers.values():
            if request["exec"] in container.execs:
                self._kill(container.execs[request["exec"]])

    def _signal(self, request: dict[str, Any], _fds: list[int]) -> None:
        task = self._containers.get(request["id"])
        if task is None:
            return
        if request["number"] == signal.SIGKILL:
            self._kill(task)
        elif task.started:
            _send(self._first(task), request["number"])
        else:
            task.waiting.append(lambda: _send(self._first(task), request["number"]))

    def _discard(self, request: dict[str, Any], _fds: list[int]) -> None:
        """End containers, and when they have ended remove folders."""
        for name in request["containers"]:
            if name in self._containers:
                self._kill(self._containers[name])
        self._discards.append((request["id"], set(request["containers"]) & set(self._containers), request["paths"]))
        self._go_on_discarding()

    def _move(self, request: dict[str, Any], _fds: list[int]) -> None:
        """A port of the twin, reserved for root, is served elsewhere."""
        self._ports.move(request["address"], request["port"], request["where"])

    def _close(self, request: dict[str, Any], _fds: list[int]) -> None:
        self._shut(request["grace"])

    # children

    def _fork(self, task: Task, become: Callable[[child.Reports], object]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if not pid:
            try:
                signal.set_wakeup_fd(-1)
                child.reset_signals()
                os.close(self._held)
                self._control.close()
                ours.close()
                become(child.Reports(theirs))
            finally:
                os._exit(1)
        theirs.close()
        ours.setblocking(False)
        task.pid, task.reports = pid, ours
        self._pids[pid] = task
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._read_reports(task))

    def _read_reports(self, task: Task) -> None:
        while task.reports is not None:
            try:
                data, fds, _, _ = socket.recv_fds(task.reports, PACKET, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if data:
                self._take_report(task, json.loads(data), fds)
                continue
            self._selector.unregister(task.reports)
            task.reports.close()
            task.reports = None
            self._report_start(task)

    def _take_report(self, task: Task, fact: dict[str, Any], fds: list[int]) -> None:
        if "listener" in fact and fds:
            self._listen(task, fds[0])
        elif "pid" in fact and task.isolated:
            task.pid = fact["pid"]
            self._pids[task.pid] = task
        elif "pid" in fact:
            task.command_pid = fact["pid"]
        elif "error" in fact:
            task.error, task.code = fact["error"], fact["code"]

    def _network(self, plan: Plan) -> child.Network:
        """What a task puts on its sockets; a plain one on its files too, to find the pod's /etc/hosts."""
        files = not plan["isolated"] and bool(plan["hosts"])
        return (lambda: sockets.install(files)) if plan["address"] else None

    def _listen(self, task: Task, fd: int) -> None:
        """Answer for the sockets of a task from now on."""
        plan = task.plan
        listener = sockets.Listener(fd, plan["address"], plan["loopback"], self._ports, plan["hosts"])

        def answer() -> None:
            if not listener.answer():
                self._selector.unregister(fd)
                os.close(fd)

        self._selector.register(fd, selectors.EVENT_READ, answer)

    def _report_start(self, task: Task) -> None:
        if not task.error and not task.started:
            task.started = True
            if task.owner is None:
                self._say("started", id=task.id, pid=task.pid, minded=not task.isolated)
            self._go_on_with(task)

    def _go_on_with(self, task: Task) -> None:
        waiting, task.waiting = task.waiting, []
        for go_on in waiting:
            go_on()

    def _woken(self, wakes: socket.socket) -> None:
        try:
            while wakes.recv(PACKET):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            # What it said comes before that it ended; and until it is waited for, its pid is nobody else's.
            task = self._pids.get(ended.si_pid)
            if task is not None:
                self._read_reports(task)
            _, status = os.waitpid(ended.si_pid, 0)
            self._reaped(ended.si_pid, status)

    def _reaped(self, pid: int, status: int) -> None:
        task = self._pids.pop(pid, None)
        if task is not None and task.pid == pid:
            self._ended(task, status)
        elif task is not None and task.reports is not None:
            self._let_go(task.reports)
        if pid in self._removers:
            self._say("discarded", id=self._removers.pop(pid))

    def _let_go(self, reports: socket.socket) -> None:
        """The launcher of a container has been waited for: its first process is the shim's child now, and may go on."""
        try:
            reports.send(child.GO)
        except OSError:
            return  # it is gone as well, and will be waited for

    def _ended(self, task: Task, status: int) -> None:
        if task.reports is not None:
            self._selector.unregister(task.reports)
            task.reports.close()
            task.reports = None
        if task.owner is not None:
            task.owner.execs.pop(task.id, None)
            self._say("exec-ended", exec=task.id, status=status, error=task.error, code=task.code)
            return
        del self._containers[task.id]
        task.started = False
        self._go_on_with(task)
        for command in list(task.execs.values()):
            self._kill(command)
        self._say("ended", id=task.id, status=status, error=task.error, code=task.code, oom=task.oom)
        self._go_on_discarding()

    def _first(self, task: Task) -> int:
        """The command's own process, 0 when it is gone: its pid is its own as long as its parent has not waited for it."""
        if task.isolated:
            return task.pid
        process = procs.read(task.command_pid) if task.command_pid else None
        return task.command_pid if process and process.parent == task.pid else 0

    def _kill(self, task: Task) -> None:
        """SIGKILL for a command and everything that came from it."""
        if task.isolated:
            _send(task.pid, signal.SIGKILL)
            return
        if task.command_pid:
            _kill_descendants(task.pid)
        else:
            _send(task.pid, signal.SIGKILL)

    # what nobody has to ask for

    def _watch_memory(self) -> None:
        """Kill containers that hold more than their limit. What looks too much at first sight is counted exactly before."""
        limited = [task for task in self._containers.values() if task.plan["memory_limit"] and task.started]
        if not limited:
            return
        processes = procs.snapshot()
        for task in limited:
            limit = task.plan["memory_limit"] or 0
            pids = procs.of_container(task.pid, not task.isolated, processes)
            for command in task.execs.values():
                pids += procs.of_container(command.pid, True, processes)
            if procs.memory(pids) > limit and procs.memory_exact(pids) > limit:
                task.oom = True
                self._kill(task)

    def _go_on_discarding(self) -> None:
        for discard in list(self._discards):
            name, containers, paths = discard
            containers &= set(self._containers)
            if not containers:
                self._discards.remove(discard)
                self._removers[self._fork_remover(paths)] = name

    def _fork_remover(self, paths: list[str]) -> int:
        pid = os.fork()
        if not pid:
            try:
                os.close(self._held)
                self._control.close()
                for path in paths:
                    remove(path)
            finally:
                os._exit(0)
        return pid

    def _shut(self, grace: float) -> None:
        """Begin to end: those that listen to SIGTERM get `grace` seconds, the others none."""
        self._closing = True
        now = time.monotonic()
        self._deadline, self._give_up = now + grace, now + grace + PATIENCE
        for task in list(self._containers.values()):
            first = self._first(task)
            if grace and first and procs.catches(first, signal.SIGTERM):
                _send(first, signal.SIGTERM)
            else:
                self._kill(task)

    def _finished(self) -> bool:
        if not self._closing:
            return False
        return not (self._pids or self._removers) or time.monotonic() > self._give_up

    def _end(self) -> None:
        """Kill what escaped its container to become a child of ours, and take back the folders."""
        _kill_descendants(os.getpid())
        for path in self._scratch:
            remove(path)
        self._say("closed")


def _kill_descendants(pid: int) -> None:
    """Kill all that came from a process. They are stopped first: one that is stopped starts no other while we look."""
    stopped: dict[int, None] = {}
    while new := [found for found in procs.descendants([pid], procs.snapshot())[1:] if found not in stopped]:
        for found in new:
            _send(found, signal.SIGSTOP)
            stopped[found] = None
    for found in stopped:
        _send(found, signal.SIGKILL)


def _plan(fd: int) -> Any:
    with os.fdopen(fd, "rb") as file:
        return json.loads(file.read())


def _close_all(fds: Any) -> None:
    for fd in fds:
        os.close(fd)


def _send(pid: int, number: int) -> None:
    if pid:
        try:
            os.kill(pid, number)
        except OSError:
            return


def main() -> None:
    """`main` of the shim: the first argument is the descriptor of its socket, the others its folders."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for name in os.listdir("/proc/self/fd"):  # what was handed to the shim is not for its containers
        try:
            os.set_inheritable(int(name), int(name) < 3)
        except OSError:
            continue  # the descriptor that listed them
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    child.set_limits()
    Shim(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:]).run()
