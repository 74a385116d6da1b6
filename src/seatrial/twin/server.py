"""A whole twin on this machine: store, controllers, scheduler, kubelets, API server, Service addresses and ingress, in one process.

This is where the pieces are put together for real time; `cluster.Cluster` is the part that virtual time uses as well.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import psutil

from seatrial import __version__
from seatrial.twin.home import Home, Running, kubeconfig

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TwinOptions:
    port: int = 0
    state: Path | None = None
    nodes: int = 1
    zones: tuple[str, ...] = ()
    simulate: bool = False
    ready_fd: int | None = None
    lifeline_fd: int | None = None
    owner: str = ""


def serve(home: Home, options: TwinOptions, ready: Callable[[Running], None] | None = None) -> None:
    """Run a twin until it is told to stop (SIGTERM, Ctrl-C, a closed lifeline). Raises TwinError when it cannot start."""
    import uvloop

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    home.acquire()
    try:
        uvloop.run(_run(home, options, ready))
    finally:
        home.release()
