"""What a forked child of the shim does to become a container, or a command in one.

Isolated: the child makes the namespaces, its own child is their first process (PID 1), builds the root and becomes the
command; the one in between ends, so that the shim is the parent.  The first process ends with the shim
(PR_SET_PDEATHSIG), and with the first process everything in its namespaces.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
import socket
from collections.abc import Callable
from typing import NoReturn

from seatrial.twin.kubelet.process.shim import linux, rootfs
from seatrial.twin.kubelet.process.shim.plan import Plan

#: How runc's own errors reach a pod's status through containerd.
START_FAILED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: {}"
)
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_FILES = 1 << 20
GO = b"go"


class NotStartedError(Exception):
    """Why a command could not be started, in runc's words; `code` is what a shell would exit with."""

    def __init__(self, message: str, code: int = 128) -> None:
        super().__init__(START_FAILED.format(f"error during container init: {message}"))
        self.code = code


class Reports:
    """What a child tells the shim before it becomes the command: one packet a fact. Closed by a successful exec."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def pid(self, pid: int) -> None:
        self._send({"pid": pid})

    def failed(self, message: str, code: int) -> None:
        self._send({"error": message, "code": code})

    def listener(self, fd: int) -> None:
        self._send({"listener": True}, [fd])

    def wait_for_go(self) -> None:
        """Wait until the shim says so; ends this process when there is no shim any more."""
        if not self._socket.recv(len(GO)):
            os._exit(1)

    def close(self) -> None:
        self._socket.close()

    def _send(self, fact: dict[str, object], fds: list[int] | None = None) -> None:
        try:
            socket.send_fds(self._socket, [json.dumps(fact).encode()], fds or [])
        except OSError:
            os._exit(1)  # the shim is gone: there is nobody to run for


Streams = tuple[int, int, int]  # what becomes standard input, output and error
Network = Callable[[], int] | None  # puts the filter on a process's sockets and returns the descriptor that hears of them


def isolated(plan: Plan, streams: Streams, reports: Reports, alive: int, network: Network) -> NoReturn:
    """Become the launcher of a container in namespaces of its own."""
    outside = os.geteuid(), os.getegid()
    try:
        linux.unshare(linux.NAMESPACES)
        _map_ids((plan["uid"], plan["gid"]), outside)
    except OSError as error:
        reports.failed(START_FAILED.format(f"cannot make namespaces: {error.strerror}"), 128)
        os._exit(1)
    pid = os.fork()
    if pid:
        reports.pid(pid)
        os._exit(0)
    reports.wait_for_go()  # the launcher has ended: from now on the shim is the parent, whose death is to be ours
    guarded(reports, lambda: _first_process(plan, streams, reports, alive, network))


def guarded(reports: Reports, become: Callable[[], object]) -> NoReturn:
    """Run what ends in an exec; where it does not come to that, say why and end."""
    try:
        become()
    except NotStartedError as error:
        reports.failed(str(error), error.code)
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        reports.failed(str(NotStartedError(f"{what}{error.strerror}")), 128)
    except BaseException as error:
        reports.failed(str(NotStartedError(repr(error))), 128)
    os._exit(1)


def _map_ids(inside: tuple[int, int], outside: tuple[int, int]) -> None:
    """One user and one group: what the container calls `inside` is the user who runs Seatrial, on disk and to the kernel."""
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside[0]} {outside[0]} 1"),
        ("gid_map", f"{inside[1]} {outside[1]} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _first_process(plan: Plan, streams: Streams, reports: Reports, alive: int, network: Network) -> NoReturn:
    rootfs.enter(plan)
    socket.sethostname(plan["hostname"])
    os.setsid()
    become(plan["argv"], plan["env"], plan["cwd"], streams, reports, alive, network)


def become(
    argv: list[str],
    env: dict[str, str],
    cwd: str,
    streams: Streams,
    reports: Reports,
    alive: int,
    network: Network,
) -> NoReturn:
    """Give up what the command must not have, and become it. Raises NotStartedError, OSError."""
    for target, fd in enumerate(streams):
        os.dup2(fd, target)
    set_limits()
    os.umask(0o022)
    os.chdir(cwd)
    linux.drop_capabilities()
    linux.die_with_parent(signal.SIGKILL)
    if orphaned(alive):
        os._exit(1)
    if network is not None:
        _install(network, reports)
    execute(argv, env)


def _install(network: Callable[[], int], reports: Reports) -> None:
    try:
        fd = network()
    except OSError:
        return  # the trial at the start has found that out, and the runtime does not count on it
    reports.listener(fd)
    os.close(fd)


def orphaned(alive: int) -> bool:
    """Whether the shim, which holds the other end, is gone."""
    poll = select.poll()
    poll.register(alive, 0)
    return bool(poll.poll(0))


def set_limits() -> None:
    """As container engines have them: plenty of files, no core dumps in the team's folders."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def reset_signals() -> None:
    """What Python set for itself must not be inherited by the command."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def execute(argv: list[str], env: dict[str, str]) -> NoReturn:
    """Become the command, found on PATH as runc finds it. Raises NotStartedError."""
    program = argv[0]
    if "/" in program:
        _try(program, argv, env)
        raise NotStartedError(f'exec: "{program}": stat {program}: no such file or directory', 127)
    refused = False
    for folder in env.get("PATH", DEFAULT_PATH).split(":"):
        try:
            _try(f"{folder or '.'}/{program}", argv, env)
        except NotStartedError as error:
            if error.code != 126:
                raise
            refused = True
    if refused:
        raise NotStartedError(f'exec: "{program}": permission denied', 126)
    raise NotStartedError(f'exec: "{program}": executable file not found in $PATH', 127)


def _try(path: str, argv: list[str], env: dict[str, str]) -> None:
    """Become the program at a path; comes back when there is nothing at it."""
    try:
        os.execve(path, argv, env)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR) and not os.path.exists(path):
            return
        if error.errno in (errno.EACCES, errno.EISDIR):
            raise NotStartedError(f'exec: "{path}": permission denied', 126) from None
        # ENOENT for a file that is there: its interpreter is not.
        raise NotStartedError(f"exec {path}: {os.strerror(error.errno or 0).lower()}") from None


def end_as(status: int) -> NoReturn:
    """End as another process did (a status of wait(2)), so that whoever waits for this one sees the same."""
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
