"""A container where the machine permits no namespaces: a process with a minder, which ends everything that came from it.

The minder takes over what the command leaves behind (PR_SET_CHILD_SUBREAPER), so that a daemon that forks
twice is found too.  Volumes are links under `$SEATRIAL_ROOT`.
"""

from __future__ import annotations

import os
import pwd
import signal
from typing import NoReturn

from seatrial.twin.kubelet.process.shim import linux, procs
from seatrial.twin.kubelet.process.shim.child import Network, Reports, Streams, become, end_as, guarded, orphaned
from seatrial.twin.kubelet.process.shim.plan import Plan


def plain(plan: Plan, streams: Streams, reports: Reports, alive: int, network: Network) -> NoReturn:
    """Become the minder of a command. Ends with the command, after everything that came from it; SIGTERM ends them all."""
    os.setsid()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _told_to_end)
    linux.die_with_parent(signal.SIGTERM)
    if orphaned(alive):
        os._exit(1)
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        guarded(reports, lambda: _command(plan, streams, reports, alive, network))
    reports.pid(pid)
    reports.close()
    for fd in set(streams):
        os.close(fd)
    _was.add(pid)
    status = _wait_for(pid)
    _end_all()
    end_as(status)


#: Every process of the container that the minder has come to know: what they shared outlives them.
_was: set[int] = set()


def _told_to_end(_number: int, _frame: object) -> NoReturn:
    _end_all()
    os._exit(1)


def _end_all() -> None:
    end_descendants()
    release_memory(_was)


def _command(plan: Plan, streams: Streams, reports: Reports, alive: int, network: Network) -> NoReturn:
    os.setsid()
    lay_out(plan)
    cwd = plan["folder"] + plan["cwd"]
    os.makedirs(cwd, exist_ok=True)
    _give(plan["folder"], plan)
    take_user(plan)
    become(plan["argv"], plan["env"], cwd, streams, reports, alive, network)


def lay_out(plan: Plan) -> None:
    """Links at the mount paths under the container's folder. Raises OSError."""
    for mount in plan["mounts"]:
        target = plan["folder"] + mount["target"].rstrip("/")
        if target == plan["folder"] or os.path.islink(os.path.dirname(target)):
            continue  # inside another mount: a link there would be written into the volume
        if not mount["read_only"]:
            _give(mount["source"], plan)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(mount["source"], target)


def take_user(plan: Plan) -> None:
    """Programs such as PostgreSQL refuse to run as root: where Seatrial is root, the container's user is taken for real.

    It may still go wherever root may, as its folders lie in root's own, and listen on any port.
    """
    user = _user(plan)
    if not user:
        return
    try:
        linux.prctl(linux.PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(user[1], user[1], user[1])
        os.setresuid(user[0], user[0], user[0])
        linux.keep_capabilities(linux.CAP_DAC_OVERRIDE, linux.CAP_NET_BIND_SERVICE)
    except OSError:
        return  # a root that is one in name only, of a namespace that knows no other user


def _user(plan: Plan) -> tuple[int, int] | None:
    """User and group to become, None to stay who we are. A number that the machine has no name for is nobody."""
    if os.geteuid() != 0 or not plan["uid"]:
        return None
    try:
        pwd.getpwuid(plan["uid"])
    except KeyError:
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            return plan["uid"], plan["gid"]
        return nobody.pw_uid, nobody.pw_gid
    return plan["uid"], plan["gid"]


def _give(path: str, plan: Plan) -> None:
    user = _user(plan)
    if user:
        try:
            os.chown(path, *user)
        except OSError:
            return  # as above


def _wait_for(pid: int) -> int:
    """Wait for a child and for whatever ends before it."""
    while True:
        ended, status = os.wait()
        _was.add(ended)
        if ended == pid:
            return status


def end_descendants() -> None:
    """Kill everything that came from this process, until nothing is left."""
    while left := procs.descendants([os.getpid()], procs.snapshot())[1:]:
        _was.update(left)
        for pid in left:
            _kill(pid)
        # One of them is a child and ends now. Not all can be waited for: one may just have had a child that nobody killed.
        os.wait()
        _wait_for_ended()


def _wait_for_ended() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def release_memory(creators: set[int]) -> None:
    """Remove the shared memory (System V) that processes made and nobody has attached: it outlives those that are killed."""
    try:
        with open("/proc/sysvipc/shm", encoding="ascii") as file:
            segments = [line.split() for line in file.readlines()[1:]]
    except OSError:
        return
    for fields in segments:
        if int(fields[4]) in creators and fields[6] == "0":
            linux.remove_shared_memory(int(fields[1]))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return
