"""gRPC probes against real sockets: a server of HTTP/2 that answers health checks, and others that do not."""

import asyncio
import socket

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from seatrial.twin.kubelet.process import grpc

OK = {"grpc-status": "0"}


def health(status):
    """The data of a HealthCheckResponse."""
    message = bytes([8, status]) if status else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


class Server(asyncio.Protocol):
    """Answers a call with data and trailers, or with nothing where there are none; notes what it was asked."""

    def __init__(self, data, trailers, status, asked):
        self.data, self.trailers, self.status, self.asked = data, trailers, status, asked
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    def connection_made(self, transport):
        self.transport = transport
        self.h2.initiate_connection()
        transport.write(self.h2.data_to_send())

    def data_received(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self.asked.update(event.headers)
            elif isinstance(event, DataReceived):
                self.asked["body"] = event.data
            elif isinstance(event, StreamEnded):
                self.answer(event.stream_id)
        self.transport.write(self.h2.data_to_send())

    def answer(self, stream):
        if self.data is None and self.trailers is None:
            return
        self.h2.send_headers(stream, [(":status", self.status), ("content-type", "application/grpc")])
        self.h2.send_data(stream, self.data or b"")
        self.h2.send_headers(stream, list((self.trailers or {"x": "y"}).items()), end_stream=True)


async def checked(address, port, service="", timeout=10.0):
    done = asyncio.get_running_loop().create_future()
    grpc.check(asyncio.get_running_loop(), address, port, service, timeout, done.set_result)
    return await done


def ask(data, trailers=None, status="200", **how):
    """The result of a probe of such a server, and what it was asked."""
    asked = {}

    async def inside():
        server = await asyncio.get_running_loop().create_server(lambda: Server(data, trailers, status, asked), "127.0.0.1", 0)
        result = await checked("127.0.0.1", server.sockets[0].getsockname()[1], **how)
        server.close()
        return result

    return asyncio.run(inside()), asked


def test_a_server_that_serves_is_asked_for_its_health_as_gRPC_asks():
    result, asked = ask(health(1), OK, service="shop.Cart")
    assert (result.ok, result.message) == (True, "")
    assert (asked[":method"], asked[":path"]) == ("POST", "/grpc.health.v1.Health/Check")
    assert (asked["content-type"], asked["te"]) == ("application/grpc", "trailers")
    assert asked["body"] == b"\0\0\0\0\x0b\n\x09shop.Cart"


@pytest.mark.parametrize(
    ("data", "trailers", "status", "said"),
    [
        (health(2), OK, "200", 'service unhealthy (responded with "NOT_SERVING")'),
        (health(0), OK, "200", 'service unhealthy (responded with "UNKNOWN")'),
        (health(3), OK, "200", 'service unhealthy (responded with "SERVICE_UNKNOWN")'),
        (
            None,
            {"grpc-status": "12", "grpc-message": "unknown service grpc.health.v1.Health"},
            "200",
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
            "unknown service grpc.health.v1.Health",
        ),
        (
            None,
            {"grpc-status": "5", "grpc-message": "unknown%20service"},
            "200",
            "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
        ),
        (None, {"grpc-status": "4"}, "200", "timeout: health rpc did not complete within 10s"),
        (
            b"gone",
            None,
            "503",
            "error: health rpc probe failed: rpc error: code = Unavailable "
            "desc = unexpected HTTP status code received from server: 503 (Service Unavailable)",
        ),
    ],
)
def test_what_a_server_says_that_does_not_serve(data, trailers, status, said):
    result, _ = ask(data, trailers, status)
    assert (result.ok, result.message) == (False, said)


def test_a_server_that_does_not_answer_is_given_the_time_of_the_probe():
    result, _ = ask(None, timeout=0.05)
    assert (result.ok, result.message) == (False, "timeout: health rpc did not complete within 0.05s")


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_server_that_does_not_speak_HTTP2_is_no_gRPC_server(greeting):
    async def inside():
        async def answer(reader, writer):
            await reader.read(1)
            writer.write(greeting)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        result = await checked("127.0.0.1", port, timeout=0.05)
        server.close()
        return result, port

    result, port = asyncio.run(inside())
    said = f'timeout: failed to connect service "127.0.0.1:{port}" within 0.05s: context deadline exceeded'
    assert (result.ok, result.message) == (False, said)


def test_where_nobody_listens_the_time_runs_out():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        result = asyncio.run(checked("127.0.0.1", port, timeout=0.05))
    said = f'timeout: failed to connect service "127.0.0.1:{port}" within 0.05s: context deadline exceeded'
    assert (result.ok, result.message) == (False, said)
