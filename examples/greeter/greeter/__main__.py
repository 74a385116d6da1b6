"""`python -m greeter`: serves until SIGTERM, then finishes the requests in flight and goes."""

from __future__ import annotations

import logging
import os
import signal
import sys

import uvicorn

from greeter.app import build
from greeter.settings import SettingsError, load


def main() -> int:
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(f"greeter: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more at its end: an orderly one, with exit code 0
    uvicorn.run(
        build(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
