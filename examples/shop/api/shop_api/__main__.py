"""`python -m shop_api`: serves the API until SIGTERM, then finishes the requests in flight and goes."""

from __future__ import annotations

import logging
import os
import signal
import sys

import uvicorn

from shop_api import logs, settings
from shop_api.app import build
from shop_api.carts import RedisCarts
from shop_api.database import Database


def main() -> int:
    try:
        config = settings.load(os.environ)
    except settings.SettingsError as error:
        print(f"shop_api: {error}", file=sys.stderr)
        return 2
    logs.configure(config.log_level, config.secrets())
    app = build(
        Database(config.db_url, config.payments_key, config.db_pool_size),
        RedisCarts(config.cache_url),
        ready_timeout=config.ready_timeout,
        pod=config.pod,
    )
    logging.getLogger("uvicorn.access").disabled = True  # every request has a line of ours
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more at its end: an orderly one, with exit code 0
    uvicorn.run(
        app,
        host=config.host,
        port=config.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=config.shutdown_timeout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
