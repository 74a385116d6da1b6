"""What broken, slow and vanishing clients do to a running twin: nothing, and where somebody is there to be told, a Status."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MAPS = "/api/v1/namespaces/wire/configmaps"


class Reply(NamedTuple):
    code: int  # 0: the connection ended without an answer
    body: bytes

    @property
    def reason(self) -> str:
        status = json.loads(self.body)
        assert status["kind"] == "Status"
        assert status["code"] == self.code
        return str(status["reason"])


class Wire:
    """Connections to a twin's API server, for bytes of any kind."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        url = urlsplit(cluster["server"])
        self.address, self.token = (url.hostname or "", url.port or 0), user["token"]
        self._tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self.address, timeout=10)
        return self._tls.wrap_socket(plain, server_hostname=self.address[0])

    def request(self, method: str, path: str, body: bytes = b"", *more: str, type_: str = "application/json") -> bytes:
        """A request as bytes; what `more` says comes first."""
        named = [f"Content-Length: {len(body)}"] if not any("ontent-length" in line for line in more) else []
        lines = [f"{method} {path} HTTP/1.1", "Host: twin", f"Authorization: Bearer {self.token}", f"Content-Type: {type_}"]
        return "\r\n".join([*lines, "Connection: close", *more, *named, "", ""]).encode() + body

    def ask(self, raw: bytes, *, leave: bool = False) -> Reply:
        """Send bytes and read to the end; `leave`: say that no more will come."""
        with self.connect() as connection:
            answer = b""
            try:
                connection.sendall(raw)
                if leave:
                    connection.unwrap()
                while piece := connection.recv(65536):
                    answer += piece
            except (ssl.SSLError, ConnectionError):
                pass  # the server had heard enough
        head, _, body = answer.partition(b"\r\n\r\n")
        return Reply(int(head.split(b" ", 2)[1]) if head else 0, body)

    def names(self) -> set[str]:
        """The ConfigMaps there are, each of them whole."""
        reply = self.ask(self.request("GET", f"{MAPS}?fieldSelector=metadata.name!=kube-root-ca.crt"))
        items = json.loads(reply.body)["items"]
        assert all(item["metadata"]["uid"] and item.get("data") == {"key": "value"} for item in items)
        return {item["metadata"]["name"] for item in items}


@pytest.fixture(scope="module")
def wire(twin: Any) -> Iterator[Wire]:
    twin.kubectl("create", "namespace", "wire")
    yield Wire(Path(twin.running.kubeconfig))
    twin.kubectl("delete", "namespace", "wire", "--wait=false")


def config_map(name: str) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "value"}}).encode()


#: Ten lists, each of nine aliases of the one before.
BOMB = b"a: &a [1]\n" + b"".join(b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 108))
DOUBLING = json.dumps([{"op": "copy", "from": "/data", "path": f"/data/{number}"} for number in range(40)]).encode()
YAML, APPLY, PATCH = "application/yaml", "application/apply-patch+yaml", "application/json-patch+json"

