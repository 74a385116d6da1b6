"""The ingress passes HTTP on, over real sockets of the loopback interface: answers, failures, upgrades and limits."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from net import INGRESSES, NETWORK, Backend, Browser, Net, WebPod, fetch, run

from seatrial.twin.clock import VirtualClock
from seatrial.twin.network.http1 import Limits
from seatrial.twin.network.ingress import STATUS_AFTER, Exposed, IngressProxy
from seatrial.twin.network.relay import listening
from seatrial.world.objects import dig

A, B = f"{NETWORK}.1", f"{NETWORK}.2"
SERVICES = f"{NETWORK}.201", f"{NETWORK}.202"
PORT = 9000
RESET = b"\1\0\0\0\0\0\0\0"
SMUGGLED = b"0\r\n\r\nGET /admin HTTP/1.1\r\nhost: a\r\n\r\n"


def shop(*pods: str, **conditions: str) -> Net:
    """A cluster with one Ingress, shop.example.com, before the Service `web` and these pods."""
    net = Net()
    net.service("web", SERVICES[0], 80, selector={"app": "web"})
    net.endpoints("web", *pods, port=PORT, **conditions)
    net.ingress("shop", "shop.example.com/ -> web:80")
    return net


@asynccontextmanager
async def serving(net: Net, **limits: Any) -> AsyncIterator[IngressProxy]:
    ingress = IngressProxy(net.context, port=0, limits=Limits(**limits))
    await ingress.start()
    try:
        yield ingress
    finally:
        await ingress.stop()


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# passing on


def test_a_request_reaches_the_pod_and_its_answer_the_client() -> None:
    async def test() -> None:
        async with WebPod(A, PORT) as pod, serving(shop(A)) as ingress:
            reply = await fetch(ingress.port, "POST /cart?x=1", body=b"two ropes", content_type="text/plain")
            assert (reply.status, reply.text) == (200, A)
            [asked] = pod.asked
            assert (asked.line, asked.body) == ("POST /cart?x=1 HTTP/1.1", b"two ropes")
            assert asked.header("host") == "shop.example.com"
            assert asked.header("content-type") == "text/plain"
            assert asked.header("x-forwarded-for") == "127.0.0.1"
            assert asked.header("x-forwarded-port") == str(ingress.port)
            assert asked.header("connection") == "close"

    run(test())


def test_a_connection_serves_one_request_after_another_from_different_pods() -> None:
    async def test() -> None:
        async with WebPod(A, PORT), WebPod(B, PORT), serving(shop(A, B)) as ingress, await Browser.open(ingress.port) as browser:
            assert {(await browser.ask("GET /")).text for _ in range(4)} == {A, B}

    run(test())


def test_pipelined_requests_are_answered_in_their_order() -> None:
    async def name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        if path == b"/0":
            await asyncio.sleep(0.01)  # the first is the slowest
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + path)

    async def test() -> None:
        async with Backend(A, PORT, name), serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            for number in range(8):
                browser.send(f"GET /{number}")
            assert [(await browser.receive()).text for _ in range(8)] == [f"/{number}" for number in range(8)]

    run(test())


def test_no_more_is_read_while_a_request_waits_for_its_turn() -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def test() -> None:
        async with Backend(A, PORT, wait), serving(shop(A), pipelined=4) as ingress, await Browser.open(ingress.port) as browser:
            for _ in range(2):
                for _ in range(3):
                    browser.send("GET /")
                await turns(10)
            go.set()
            assert [(await browser.receive()).status for _ in range(6)] == [200] * 6

    go = asyncio.Event()
    run(test())


def test_more_requests_at_once_than_allowed_are_refused_after_those_before_them_are_answered() -> None:
    async def test() -> None:
        async with WebPod(A, PORT), serving(shop(A), pipelined=4) as ingress, await Browser.open(ingress.port) as browser:
            for _ in range(6):
                browser.send("GET /")
            assert [(await browser.receive()).status for _ in range(5)] == [200] * 4 + [429]
            assert await browser.reader.read() == b""

    run(test())


def test_a_client_that_does_not_read_gets_no_further_requests_served() -> None:
    async def test() -> None:
        reply = b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + bytes(200_000)
        async with WebPod(A, PORT, reply) as pod, serving(shop(A)) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port, limit=1 << 16)
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 200)
            before = -1
            while before != pod.connections or not before:
                before = pod.connections
                await turns(200)
            assert before < 100
            await reader.readexactly(200 * 200_000)
            writer.close()

    run(test())


def test_paths_lead_to_different_services_also_by_the_name_of_a_port() -> None:
    async def test() -> None:
        net = shop(A)
        net.service("api", SERVICES[1], 3000, ports=[{"name": "http", "port": 3000}])
        net.endpoints("api", B, port=PORT, name="http")
        net.ingress("shop", "shop.example.com/ -> web:80", "shop.example.com/api -> api:http")
        async with WebPod(A, PORT), WebPod(B, PORT), serving(net) as ingress:
            assert (await fetch(ingress.port, "GET /apis")).text == A
            assert (await fetch(ingress.port, "GET /api/orders")).text == B
            net.ingress("shop", "shop.example.com/ -> api:3000")
            await turns()
            assert (await fetch(ingress.port, "GET /apis")).text == B

    run(test())


@pytest.mark.parametrize(
    ("answer", "framing"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "content-length: 5"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nx-trailer: 1\r\n\r\n", "chunked"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "chunked"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", "chunked"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "content-length: 5"),
    ],
)
def test_an_answer_arrives_whole_however_the_pod_ends_it(answer: bytes, framing: str) -> None:
    async def test() -> None:
        async with WebPod(A, PORT, answer), serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            for _ in range(2):
                reply = await browser.ask("GET /")
                assert (reply.status, reply.text) == (200, "hello")
                assert framing in reply.head
                assert "x-trailer" not in reply.head

    run(test())


def test_answers_without_a_body_end_with_their_head() -> None:
    async def test() -> None:
        head = WebPod(A, PORT, b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        async with head, serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            for _ in range(2):
                assert "content-length: 1000" in (await browser.ask("HEAD /")).head
            for status in (204, 304):
                head.reply = b"HTTP/1.1 %d Fine\r\netag: x\r\n\r\n" % status
                browser.send("GET /")
                assert (await browser.receive(bodiless=True)).status == status

    run(test())


def test_an_http_1_0_client_reads_until_the_connection_ends() -> None:
    async def test() -> None:
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        async with WebPod(A, PORT, chunked), serving(shop(A)) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert body == b"hello"
            assert b"chunked" not in head
            writer.close()

    run(test())


def test_large_bodies_stream_both_ways_with_bounded_memory() -> None:
    body = os.urandom(6 << 20)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        left = len(body)
        while left:
            data = await reader.read(1 << 16)
            left -= len(data)
            writer.write(data)
            await writer.drain()

    async def test() -> None:
        async with Backend(A, PORT, echo), serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            browser.send("PUT /film", body=body)
            reply = await browser.receive()
            assert reply.body == body

    run(test())


def test_a_chunked_request_is_framed_anew() -> None:
    async def test() -> None:
        async with WebPod(A, PORT) as pod, serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            browser.writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n")
            browser.writer.write(b"0\r\nx-admin: yes\r\n\r\n")
            assert (await browser.receive()).status == 200
            assert pod.asked[0].body == b"abcde"
            assert pod.asked[0].header("x-admin") is None
            assert (await browser.ask("GET /again")).status == 200

    run(test())


def test_a_slow_client_holds_back_the_pod() -> None:
    wrote = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal wrote
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(48):
            writer.write(bytes(1 << 20))
            await writer.drain()
            wrote += 1

    async def test() -> None:
        async with Backend(A, PORT, pour), serving(shop(A)) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port, limit=1 << 16)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            before = -1
            while before != wrote or wrote == 0:
                before = wrote
                await turns(200)
            assert wrote < 24
            size = 0
            while data := await reader.read(1 << 20):
                size += len(data)
            assert size > 48 << 20
            writer.close()

    run(test())


def test_a_pod_that_reads_slowly_holds_back_the_client() -> None:
    async def test() -> None:
        async def wait_then_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read.wait()
            left = size
            await reader.readuntil(b"\r\n\r\n")
            while left:
                left -= len(await reader.read(1 << 18))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

        read, size = asyncio.Event(), 48 << 20
        async with Backend(A, PORT, wait_then_read), serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            browser.writer.write(b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
            browser.writer.write(bytes(size))
            before = -1
            while before != browser.writer.transport.get_write_buffer_size():
                before = browser.writer.transport.get_write_buffer_size()
                await turns(200)
            assert before > 24 << 20
            read.set()
            assert (await browser.receive()).status == 200

    run(test())


def test_a_client_that_waits_for_it_is_told_to_continue() -> None:
    async def test() -> None:
        async with WebPod(A, PORT) as pod, serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            browser.writer.write(b"PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
            assert await browser.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            browser.writer.write(b"body")
            assert (await browser.receive()).status == 200
            assert pod.asked[0].header("expect") is None

    run(test())


def test_a_websocket_is_a_tunnel_until_one_side_closes_it() -> None:
    async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"sec-websocket-key: abc" in head.lower()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nx-app: chat\r\n\r\nwelcome "
        )
        while line := await reader.readline():
            writer.write(b"heard " + line)
        writer.write(b"bye")

    async def test() -> None:
        async with Backend(A, PORT, chat), serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            browser.send("GET /chat", connection="Upgrade", upgrade="websocket", sec_websocket_key="abc")
            browser.writer.write(b"early\n")
            reply = await browser.receive(bodiless=True)
            assert reply.status == 101
            assert "upgrade: websocket" in reply.head and "x-app: chat" in reply.head
            assert await browser.reader.readline() == b"welcome heard early\n"
            browser.writer.write(b"hello\n")
            assert await browser.reader.readline() == b"heard hello\n"
            browser.writer.write_eof()
            assert await browser.reader.read() == b"bye"

    run(test())


def test_a_websocket_that_the_pod_declines_is_an_ordinary_answer() -> None:
    async def test() -> None:
        pod = WebPod(A, PORT, b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
        async with pod, serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            reply = await browser.ask("GET /chat", connection="Upgrade", upgrade="websocket")
            assert (reply.status, reply.text) == (403, "no")
            assert await browser.reader.read() == b""

    run(test())


def test_an_upgrade_to_http_2_is_ignored_and_the_request_answered() -> None:
    async def test() -> None:
        async with WebPod(A, PORT) as pod, serving(shop(A)) as ingress:
            reply = await fetch(ingress.port, "GET /", connection="Upgrade, HTTP2-Settings", upgrade="h2c", http2_settings="AA")
            assert reply.status == 200
            assert pod.asked[0].header("upgrade") is None
            assert pod.asked[0].header("http2-settings") is None

    run(test())


def test_a_request_id_is_passed_on_or_made() -> None:
    async def test() -> None:
        async with WebPod(A, PORT) as pod, serving(shop(A)) as ingress:
            await fetch(ingress.port, "GET /", x_request_id="mine-1")
            await fetch(ingress.port, "GET /", x_request_id="not usable!")
            await fetch(ingress.port, "GET /")
            ids = [asked.header("x-request-id") for asked in pod.asked]
            assert ids[0] == "mine-1"
            assert all(ident and len(ident) == 32 for ident in ids[1:])

    run(test())


def test_requests_are_understood_wherever_the_network_cuts_them() -> None:
    stream = (
        b"GET /1?a=b HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
        b"POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"
        b"PUT /3 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        b"GET /4 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )

    async def test() -> None:
        async with WebPod(A, PORT) as pod, serving(shop(A)) as ingress:
            for cut in range(1, len(stream), 3):
                pod.asked.clear()
                reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
                writer.write(stream[:cut])
                await turns(6)
                writer.write(stream[cut:])
                assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 4, cut
                writer.close()
                asked = [(asked.line, asked.body) for asked in pod.asked]
                assert asked == [
                    ("GET /1?a=b HTTP/1.1", b""),
                    ("POST /2 HTTP/1.1", b"hello"),
                    ("PUT /3 HTTP/1.1", b"hello"),
                    ("GET /4 HTTP/1.1", b""),
                ], cut

    run(test())


def test_garbage_is_answered_in_time_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    seeds = [b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n"]

    impatient = {"head_seconds": 0.1, "body_seconds": 0.1, "idle_seconds": 0.1, "linger_seconds": 0.1}

    async def test() -> None:
        chance = random.Random(7)
        async with WebPod(A, PORT), serving(shop(A), **impatient) as ingress:

            async def disturb() -> None:
                text = bytearray(chance.choice(seeds))
                for _ in range(chance.randint(1, 4)):
                    text[chance.randrange(len(text))] = chance.randrange(256)
                reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
                writer.write(bytes(text))
                answer = await reader.read()  # ends: nothing that follows would be understood, or too little follows
                assert int(answer.split()[1]) in range(200, 600), text
                writer.close()

            await asyncio.gather(*[disturb() for _ in range(300)])
            assert (await fetch(ingress.port, "GET /")).status == 200
        assert caplog.records == []

    run(test())


def test_who_stays_after_a_refusal_is_not_answered_again(caplog: pytest.LogCaptureFixture) -> None:
    """Its half was ended with the answer; when its time is up, the connection is closed, and nothing more is said on it."""

    async def test() -> None:
        async with WebPod(A, PORT), serving(shop(A), linger_seconds=0.1) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
            writer.write(b"GET / HTTP/1.1\r\nhost")
            writer.write(b"\x00: a\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
            with pytest.raises(ConnectionError):
                while True:  # until the other side has gone
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0)
        assert caplog.records == []

    run(test())


# when something is wrong


async def break_before_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


def test_a_pod_that_refuses_is_passed_over_for_every_request() -> None:
    async def test() -> None:
        async with WebPod(B, PORT) as pod, serving(shop(A, B)) as ingress:
            replies = await asyncio.gather(*[fetch(ingress.port, "POST /", body=b"x") for _ in range(20)])
            assert {reply.text for reply in replies} == {B}
            assert [asked.body for asked in pod.asked] == [b"x"] * 20

    run(test())


def test_a_request_that_may_be_repeated_is_when_its_pod_breaks_off_before_answering() -> None:
    async def test() -> None:
        broken = Backend(A, PORT, break_before_answer)
        async with broken, WebPod(B, PORT) as pod, serving(shop(A, B)) as ingress:
            replies = [await fetch(ingress.port, "PUT /cart", body=b"rope") for _ in range(4)]
            assert {(reply.status, reply.text) for reply in replies} == {(200, B)}
            assert broken.connections > 0
            assert {asked.body for asked in pod.asked} == {b"rope"}

    run(test())


def test_a_request_that_may_not_be_repeated_is_not() -> None:
    async def test() -> None:
        async with Backend(A, PORT, break_before_answer), WebPod(B, PORT) as pod, serving(shop(A, B)) as ingress:
            statuses = sorted([(await fetch(ingress.port, "POST /", body=b"x")).status for _ in range(2)])
            assert statuses == [200, 502]
            assert len(pod.asked) == 1

    run(test())


def test_a_body_that_is_too_large_to_keep_is_not_sent_twice() -> None:
    async def read_then_break(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(200_000)
        await break_off(writer)

    async def break_off(writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()

    async def test() -> None:
        async with Backend(A, PORT, read_then_break), WebPod(B, PORT) as pod, serving(shop(A, B)) as ingress:
            assert (await fetch(ingress.port, "PUT /", body=bytes(200_000))).status == 502
            assert pod.asked == []

    run(test())


def test_502_says_which_pod_of_which_service_did_what() -> None:
    async def test() -> None:
        async with Backend(A, PORT, break_before_answer), serving(shop(A)) as ingress:
            reply = await fetch(ingress.port, "POST /", body=b"x")
            assert reply.status == 502
            assert reply.text == (
                "502 Bad Gateway: Service web did not answer\n\n"
                "- Ingress shop in default sends shop.example.com/ to Service web, port 80.\n"
                f"- Pod pod-{A} ({A}:{PORT}) reset the connection.\n"
            )

    run(test())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200", "closed the connection before its answer was whole"),
        (b"SSH-2.0-OpenSSH\r\n", "sent what is not HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", "sent what is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "bytes of headers"),
        (b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "nobody had asked for"),
    ],
)
def test_an_answer_that_is_none_is_a_502_that_says_so(answer: bytes, said: str) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def test() -> None:
        async with Backend(A, PORT, reply), serving(shop(A)) as ingress:
            answered = await fetch(ingress.port, "POST /", body=b"x")
            assert answered.status == 502
            assert said in answered.text

    run(test())


def test_half_an_answer_does_not_look_whole() -> None:
    async def break_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")

    async def test() -> None:
        async with Backend(A, PORT, break_in_the_middle), serving(shop(A)) as ingress:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError, ValueError)):
                await fetch(ingress.port, "GET /")

    run(test())


def test_a_pod_that_is_silent_for_too_long_is_a_504() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def test() -> None:
        async with Backend(A, PORT, never) as pod, serving(shop(A), answer_seconds=0.05) as ingress:
            reply = await fetch(ingress.port, "GET /")
            assert reply.status == 504
            assert "was silent for 0.05 s" in reply.text
            assert pod.connections == 1

    run(test())


def waiting(reason: str, message: str) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "web", "ready": False, "state": {"waiting": {"reason": reason, "message": message}}}]}


def test_503_says_which_pods_are_not_ready_and_why() -> None:
    async def test() -> None:
        net = shop(A, not_ready=A)
        net.pod("web-1", {"app": "web"}, waiting("CrashLoopBackOff", "back-off 20s restarting failed container"))
        running = {"containerStatuses": [{"name": "web", "ready": False, "state": {"running": {}}}]}
        net.pod("web-2", {"app": "web"}, running)
        unbound = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available."}]}
        net.pod("web-3", {"app": "web"}, unbound)
        net.pod("web-4", {"app": "web"}, running, deletionTimestamp="2026-01-01T00:00:00Z")
        net.pod("other", {"app": "api"}, running)
        async with serving(net) as ingress:
            reply = await fetch(ingress.port, "GET /")
            assert reply.status == 503
            assert "retry-after: 1" in reply.head
            assert reply.text.splitlines()[2:] == [
                "- Ingress shop in default sends shop.example.com/ to Service web, port 80.",
                "- Pod web-1 is not ready: container web waits: CrashLoopBackOff, back-off 20s restarting failed container.",
                "- Pod web-2 is not ready: container web runs, and its readiness probe has not succeeded.",
                "- Pod web-3 is not ready: it has no node: 0/1 nodes are available.",
                "- Pod web-4 is not ready: it is terminating.",
            ]

    run(test())


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("nobody:80", "There is no Service nobody in namespace default."),
        ("web:81", "Service web has no port 81; it has 80."),
        ("web:80", "No pod in default has the labels it selects: app=web."),
    ],
)
def test_503_says_what_is_missing(backend: str, said: str) -> None:
    async def test() -> None:
        net = shop()
        net.ingress("shop", f"shop.example.com/ -> {backend}")
        async with serving(net) as ingress:
            reply = await fetch(ingress.port, "GET /")
            assert reply.status == 503
            assert said in reply.text

    run(test())


def test_an_unknown_host_gets_the_list_of_known_ones_as_a_page_or_as_text() -> None:
    async def test() -> None:
        net = shop(A)
        net.ingress("blog", "blog.example.com/ -> web:80")
        async with serving(net) as ingress:
            text = await fetch(ingress.port, "GET /", host="localhost")
            assert text.status == 404
            assert f"  shop.example.com  http://shop.localhost:{ingress.port}/" in text.text
            page = await fetch(ingress.port, "GET /", host='"><script>', accept="text/html,*/*")
            assert page.status == 400
            page = await fetch(ingress.port, "GET /", host="(x)&lt;", accept="text/html,*/*")
            assert "content-type: text/html" in page.head
            assert f'<a href="http://blog.localhost:{ingress.port}/">' in page.text
            assert "&amp;lt;" in page.text

    run(test())


def test_before_anything_is_exposed_the_page_says_so() -> None:
    async def test() -> None:
        async with serving(Net()) as ingress:
            assert "nothing is exposed here yet" in (await fetch(ingress.port, "GET /")).text

    run(test())


def test_a_known_host_without_a_rule_for_the_path_is_a_404() -> None:
    async def test() -> None:
        net = shop(A)
        net.ingress("shop", "shop.example.com/api -> web:80")
        async with serving(net) as ingress:
            assert "no Ingress rule of shop.example.com matches /" in (await fetch(ingress.port, "GET /")).text

    run(test())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nhost: a\n\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + SMUGGLED, 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n" + SMUGGLED, 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\nx: 1\r\n transfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff1\r\n", 400),
        (b"CONNECT db:5432 HTTP/1.1\r\nhost: a\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 400_000, 431),
        (b"GET /" + b"y" * 9_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_safely_is_refused_and_the_connection_closed(request_: bytes, status: int) -> None:
    async def test() -> None:
        async with WebPod(A, PORT) as pod, serving(shop(A)) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
            writer.write(request_)
            answer = await reader.read()
            assert int(answer.split()[1]) == status
            assert answer.count(b"HTTP/1.1 ") == 1
            assert b"connection: close" in answer or status == 400
            writer.close()
            assert pod.asked == []

    run(test())


def test_a_path_that_leaves_the_root_is_refused() -> None:
    async def test() -> None:
        async with serving(shop(A)) as ingress:
            assert (await fetch(ingress.port, "GET /../etc/passwd")).status == 400

    run(test())


def test_a_body_that_turns_out_broken_reaches_no_pod_as_whole() -> None:
    got: asyncio.Future[Any]

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            got.set_result(await reader.readuntil(b"0\r\n\r\n"))
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            got.set_result(error)

    async def test() -> None:
        nonlocal got
        got = asyncio.get_running_loop().create_future()
        async with Backend(A, PORT, swallow), serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            browser.writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await turns(20)
            browser.writer.write(b"nonsense\r\n")
            assert (await browser.receive()).status == 400
            assert isinstance(await got, Exception)

    run(test())


def test_an_answer_before_the_end_of_the_request_is_delivered_and_ends_the_connection() -> None:
    async def too_large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nno!")

    async def test() -> None:
        async with Backend(A, PORT, too_large), serving(shop(A)) as ingress, await Browser.open(ingress.port) as browser:
            browser.writer.write(b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n" + bytes(300_000))
            reply = await browser.receive()
            assert (reply.status, reply.text) == (413, "no!")
            assert "connection: close" in reply.head
            browser.writer.write(bytes(600_000))
            assert await browser.reader.read() == b""

    run(test())


def test_a_client_that_goes_away_takes_its_request_with_it() -> None:
    async def test() -> None:
        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            try:
                left.set_result(await reader.read())
            except ConnectionResetError as error:
                left.set_result(error)

        asked, left = asyncio.Event(), asyncio.get_running_loop().create_future()
        async with Backend(A, PORT, wait), serving(shop(A)) as ingress:
            browser = await Browser.open(ingress.port)
            browser.send("GET /")
            await asked.wait()
            browser.writer.close()
            assert isinstance(await left, ConnectionResetError)

    run(test())


@pytest.mark.parametrize(
    ("limits", "sent", "answer"),
    [
        ({"head_seconds": 0.03}, b"GET / HT", b"HTTP/1.1 408 "),
        ({"body_seconds": 0.03}, b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc", b"HTTP/1.1 408 "),
        ({"idle_seconds": 0.03}, b"", b""),
    ],
)
def test_a_client_that_keeps_everybody_waiting_is_let_go(limits: dict[str, float], sent: bytes, answer: bytes) -> None:
    async def test() -> None:
        async with WebPod(A, PORT), serving(shop(A), linger_seconds=0.03, **limits) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
            writer.write(sent)
            assert (await reader.read())[:13] == answer
            writer.close()

    run(test())


def test_more_clients_than_allowed_are_turned_away() -> None:
    async def test() -> None:
        async with WebPod(A, PORT), serving(shop(A), connections=1) as ingress, await Browser.open(ingress.port) as browser:
            assert (await browser.ask("GET /")).status == 200
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await fetch(ingress.port, "GET /")

    run(test())


# around it


def test_the_status_of_an_ingress_says_where_it_is_reached_when_its_round_comes() -> None:
    async def test() -> None:
        clock = VirtualClock()
        net = Net(clock)
        net.ingress("shop", "shop.example.com/ -> web:80")
        async with serving(net) as ingress:
            clock.run_for(0)
            net.ingress("blog", "blog.example.com/ -> web:80")
            clock.run_for(STATUS_AFTER - 1)
            assert [addresses(net, name) for name in ("shop", "blog")] == [[ingress.port], []]
            clock.run_for(1)
            assert [addresses(net, name) for name in ("shop", "blog")] == [[ingress.port], [ingress.port]]
            version = net.store.version
            clock.run_for(60)
            assert net.store.version == version

    run(test())


def addresses(net: Net, name: str) -> list[int]:
    """The ports at which an Ingress says that it is reached on localhost."""
    ingress = net.store.get(INGRESSES, "default", name)
    assert ingress is not None
    entries = dig(ingress, "status.loadBalancer.ingress") or []
    assert {entry["hostname"] for entry in entries} <= {"localhost"}
    return [port["port"] for entry in entries for port in entry["ports"]]


def test_urls_are_those_a_browser_on_this_machine_can_open() -> None:
    async def test() -> None:
        net = shop(A)
        async with serving(net) as ingress:
            port = ingress.port
            assert ingress.url == f"http://localhost:{port}/"
            assert ingress.urls() == [Exposed("shop.example.com", f"http://localhost:{port}/")]
            net.ingress("blog", "blog.example.com/ -> web:80")
            await turns()
            assert ingress.urls() == [
                Exposed("blog.example.com", f"http://blog.localhost:{port}/"),
                Exposed("shop.example.com", f"http://shop.localhost:{port}/"),
            ]
            net.store.delete(INGRESSES, "default", "blog")
            net.ingress("shop", "/ -> web:80")
            await turns()
            assert ingress.urls() == [Exposed("", f"http://localhost:{port}/")]

    run(test())


def test_the_next_port_is_taken_when_the_preferred_one_is_in_use() -> None:
    async def test() -> None:
        taken = listening("127.0.0.1", 0)
        preferred = taken.getsockname()[1]
        ingress = IngressProxy(shop(A).context, port=preferred)
        await ingress.start()
        assert preferred < ingress.port < preferred + 100
        await ingress.stop()
        taken.close()

    run(test())


def test_after_stop_nothing_listens_and_nothing_is_connected() -> None:
    async def test() -> None:
        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()

        asked, net = asyncio.Event(), shop(A)
        async with Backend(A, PORT, never):
            ingress = IngressProxy(net.context, port=0)
            await ingress.start()
            idle, busy = await Browser.open(ingress.port), await Browser.open(ingress.port)
            busy.send("GET /")
            await asked.wait()
            await ingress.stop()
            for browser in (idle, busy):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await browser.receive()
                browser.writer.close()
            listening("127.0.0.1", ingress.port).close()
            assert len(asyncio.all_tasks()) <= 2  # this test, and the pod's handler that is about to notice

    run(test())


def test_no_request_fails_while_pods_are_replaced_under_load() -> None:
    total, clients, every = 500, 16, 15

    async def test() -> None:
        pods = [WebPod(f"{NETWORK}.{100 + number}", PORT) for number in range(1, 2 + total // every)]
        net = shop(pods[0].address)
        await pods[0].open()
        left, answers, reached = list(range(total)), list[int](), asyncio.Event()

        async def client(port: int) -> None:
            async with await Browser.open(port) as browser:
                while left:
                    method = "POST" if left.pop() % 2 else "GET"
                    answers.append((await browser.ask(f"{method} /", body=b"x" * 100)).status)
                    if len(answers) % every == 0:
                        reached.set()

        async def roll() -> None:
            for old, new in pairwise(pods):
                await reached.wait()
                reached.clear()
                await new.open()
                net.endpoints("web", old.address, new.address, port=PORT, leaving=old.address)
                await turns(50)  # the preStop pause
                await old.close()
                net.endpoints("web", new.address, port=PORT)

        async with serving(net) as ingress:
            rolling = asyncio.create_task(roll())
            await asyncio.gather(*[client(ingress.port) for _ in range(clients)])
            rolling.cancel()
            await asyncio.gather(rolling, return_exceptions=True)
        assert answers == [200] * total
        assert sum(pod.connections > 0 for pod in pods) >= 8
        for pod in pods:
            if pod.connections:
                await pod.close()

    run(test())


def test_a_killed_pod_costs_no_more_than_what_was_in_flight_in_it() -> None:
    async def test() -> None:
        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            arrived.release()
            await reader.read()

        arrived = asyncio.Semaphore(0)
        victim = Backend(A, PORT, slow)
        await victim.open()
        net = shop(A)
        async with WebPod(B, PORT), serving(net) as ingress:
            held = [asyncio.create_task(fetch(ingress.port, "POST /", body=b"x")) for _ in range(4)]
            for _ in held:
                await arrived.acquire()
            net.endpoints("web", A, B, port=PORT)
            victim.kill()
            replies = await asyncio.gather(*[fetch(ingress.port, "POST /", body=b"x") for _ in range(60)])
            assert {(reply.status, reply.text) for reply in replies} == {(200, B)}
            assert {(await task).status for task in held} == {502}

    run(test())
