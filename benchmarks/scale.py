"""A large cluster in real time: 1,000 nodes and 10,000 pods in a live twin, how fast they are listed, how far they fill the
memory, and how late a hundred watchers hear of two hundred writes a second.

The figures stand beside the limits.  Containers are simulated; leases, events and status go on all the while, as they would.
The peer of the list is a server of the same libraries (uvicorn, httptools, uvloop, TLS) that holds the very same bytes, made
beforehand, and does nothing but send them to the same client: the ratio is what finding and encoding 10,000 objects adds.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import yaml
from api import Connection, config_map, start_peer, start_twin, wait_for
from virtual import deployment

NODES, PODS = 1_000, 10_000
WATCHERS, WRITES, SECONDS = 100, 200, 10
LISTS = 5
MIB = 2**20
MARK = b'"sent":"'


class Watcher(Connection):
    """Reads a watch and notes how long each change took to come."""

    delays: list[float]

    async def watch(self, path: str) -> None:
        self.delays = []
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._token}\r\n\r\n".encode())
        await self._reader.readuntil(b"\r\n\r\n")

    async def read(self) -> None:
        rest = b""
        while data := await self._reader.read(1 << 16):
            now = time.time()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                at = line.find(MARK)
                if at >= 0:
                    start = at + len(MARK)
                    self.delays.append(now - float(line[start : line.index(b'"', start)]))


async def get(connection: Connection, path: str) -> bytes:
    """The body of an answer, whichever way its length is told."""
    connection._writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {connection._token}\r\n\r\n".encode())
    head = (await connection._reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        start = head.index(b"content-length:") + 15
        return await connection._reader.readexactly(int(head[start : head.index(b"\r\n", start)]))
    parts = []
    while size := int(await connection._reader.readline(), 16):
        parts.append(await connection._reader.readexactly(size))
        await connection._reader.readexactly(2)
    await connection._reader.readexactly(2)
    return b"".join(parts)


async def fill(connection: Connection) -> float:
    """Seconds until all pods are available."""
    begin = time.perf_counter()
    wanted = deployment(PODS)
    path = "/apis/apps/v1/namespaces/default/deployments"
    assert await connection.ask("POST", path, json.dumps(wanted).encode()) == 201
    while True:
        status = json.loads(await get(connection, f"{path}/shop"))["status"]
        if status.get("availableReplicas") == PODS:
            return time.perf_counter() - begin
        if time.perf_counter() - begin > 300:
            raise SystemExit(f"after 300 s only {status.get('availableReplicas')} pods are available")
        await asyncio.sleep(0.5)


async def lists(connection: Connection, path: str) -> tuple[list[float], bytes]:
    """(seconds of each list, the last one)."""
    took, body = [], b""
    for _ in range(LISTS):
        begin = time.perf_counter()
        body = await get(connection, path)
        took.append(time.perf_counter() - begin)
    return took, body


async def peer_lists(folder: Path, server: str, body: bytes, tls: ssl.SSLContext) -> list[float]:
    """Seconds of each list when nothing has to be done for it."""
    port = urlsplit(server).port
    assert port is not None
    peer = start_peer(folder, port + 1, body)
    try:
        await wait_for(port + 1, tls)
        connection = await Connection(f"https://127.0.0.1:{port + 1}", "", tls).open()
        took, _ = await lists(connection, "/")
        connection.close()
        return took
    finally:
        peer.terminate()
        peer.wait()


async def fan_out(server: str, token: str, tls: ssl.SSLContext) -> tuple[list[float], float]:
    """(delay of every event that a watcher saw, writes a second that were made)."""
    path = "/api/v1/namespaces/default/configmaps"
    watchers = [Watcher(server, token, tls) for _ in range(WATCHERS)]
    for watcher in watchers:
        await watcher.open()
        await watcher.watch(f"{path}?watch=1")
    readers = [asyncio.create_task(watcher.read()) for watcher in watchers]
    writer = await Connection(server, token, tls).open()
    begin = time.perf_counter()
    for number in range(WRITES * SECONDS):
        due = begin + number / WRITES
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        body = json.loads(config_map(number))
        body["data"]["sent"] = repr(time.time())
        assert await writer.ask("POST", path, json.dumps(body).encode()) == 201
    rate = WRITES * SECONDS / (time.perf_counter() - begin)
    await asyncio.sleep(1.0)
    for reader in readers:
        reader.cancel()
    for connection in (*watchers, writer):
        connection.close()
    short = min(len(watcher.delays) for watcher in watchers)
    assert short == WRITES * SECONDS, f"a watcher saw {short} of {WRITES * SECONDS} writes"
    return [delay for watcher in watchers for delay in watcher.delays], rate


def row(what: str, figure: str, limit: str) -> None:
    print(f"{what:<52}{figure:>16}{limit:>14}", flush=True)


async def main() -> int:
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as home:
        twin, seconds, running = start_twin(home, "--simulate", "--nodes", str(NODES), "--zones", "a,b,c")
        try:
            return await measure(running, psutil.Process(twin.pid), seconds)
        finally:
            twin.terminate()
            twin.wait()


async def measure(running: dict[str, str], process: psutil.Process, seconds: float) -> int:
    token = yaml.safe_load(Path(running["kubeconfig"]).read_text())["users"][0]["user"]["token"]
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    server = running["server"]
    connection = await Connection(server, token, tls).open()
    row("", "measured", "at most")
    row(f"a twin of {NODES:,} nodes answers after", f"{seconds:.2f} s", "")
    row(f"{PODS:,} pods are available after", f"{await fill(connection):.0f} s", "")
    await asyncio.sleep(5)
    took, body = await lists(connection, "/api/v1/pods")
    objects = len(json.loads(body)["items"])
    assert objects >= PODS
    row(f"full list of {objects:,} pods ({len(body) / MIB:.0f} MiB), the first", f"{took[0]:.2f} s", "1.50 s")
    row("the same, median", f"{statistics.median(took):.2f} s", "1.50 s")
    bare = await peer_lists(Path(running["kubeconfig"]).parent, server, body, tls)
    row("the same bytes from a bare server, the first", f"{bare[0]:.2f} s", "")
    row("the same, median", f"{statistics.median(bare):.2f} s", "")
    ratios = f"{took[0] / bare[0]:.2f}", f"{statistics.median(took) / statistics.median(bare):.2f}"
    row("ratio to the bare server: first, median", " ".join(ratios), "")
    memory = process.memory_info().rss / MIB
    row("resident", f"{memory:.0f} MiB", "1024 MiB")
    delays, rate = await fan_out(server, token, tls)
    median, late = statistics.median(delays) * 1000, statistics.quantiles(delays, n=100)[98] * 1000
    row(f"{WATCHERS} watchers, {rate:.0f} writes a second: median delay", f"{median:.1f} ms", "50 ms")
    row("the same, 99 of 100 events", f"{late:.1f} ms", "")
    connection.close()
    return int(max(took) > 1.5 or memory > 1024 or median > 50)


if __name__ == "__main__":
    import uvloop

    sys.exit(uvloop.run(main()))