HOSTILE: dict[str, tuple[Callable[[Wire], bytes], int]] = {
    "no HTTP at all": (lambda w: b"\x00\x01\x02\r\n\r\n", 400),
    "a method nobody knows": (lambda w: w.request("BREW", MAPS), 400),
    "a method nobody serves": (lambda w: w.request("TRACE", MAPS), 405),
    "headers without end": (lambda w: w.request("GET", MAPS, b"", "X-Long: " + "a" * (2 << 20)), 431),
    "a length that is none": (lambda w: w.request("POST", MAPS, b"", "Content-length: many"), 400),
    "a body that passes the limit": (lambda w: w.request("POST", MAPS, b" " * (4 << 20)), 413),
    "a body announced beyond the limit": (lambda w: w.request("POST", MAPS, b"{", "Content-length: 99999999"), 413),
    "chunks beyond the limit": (
        lambda w: w.request("POST", MAPS, b"400000\r\n" + b" " * 0x400000, "Transfer-Encoding: chunked", "X-Content-length: 0"),
        413,
    ),
    "no content type we know": (lambda w: w.request("POST", MAPS, config_map("typed"), type_="text/html"), 415),
    "no answer type we know": (lambda w: w.request("GET", MAPS, b"", "Accept: image/png"), 406),
    "no body": (lambda w: w.request("POST", MAPS), 400),
    "broken UTF-8": (lambda w: w.request("POST", MAPS, config_map("utf").replace(b"value", b"\xff\xfe")), 400),
    "UTF-16": (lambda w: w.request("POST", MAPS, config_map("utf").decode().encode("utf-16")), 400),
    "deep JSON": (lambda w: w.request("POST", MAPS, b'{"data":' + b'{"a":' * 100_000), 400),
    "JSON just too deep": (lambda w: w.request("POST", MAPS, b'{"data":' + b'{"a":' * 500 + b"1" + b"}" * 501), 400),
    "deep YAML brackets": (lambda w: w.request("POST", MAPS, b"a: " + b"[" * 1_000_000, type_=YAML), 400),
    "deep YAML dashes": (lambda w: w.request("POST", MAPS, b"- " * 100_000, type_=YAML), 400),
    "deep YAML behind carriage returns": (lambda w: w.request("POST", MAPS, b"a: 1\rb:\r " + b"- " * 99_999, type_=YAML), 400),
    "YAML aliases that explode": (lambda w: w.request("POST", MAPS, BOMB, type_=YAML), 400),
    "deep YAML to apply": (lambda w: w.request("PATCH", f"{MAPS}/x?fieldManager=me", b"- " * 100_000, type_=APPLY), 400),
    "a patch that doubles forty times": (lambda w: w.request("PATCH", f"{MAPS}/kept", DOUBLING, type_=PATCH), 422),
    "a limit out of range": (lambda w: w.request("GET", f"{MAPS}?limit={10**30}"), 400),
    "a version out of range": (lambda w: w.request("GET", f"{MAPS}?resourceVersion={'9' * 5000}"), 422),
    "a version in other digits": (lambda w: w.request("GET", f"{MAPS}?watch=1&resourceVersion=%C2%B2"), 422),
    "nobody's token": (lambda w: w.request("GET", MAPS).replace(w.token.encode(), b"\xff\xfe"), 401),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_request_gets_a_status(wire: Wire, what: str) -> None:
    wire.ask(wire.request("POST", MAPS, config_map("kept")))
    make, code = HOSTILE[what]
    reply = wire.ask(make(wire))
    assert reply.code == code, reply.body[:300]
    assert reply.reason
    assert b"Traceback" not in reply.body
    assert wire.names() == {"kept"}


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=6), st.integers(0, 6)), min_size=1, max_size=3),
    st.none() | st.integers(0, 400),
)
def test_bytes_changed_anywhere_leave_whole_objects(wire: Wire, changes: list[tuple[int, bytes, int]], cut: int | None) -> None:
    raw = wire.request("POST", MAPS + "?dryRun=All", config_map("changed"))
    begin = raw.index(b"Content-Type")  # the way, the token and dryRun stay
    rest = raw[begin:]
    for at, noise, skipped in changes:
        rest = rest[:at] + noise + rest[at + skipped :]
    reply = wire.ask((raw[:begin] + rest)[: None if cut is None else begin + cut], leave=True)
    assert reply.code < 500, reply.body
    if reply.code >= 400:
        assert reply.reason
    assert "changed" not in wire.names()


def test_a_body_cut_short_leaves_nothing(wire: Wire) -> None:
    whole = wire.request("POST", MAPS, config_map("cut"))
    for left in (1, 20, len(config_map("cut"))):
        assert wire.ask(whole[:-left], leave=True).code == 0
    assert "cut" not in wire.names()


def test_a_slow_client_holds_up_nobody(wire: Wire) -> None:
    slow, body = wire.connect(), config_map("slow")
    with slow:
        for letter in wire.request("POST", MAPS, body)[: -len(body) // 2]:
            slow.send(bytes([letter]))
        assert wire.ask(wire.request("POST", MAPS, config_map("quick"))).code == 201, "while the slow one is half way"
        for letter in body[-len(body) // 2 :]:
            slow.send(bytes([letter]))
        assert slow.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert {"slow", "quick"} <= wire.names()


def test_watchers_that_vanish_are_forgotten(wire: Wire, twin: Any) -> None:
    server = psutil.Process(twin.running.pid)
    before = server.num_fds()
    with ExitStack() as stack:
        for number in range(150):
            watcher = stack.enter_context(wire.connect())
            watcher.sendall(wire.request("GET", f"{MAPS}?watch=1"))
            if number % 3:  # the others are gone before they are answered
                assert watcher.recv(64).startswith(b"HTTP/1.1 200 ")
            if number % 2:  # the others leave in silence
                watcher.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert server.num_fds() > before + 90
    assert wire.ask(wire.request("POST", MAPS, config_map("seen-by-nobody"))).code == 201
    end = time.monotonic() + 10
    while server.num_fds() > before + 5 and time.monotonic() < end:
        time.sleep(0.02)  # until the machine has told the server of the last one
    assert server.num_fds() <= before + 5


def test_everybody_who_watches_is_told_in_order(wire: Wire) -> None:
    with ExitStack() as stack:
        watchers = [stack.enter_context(wire.connect()) for _ in range(30)]
        version = json.loads(wire.ask(wire.request("GET", MAPS)).body)["metadata"]["resourceVersion"]
        for watcher in watchers:
            watcher.sendall(wire.request("GET", f"{MAPS}?watch=1&timeoutSeconds=2&resourceVersion={version}"))
        for number in range(20):
            wire.ask(wire.request("POST", MAPS, config_map(f"told-{number}")))
        wanted = [f"told-{number}" for number in range(20)]
        for watcher in watchers:
            told = _lines(watcher)
            assert [event["object"]["metadata"]["name"] for event in told] == wanted


def _lines(watcher: ssl.SSLSocket) -> list[Any]:
    """The events of a watch until its end, out of the chunks they came in."""
    raw = b""
    while piece := watcher.recv(65536):
        raw += piece
    rest, lines = raw.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        lines += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return [json.loads(line) for line in lines.splitlines()]
