"""`python -m garage`: serves until SIGTERM, then finishes the requests in flight and goes.

As Spring Boot does, it has a second port for the actuator where MANAGEMENT_SERVER_PORT says so.
"""

from __future__ import annotations

import os
import signal
import threading

from garage.server import Metrics, reachable, server


def main() -> None:
    url, host, metrics = os.environ["DB_URL"], os.environ.get("POD_IP") or "0.0.0.0", Metrics()  # noqa: S104
    ports = dict.fromkeys(
        (os.environ.get("PORT", "8080"), os.environ.get("MANAGEMENT_SERVER_PORT") or os.environ.get("PORT", "8080"))
    )
    servers = [server(host, int(port), lambda: reachable(url), metrics) for port in ports]
    serving = [threading.Thread(target=one.serve_forever) for one in servers]
    signal.signal(signal.SIGTERM, lambda *_: [threading.Thread(target=one.shutdown).start() for one in servers])
    for thread in serving:
        thread.start()
    print("garage: started", flush=True)
    for thread, one in zip(serving, servers, strict=True):
        thread.join()
        one.server_close()


if __name__ == "__main__":
    main()
