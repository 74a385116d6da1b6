"""`python -m garage`: serves until SIGTERM, then finishes the requests in flight and goes."""

from __future__ import annotations

import os
import signal
import threading

from garage.server import reachable, server


def main() -> None:
    url = os.environ["DB_URL"]
    serving = server(os.environ.get("POD_IP") or "0.0.0.0", int(os.environ.get("PORT", "8080")), lambda: reachable(url))  # noqa: S104
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=serving.shutdown).start())
    print("garage: started", flush=True)
    serving.serve_forever()
    serving.server_close()


if __name__ == "__main__":
    main()
