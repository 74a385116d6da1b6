"""HTTP and TCP probes against real sockets, and the kubelet's words for what they find."""

import asyncio
import socket

import pytest

from seatrial.twin.kubelet.process import probes

#: What a server answers by path.
ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "/moved": b"HTTP/1.1 302 Found\r\nLocation: /fail\r\nContent-Length: 0\r\n\r\n",
    "/moved-away": b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n",
    "/loop": b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
    "/fail": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
    "/endless": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 20_000,
    "/until-closed": b"HTTP/1.1 200 OK\r\n\r\nbye",
    "/not-http": b"220 smtp.example.com ESMTP\r\n",
    "/silent": None,
    "/gone": b"",
}


@pytest.fixture
def ask():
    """Asks a server that answers as above; returns the result and what the server was asked."""

    def go(path, timeout=10.0, headers=None, scheme="http"):
        asked = []

        async def answer(reader, writer):
            if scheme == "https":
                await reader.read(1)
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                writer.close()
                return
            request = await reader.readuntil(b"\r\n\r\n")
            asked.append(request.decode())
            wanted = ANSWERS[request.split()[1].decode()]
            if wanted is None:
                await reader.read()
            else:
                writer.write(wanted)
                if path != "/endless":
                    writer.close()

        async def inside():
            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            done = asyncio.get_running_loop().create_future()
            probes.http(asyncio.get_running_loop(), "127.0.0.1", port, path, scheme, headers or {}, timeout, done.set_result)
            result = await done
            server.close()
            return result, asked, f"127.0.0.1:{port}"

        return asyncio.run(inside())

    return go


@pytest.mark.parametrize("path", ["/ok", "/moved-away", "/endless", "/until-closed"])
def test_from_200_to_399_is_well(ask, path):
    assert ask(path)[0].ok


@pytest.mark.parametrize("path", ["/fail", "/moved"])
def test_any_other_status_is_told(ask, path):
    result = ask(path)[0]
    assert (result.ok, result.message) == (False, "HTTP probe failed with statuscode: 500")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/loop", "stopped after 10 redirects"),
        ("/gone", "EOF"),
        ("/not-http", 'net/http: HTTP/1.x transport connection broken: malformed HTTP response "220 smtp.example.com ESMTP"'),
    ],
)
def test_what_is_no_answer_is_told_as_go_does(ask, path, words):
    result, _, where = ask(path)
    assert result.message == f'Get "http://{where}{path}": {words}'


def test_a_server_that_does_not_answer_in_time(ask):
    result, _, where = ask("/silent", timeout=0.05)
    words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert result.message == f'Get "http://{where}/silent": {words}'


def test_a_server_without_tls_asked_for_it(ask):
    result, _, where = ask("/ok", scheme="https")
    assert result.message == f'Get "https://{where}/ok": http: server gave HTTP response to HTTPS client'


def test_the_request_is_the_kubelets(ask):
    _, (request,), where = ask("/ok", headers={"X-Probe": "yes"})
    lines = [
        "GET /ok HTTP/1.1",
        f"Host: {where}",
        "User-Agent: kube-probe/1.36",
        "Accept: */*",
        "X-Probe: yes",
        "Connection: close",
    ]
    assert request == "\r\n".join([*lines, "", ""])
    _, (request,), _ = ask("/ok", headers={"Host": "shop.example.com", "User-Agent": "mine", "Accept": ""})
    assert request == "GET /ok HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: mine\r\nConnection: close\r\n\r\n"


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_told_as_go_does():
    port = closed_port()
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"

    async def inside():
        results = []
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def take(result):
            results.append(result.message)
            done.set()

        for ask in (
            lambda: probes.tcp(loop, "127.0.0.1", port, 5, take),
            lambda: probes.http(loop, "127.0.0.1", port, "healthz?full", "http", {}, 5, take),
        ):
            done.clear()
            ask()
            await done.wait()
        assert results == [refused, f'Get "http://127.0.0.1:{port}/healthz?full": {refused}']

    asyncio.run(inside())


def test_a_listening_port_is_enough_for_tcp():
    async def inside():
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        done = asyncio.get_running_loop().create_future()
        probes.tcp(asyncio.get_running_loop(), "127.0.0.1", server.sockets[0].getsockname()[1], 5, done.set_result)
        assert (await done).ok
        server.close()

    asyncio.run(inside())
