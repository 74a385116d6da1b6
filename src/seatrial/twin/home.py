"""Where a twin lives on this machine: one folder a twin, with what others need to find, use and stop it.

The folder holds `twin.json` (who runs it and where it answers), the kubeconfig, the certificates and the runtime's files;
all of it readable by its owner alone.  The log lies beside it and outlives the twin.  A twin holds a lock on its folder
while it runs, so that what a killed one left behind is recognised as such.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import psutil
import yaml

from seatrial.world.objects import Obj


class TwinError(Exception):
    """Something about a twin that a person has to know; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a running twin says of itself in `twin.json`."""

    name: str
    pid: int
    started: float  # seconds since the epoch, as the system has it for the pid
    server: str  # https://127.0.0.1:<port>
    kubeconfig: str
    ingress: str  # http://localhost:<port>, or "" when nothing is exposed
    runtime: str  # how containers run, in words for people; "simulated" when none does
    state: str  # the file that keeps the state, or ""
    version: str
    owner: str = ""  # "up" when `seatrial up` started it and may stop it again
    limited: bool = False  # containers lack something here that they have elsewhere; `runtime` says what


def base() -> Path:
    """The folder of all twins: $SEATRIAL_HOME, else the user's state folder (XDG base directory specification)."""
    override = os.environ.get("SEATRIAL_HOME")
    if override:
        return Path(override)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "seatrial"


def names() -> list[str]:
    twins = base() / "twins"
    return sorted(entry.name for entry in twins.iterdir() if entry.is_dir()) if twins.is_dir() else []


class Home:
    """The folder of one twin."""

    def __init__(self, name: str = "default") -> None:
        if not name.replace("-", "").isalnum():
            raise TwinError(f"{name!r} cannot name a twin: use letters, digits and dashes.")
        self.name = name
        self.path = base() / "twins" / name
        self._lock: int | None = None

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def log(self) -> Path:
        """Not in the folder: it tells why a twin did not come up, or ended. It stays until the next twin of the name starts."""
        return base() / "logs" / f"{self.name}.log"

    @property
    def images(self) -> Path:
        """Images made on this machine. They belong to the user, not to one twin, and outlive it."""
        return base() / "images"

    # the one who runs

    def acquire(self) -> None:
        """Take the folder for this process, and clear what a killed twin left in it. Raises TwinError if it is taken."""
        lock = self._try_lock(fcntl.LOCK_NB)
        if lock is None and self.running() is None:  # what ends the processes of a killed twin holds on until it is done
            lock = self._try_lock(0)
        if lock is None:
            raise self.taken()
        self._lock = lock
        for leftover in ("twin.json", "kubeconfig"):
            (self.path / leftover).unlink(missing_ok=True)

    def drop_older_log(self, ours: TextIO | None) -> None:
        """Remove the log of the twin before this one, unless it is the file that `ours` writes to."""
        try:
            if ours is None or not os.path.samestat(os.fstat(ours.fileno()), self.log.stat()):
                self.log.unlink()
        except (OSError, ValueError):
            return  # there is none, or this process has no streams

    def taken(self) -> TwinError:
        running = self.running()
        who = f" (pid {running.pid}, {running.server})" if running else ""
        return TwinError(
            f"Twin {self.name!r} runs already{who}.\nUse it: export KUBECONFIG={self.kubeconfig}\n"
            f"Or stop it: seatrial twin stop{_option(self.name)}"
        )

    def _try_lock(self, mode: int) -> int | None:
        """The descriptor of the lock, held; None when somebody else holds it. A lock that went with its folder does not count."""
        while True:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            place = self.path / "lock"
            lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | mode)
            except BlockingIOError:
                os.close(lock)
                return None
            if place.exists() and os.fstat(lock).st_ino == place.stat().st_ino:
                return lock
            os.close(lock)

    @property
    def held(self) -> list[int]:
        """The descriptor that holds the folder; whoever keeps it open keeps the folder taken."""
        return [] if self._lock is None else [self._lock]

    def announce(self, running: Running) -> None:
        self.write("twin.json", json.dumps(asdict(running), indent=1) + "\n")

    def write(self, name: str, text: str) -> Path:
        """Write a file that only its owner can read, in one step."""
        path, scratch = self.path / name, self.path / f".{name}.new"
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        scratch.replace(path)
        return path

    def release(self) -> None:
        """Give the folder back, and remove it: a stopped twin leaves nothing (a state file asked for lives elsewhere)."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # the others

    def running(self) -> Running | None:
        """The twin that runs here now; None when there is none, or when the one that was has died."""
        try:
            running = Running(**json.loads((self.path / "twin.json").read_text()))
            alive = abs(psutil.Process(running.pid).create_time() - running.started) < 1
        except (OSError, ValueError, TypeError, psutil.NoSuchProcess):
            return None
        return running if alive else None

    def require(self) -> Running:
        running = self.running()
        if running is None:
            raise TwinError(f"Twin {self.name!r} does not run. Start it: seatrial twin start{_option(self.name)} --detach")
        return running

    def stop(self, patience: float = 40.0) -> bool:
        """Ask the twin to stop and wait until it has; one that does not within `patience` seconds is killed. False: none ran."""
        running = self.running()
        if running is None:
            return False
        try:
            handle = os.pidfd_open(running.pid)
        except ProcessLookupError:
            return False
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if not _ended(handle, patience):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                _ended(handle, 5.0)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)
        return True

    def kill(self) -> None:
        """End the twin at once; what guards its containers ends them and removes the folder."""
        running = self.running()
        if running:
            os.kill(running.pid, signal.SIGKILL)


def _ended(pidfd: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(patience * 1000))


def _option(name: str) -> str:
    return "" if name == "default" else f" --name {name}"


def kubeconfig(name: str, server: str, ca: str, token: str) -> str:
    """A kubeconfig with one context; `ca` in base64, as the file wants it."""
    context = f"seatrial-{name}"
    document: Obj = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": context, "user": {"token": token}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": "default"}}],
        "current-context": context,
    }
    return str(yaml.safe_dump(document, sort_keys=False))
