"""Starting a twin as a process of its own, and hearing when it is ready."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.twin.home import Home, Running, TwinError


@dataclass(frozen=True)
class Spawned:
    """A twin in another process. Closing `lifeline` (or dying with it open) stops a twin that was started with one."""

    running: Running
    lifeline: int | None = None


def spawn(home: Home, options: Sequence[str] = (), *, lifeline: bool = False) -> Spawned:
    """Start a twin and return when it answers. Raises TwinError with the end of its log when it does not come up."""
    if home.running():
        raise home.taken()
    home.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    ready_read, ready_write = os.pipe()
    inherited = [ready_write]
    command = [sys.executable, "-m", "seatrial", "twin", "start", "--name", home.name, *options, "--ready-fd", str(ready_write)]
    hold = None
    if lifeline:
        other_end, hold = os.pipe()
        inherited.append(other_end)
        command += ["--lifeline-fd", str(other_end)]
    with os.fdopen(os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
        subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=inherited
        )
    for end in inherited:
        os.close(end)
    with os.fdopen(ready_read) as ready:
        said = ready.read()
    if not said:
        tail = home.log.read_text(errors="replace").strip().splitlines()[-8:] if home.log.exists() else []
        raise TwinError("\n".join([f"Twin {home.name!r} did not start. The end of {home.log}:", *tail]))
    return Spawned(Running(**json.loads(said)), hold)
