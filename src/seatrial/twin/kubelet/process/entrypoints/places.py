"""Where a container may write, and which address is its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def address() -> str:
    """The pod's own address, which a server has to listen on."""
    return os.environ.get("SEATRIAL_POD_IP") or os.environ.get("POD_IP") or "127.0.0.1"


def rooted(path: str) -> Path:
    """A path of the container, also where it is a plain process with its files under $SEATRIAL_ROOT."""
    root = os.environ.get("SEATRIAL_ROOT", "")
    return Path(path if path.startswith(f"{root}/") else root + path)


def writable(*paths: str) -> Path:
    """The first of these folders that can be made and written to; else one in memory, which is the container's own."""
    for path in (*paths, "/dev/shm/seatrial"):  # noqa: S108
        folder = rooted(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK, effective_ids=True):
            return folder
    raise SystemExit(f"none of {', '.join(paths)} can be written to: mount an emptyDir at one of them")


def setting(name: str, default: str = "", environ: Mapping[str, str] = os.environ) -> str:
    """A variable, or the contents of the file that `<name>_FILE` names, as official images read them."""
    path = environ.get(f"{name}_FILE")
    if path and environ.get(name):
        raise SystemExit(f"error: both {name} and {name}_FILE are set (but are exclusive)")
    if path:
        found = rooted(path) if rooted(path).exists() else Path(path)
        try:
            return found.read_text().rstrip("\n")
        except OSError as error:
            raise SystemExit(f"error: {name}_FILE: {error}") from None
    return environ.get(name) or default
