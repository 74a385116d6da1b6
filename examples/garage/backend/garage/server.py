"""The endpoints of Spring Boot's actuator, `/api/appointments`, and a count of requests as Micrometer writes it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUCKETS = (0.005, 0.05, 0.5, 1.0, 5.0)  # seconds


class Metrics:
    """Requests and their seconds, by path and status."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], list[float]] = {}
        self._lock = threading.Lock()

    def observe(self, path: str, status: int, seconds: float) -> None:
        with self._lock:
            counts = self._seen.setdefault((path, status), [0.0] * (len(BUCKETS) + 2))
            for index, most in enumerate(BUCKETS):
                counts[index] += seconds <= most
            counts[-2] += 1
            counts[-1] += seconds

    def text(self) -> str:
        """What Prometheus reads."""
        name = "http_server_requests_seconds"
        lines = [f"# TYPE {name} histogram"]
        with self._lock:
            for (path, status), counts in sorted(self._seen.items()):
                labels = f'status="{status}",uri="{path}"'
                lines += [f'{name}_bucket{{{labels},le="{most}"}} {counts[i]:g}' for i, most in enumerate(BUCKETS)]
                lines.append(f'{name}_bucket{{{labels},le="+Inf"}} {counts[-2]:g}')
                lines += [f"{name}_count{{{labels}}} {counts[-2]:g}", f"{name}_sum{{{labels}}} {counts[-1]:.6f}"]
        return "\n".join(lines) + "\n"


def reachable(url: str, timeout: float = 1.0) -> bool:
    """Whether the database of a URL takes connections; `timeout` in seconds."""
    at = urlsplit(url)
    try:
        with socket.create_connection((at.hostname or "localhost", at.port or 5432), timeout):
            return True
    except OSError:
        return False


def answer(path: str, metrics: Metrics, database: Callable[[], bool]) -> tuple[int, str, str]:
    """Status, type and body of what is at a path."""
    if path == "/actuator/health/liveness":  # asks only the process itself
        return 200, "application/json", json.dumps({"status": "UP"})
    if path == "/actuator/health/readiness":
        up = database()
        state = "UP" if up else "OUT_OF_SERVICE"
        return 200 if up else 503, "application/json", json.dumps({"status": state, "components": {"db": {"status": state}}})
    if path == "/actuator/prometheus":
        return 200, "text/plain; version=0.0.4", metrics.text()
    if path in ("/", "/api/appointments"):
        return 200, "application/json", json.dumps([{"bay": 1, "car": "wagon", "work": "brakes"}])
    return 404, "application/json", json.dumps({"status": 404, "error": "Not Found"})


def server(host: str, port: int, database: Callable[[], bool], metrics: Metrics | None = None) -> ThreadingHTTPServer:
    """The server, bound and not yet serving; port 0 takes a free one. Servers that share `metrics` count together."""
    metrics = metrics or Metrics()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            started, path = time.perf_counter(), urlsplit(self.path).path
            status, kind, body = answer(path, metrics, database)
            content = body.encode()
            metrics.observe(path if status != 404 else "UNKNOWN", status, time.perf_counter() - started)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Requests are counted, not logged."""

    found = ThreadingHTTPServer((host, port), Handler)
    found.daemon_threads = False  # the end waits for the requests in flight
    return found
