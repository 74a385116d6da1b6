"""A command in a running container: what `kubectl exec`, an exec probe and a lifecycle hook run."""

from __future__ import annotations

import fcntl
import os
import signal
import termios
from typing import NoReturn

from seatrial.twin.kubelet.process.shim import linux
from seatrial.twin.kubelet.process.shim.child import Network, Reports, Streams, become, end_as, guarded, orphaned
from seatrial.twin.kubelet.process.shim.plain import take_user
from seatrial.twin.kubelet.process.shim.plan import ExecPlan, Plan


def enter(
    plan: Plan, command: ExecPlan, pidfd: int, streams: Streams, reports: Reports, alive: int, network: Network
) -> NoReturn:
    """Become the minder of a command in the container whose first process `pidfd` stands for; ends as the command does."""
    os.setsid()
    guarded(reports, lambda: _mind(plan, command, pidfd, streams, reports, alive, network))


def _mind(
    plan: Plan, command: ExecPlan, pidfd: int, streams: Streams, reports: Reports, alive: int, network: Network
) -> NoReturn:
    if plan["isolated"]:
        linux.setns(pidfd, linux.NAMESPACES)
    os.close(pidfd)
    linux.die_with_parent(signal.SIGKILL)
    if orphaned(alive):
        os._exit(1)
    pid = os.fork()
    if not pid:
        guarded(reports, lambda: _command(plan, command, streams, reports, alive, network))
    reports.pid(pid)
    reports.close()
    for fd in set(streams):
        os.close(fd)
    _, status = os.waitpid(pid, 0)
    end_as(status)


def _command(plan: Plan, command: ExecPlan, streams: Streams, reports: Reports, alive: int, network: Network) -> NoReturn:
    os.setsid()
    cwd = plan["cwd"]
    if not plan["isolated"]:
        cwd = plan["folder"] + cwd
        take_user(plan)
    if command["tty"]:
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
    become(command["argv"], {**plan["env"], **command["env"]}, cwd, streams, reports, alive, network)
