"""The API server: how fast it is there, and how many objects a second it creates and reads over TLS.

The peer is a server of the same libraries (uvicorn, httptools, uvloop, TLS) that answers every request with a fixed object of
the same size and does nothing else: what it reaches is what the HTTP stack leaves, and the ratio is what Kubernetes costs on
top.  Both are asked by the same client, 16 connections that stay, in processes of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import yaml

CLIENTS, CREATES, GETS = 16, 3000, 6000
ROUNDS = 3


def config_map(number: int) -> bytes:
    data = {"greeting": "hello", "colour": "blue", "number": str(number)}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"bench-{number}"}, "data": data}).encode()


class Connection:
    """HTTP/1.1 over TLS, one request after the other."""

    def __init__(self, server: str, token: str, tls: ssl.SSLContext) -> None:
        self._at, self._token, self._tls = urlsplit(server), token, tls

    async def open(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(self._at.hostname, self._at.port, ssl=self._tls)
        return self

    async def ask(self, method: str, path: str, body: bytes = b"") -> int:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        lowered = answer.lower()
        start = lowered.index(b"content-length:") + 15
        await self._reader.readexactly(int(lowered[start : lowered.index(b"\r\n", start)]))
        return int(answer[9:12])

    def close(self) -> None:
        self._writer.close()


async def rate(server: str, token: str, tls: ssl.SSLContext, requests: list[tuple[str, str, bytes]], good: int) -> float:
    """Requests a second over `CLIENTS` connections."""
    connections = [await Connection(server, token, tls).open() for _ in range(CLIENTS)]
    todo = iter(requests)

    async def work(connection: Connection) -> None:
        for request in todo:
            status = await connection.ask(*request)
            assert status == good, f"{request[:2]} answered {status}"

    begin = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    took = time.perf_counter() - begin
    for connection in connections:
        connection.close()
    return len(requests) / took


PATH = "/api/v1/namespaces/default/configmaps"

PEER = """
import asyncio, sys, uvloop, uvicorn
BODY = open(sys.argv[4], "rb").read()
async def app(scope, receive, send):
    status = 200
    if scope["method"] == "POST":
        status = 201
        while (await receive()).get("more_body"):
            pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), ssl_certfile=sys.argv[2], ssl_keyfile=sys.argv[3], loop="uvloop",
            http="httptools", log_level="critical", lifespan="off", server_header=False, date_header=False)
"""


def start_twin(home: str, *options: str) -> tuple[subprocess.Popen[bytes], float, dict[str, str]]:
    """A twin in the foreground; the seconds until /readyz was answered, and what it says of itself."""
    os.environ["SEATRIAL_HOME"] = home
    ready, told = os.pipe()
    command = [sys.executable, "-m", "seatrial", "twin", "start", *options, "--ready-fd", str(told)]
    begin = time.perf_counter()
    process = subprocess.Popen(command, pass_fds=[told], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(told)
    with os.fdopen(ready) as pipe:
        running = json.loads(pipe.read())
    return process, time.perf_counter() - begin, running


def start_peer(folder: Path, port: int, body: bytes) -> subprocess.Popen[bytes]:
    """The peer with the certificate of the twin in `folder`; it answers every request with `body`."""
    (folder / "peer.json").write_bytes(body)
    arguments = [str(port), *(str(folder / name) for name in ("server.crt", "server.key", "peer.json"))]
    return subprocess.Popen([sys.executable, "-c", PEER, *arguments])


async def measure(server: str, token: str, tls: ssl.SSLContext, offset: int) -> tuple[float, float]:
    creates = [("POST", PATH, config_map(offset + number)) for number in range(CREATES)]
    gets = [("GET", f"{PATH}/bench-{offset + number % CREATES}", b"") for number in range(GETS)]
    return await rate(server, token, tls, creates, 201), await rate(server, token, tls, gets, 200)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as home:
        twin, seconds, running = start_twin(home)
        config = yaml.safe_load(Path(running["kubeconfig"]).read_text())
        token = config["users"][0]["user"]["token"]
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        folder = Path(running["kubeconfig"]).parent
        idle = psutil.Process(twin.pid).memory_info().rss / 2**20
        port = urlsplit(running["server"]).port + 1
        body = json.dumps({**json.loads(config_map(1)), "padding": "x" * 500})
        peer = start_peer(folder, port, body.encode())
        try:
            await wait_for(port, tls)
            rows = []
            for number in range(ROUNDS):
                ours = await measure(running["server"], token, tls, number * CREATES)
                bare = await measure(f"https://127.0.0.1:{port}", token, tls, 0)
                rows.append((ours, bare))
        finally:
            peer.terminate()
            twin.terminate()
            peer.wait()
            twin.wait()
    print(f"from the command to a twin that answers: {seconds:.2f} s; resident when idle: {idle:.0f} MiB")
    print(f"{'':<10}{'twin':>10}{'bare HTTP':>12}{'ratio':>8}   (medians of {ROUNDS} rounds, requests a second)")
    for index, name in enumerate(("create", "get")):
        mine = statistics.median(ours[index] for ours, _ in rows)
        theirs = statistics.median(bare[index] for _, bare in rows)
        print(f"{name:<10}{mine:>10.0f}{theirs:>12.0f}{mine / theirs:>8.2f}")


async def wait_for(port: int, tls: ssl.SSLContext) -> None:
    for _ in range(200):
        try:
            connection = await Connection(f"https://127.0.0.1:{port}", "", tls).open()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            connection.close()
            return
    raise SystemExit("the peer did not start")


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
