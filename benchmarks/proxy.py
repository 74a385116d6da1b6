"""What the service proxy costs: the same client and server, once directly and once through a Service address.

Prints requests a second with a connection each, requests a second over kept connections, and bytes a second.  The server
and the load are processes of their own, so that the proxy has a processor to itself where there are two.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "twin" / "network"))

from net import Net

from seatrial.twin.network.proxy import ServiceProxy

POD, SERVICE, PORT = "127.97.6.1", "127.96.6.1", 8080
CLIENTS, SECONDS = 16, 2.0
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, world\n"
BULK = 256 << 20


class Server(asyncio.Protocol):
    """Answers every message with a small reply, and `bulk` with very much."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if data == b"bulk":
            self.left = BULK
            self.resume_writing()
        else:
            self.transport.write(REPLY)

    def resume_writing(self) -> None:
        block, self.paused = bytes(1 << 18), False
        while getattr(self, "left", 0) and not self.paused:
            self.left -= len(block)
            self.transport.write(block)

    def pause_writing(self) -> None:
        self.paused = True


async def serve(ready: object) -> None:
    server = await asyncio.get_running_loop().create_server(Server, POD, PORT, backlog=1024)
    ready.set()  # type: ignore[attr-defined]
    await server.serve_forever()


async def connections(address: str) -> float:
    """Requests a second, each with a connection of its own."""
    done, end = 0, time.perf_counter() + SECONDS

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end:
            reader, writer = await asyncio.open_connection(address, PORT)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readexactly(len(REPLY))
            writer.close()
            done += 1

    await asyncio.gather(*[client() for _ in range(CLIENTS)])
    return done / SECONDS


async def requests(address: str) -> float:
    """Requests a second over connections that stay."""
    done, end = 0, time.perf_counter() + SECONDS

    async def client() -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection(address, PORT)
        while time.perf_counter() < end:
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readexactly(len(REPLY))
            done += 1
        writer.close()

    await asyncio.gather(*[client() for _ in range(CLIENTS)])
    return done / SECONDS


async def megabytes(address: str) -> float:
    """Megabytes a second over one connection."""
    started, left = time.perf_counter(), BULK
    reader, writer = await asyncio.open_connection(address, PORT, limit=1 << 20)
    writer.write(b"bulk")
    while left:
        left -= len(await reader.read(1 << 20))
    writer.close()
    return BULK / (time.perf_counter() - started) / 1e6


MEASURES = {"connections/s": connections, "requests/s": requests, "MB/s": megabytes}


def load(address: str, results: object) -> None:
    results.put({name: uvloop.run(measure(address)) for name, measure in MEASURES.items()})  # type: ignore[attr-defined]


async def measure_through_proxy(context: multiprocessing.context.SpawnContext) -> dict[str, float]:
    net = Net()
    net.service("bench", SERVICE, PORT)
    net.endpoints("bench", POD, port=PORT)
    proxy = ServiceProxy(net.context)
    proxy.start()
    try:
        return await asyncio.to_thread(measure, context, SERVICE)
    finally:
        await proxy.stop()


def measure(context: multiprocessing.context.SpawnContext, address: str) -> dict[str, float]:
    results = context.Queue()
    process = context.Process(target=load, args=(address, results))
    process.start()
    found: dict[str, float] = results.get()
    process.join()
    return found


def main() -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    server = context.Process(target=run_server, args=(ready,), daemon=True)
    server.start()
    ready.wait()
    direct = measure(context, POD)
    proxied = uvloop.run(measure_through_proxy(context))
    server.terminate()
    print(f"{'':14}{'direct':>12}{'Service':>12}")
    for name in MEASURES:
        print(f"{name:14}{direct[name]:12,.0f}{proxied[name]:12,.0f}")


def run_server(ready: object) -> None:
    try:
        uvloop.run(serve(ready))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
