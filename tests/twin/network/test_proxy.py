"""The service proxy carries connections as kube-proxy would, over real sockets of the loopback interface."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from net import NETWORK, Backend, Net, ask, run

from seatrial.twin.clock import VirtualClock
from seatrial.twin.network.proxy import ServiceProxy
from seatrial.twin.network.relay import listening

SERVICE, PORT = f"{NETWORK}.201", 8080
NODE_PORT = 31000 + os.getpid() % 1000
A, B, C = f"{NETWORK}.1", f"{NETWORK}.2", f"{NETWORK}.3"


@asynccontextmanager
async def proxied(net: Net) -> AsyncIterator[ServiceProxy]:
    proxy = ServiceProxy(net.context)
    proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


async def turns(count: int = 3) -> None:
    """Let what has been scheduled happen."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_connections_are_spread_evenly() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, B, port=9000)
        async with Backend(A, 9000), Backend(B, 9000), proxied(net):
            answers = Counter([await ask(SERVICE, PORT) for _ in range(20)])
            assert answers == {A: 10, B: 10}

    run(test())


def test_a_busy_endpoint_gets_fewer_new_connections() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000)
        async with Backend(A, 9000), Backend(B, 9000), proxied(net):
            held = [await asyncio.open_connection(SERVICE, PORT) for _ in range(3)]
            for reader, writer in held:
                writer.write(b"\n")
                await reader.readline()
            net.endpoints("web", A, B, port=9000)
            assert {await ask(SERVICE, PORT) for _ in range(3)} == {B}
            for _, writer in held:
                writer.close()

    run(test())


def test_a_service_without_ready_endpoints_refuses_at_once_and_answers_as_soon_as_it_has_one() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000, not_ready=A)
        async with Backend(A, 9000), proxied(net):
            with pytest.raises(ConnectionRefusedError):
                await ask(SERVICE, PORT)
            net.endpoints("web", A, port=9000)
            await turns()
            assert await ask(SERVICE, PORT) == A
            net.endpoints("web", port=9000)
            await turns()
            with pytest.raises(ConnectionRefusedError):
                await ask(SERVICE, PORT)

    run(test())


def test_an_endpoint_that_refuses_is_passed_over() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, B, C, port=9000)
        async with Backend(C, 9000) as pod, proxied(net):
            answers = await asyncio.gather(*[ask(SERVICE, PORT) for _ in range(50)])
            assert set(answers) == {C}
            assert pod.connections == 50

    run(test())


def test_when_every_endpoint_refuses_the_client_is_reset_and_does_not_wait() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, B, port=9000)
        async with proxied(net):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await ask(SERVICE, PORT)

    run(test())


def test_an_endpoint_that_never_answers_is_given_up() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, B, port=9000)
        full = listening(A, 9000, backlog=0)  # its queue takes one connection and leaves the next without an answer
        filler = [socket.socket() for _ in range(3)]
        for sock in filler:
            sock.setblocking(False)
            sock.connect_ex((A, 9000))
        proxy = ServiceProxy(net.context, connect_timeout=0.05)
        proxy.start()
        try:
            async with Backend(B, 9000):
                assert {await ask(SERVICE, PORT) for _ in range(4)} == {B}
        finally:
            await proxy.stop()
            for sock in (full, *filler):
                sock.close()

    run(test())


def test_a_connection_in_flight_outlives_the_endpoint_and_new_ones_go_elsewhere() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000)
        async with Backend(A, 9000), Backend(B, 9000), proxied(net):
            reader, writer = await asyncio.open_connection(SERVICE, PORT)
            writer.write(b"one\n")
            assert (await reader.readline()).split() == [A.encode(), b"one"]
            net.endpoints("web", A, B, port=9000, leaving=A)
            await turns()
            assert {await ask(SERVICE, PORT) for _ in range(5)} == {B}
            net.store.delete("services", "default", "web")
            await turns()
            writer.write(b"two\n")
            assert (await reader.readline()).split() == [A.encode(), b"two"]
            writer.close()

    run(test())


def test_terminating_endpoints_that_still_serve_are_used_when_no_other_is_left() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, B, port=9000, leaving=A, not_ready=B)
        async with Backend(A, 9000), Backend(B, 9000), proxied(net):
            assert {await ask(SERVICE, PORT) for _ in range(4)} == {A}

    run(test())


def test_a_client_keeps_its_endpoint_where_the_service_asks_for_it() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT, sessionAffinity="ClientIP")
        net.endpoints("web", A, B, port=9000)
        async with Backend(A, 9000), Backend(B, 9000), proxied(net):
            first = {await ask(SERVICE, PORT, client="127.0.0.21") for _ in range(6)}
            second = {await ask(SERVICE, PORT, client="127.0.0.22") for _ in range(6)}
            assert len(first) == len(second) == 1
            assert first != second
            net.endpoints("web", *({A, B} - first), port=9000)
            await turns()
            assert {await ask(SERVICE, PORT, client="127.0.0.21") for _ in range(3)} == second

    run(test())


def test_affinity_ends_when_a_client_has_been_silent_for_its_timeout() -> None:
    async def test() -> None:
        clock = VirtualClock()
        net = Net(clock)
        net.service("web", SERVICE, PORT, sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
        net.endpoints("web", A, B, port=9000)
        async with Backend(A, 9000), Backend(B, 9000), proxied(net):
            first = await ask(SERVICE, PORT)
            clock.run_for(59)
            assert await ask(SERVICE, PORT) == first
            clock.run_for(61)
            assert await ask(SERVICE, PORT) != first

    run(test())


def test_either_side_may_end_its_half_and_still_read_the_other() -> None:
    heard: asyncio.Future[bytes]

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d bytes" % len(await reader.read()))

    async def hang_up_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"go on")
        writer.write_eof()
        heard.set_result(await reader.read())

    async def test() -> None:
        nonlocal heard
        heard = asyncio.get_running_loop().create_future()
        net = Net()
        net.service("web", SERVICE, 8080, 8081)
        net.endpoints("web", A, port=9000, name="p8080")
        net.endpoints("web", A, port=9001, name="p8081")
        async with Backend(A, 9000, count), Backend(A, 9001, hang_up_first), proxied(net):
            reader, writer = await asyncio.open_connection(SERVICE, 8080)
            writer.write(b"x" * 100_000)
            writer.write_eof()
            assert await reader.read() == b"100000 bytes"
            writer.close()
            reader, writer = await asyncio.open_connection(SERVICE, 8081)
            assert await reader.read() == b"go on"
            writer.write(b"said afterwards")
            writer.close()
            assert await heard == b"said afterwards"

    run(test())


def test_a_reset_is_passed_on_so_that_half_an_answer_does_not_look_whole() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half")
        await writer.drain()
        await reader.readline()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000)
        async with Backend(A, 9000, break_off), proxied(net):
            reader, writer = await asyncio.open_connection(SERVICE, PORT)
            assert await reader.readexactly(4) == b"half"
            writer.write(b"break off\n")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    run(test())


def test_a_client_that_breaks_off_is_broken_off_behind_the_proxy_too() -> None:
    ended: asyncio.Future[str]

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
            ended.set_result("quietly")
        except ConnectionResetError:
            ended.set_result("reset")

    async def test() -> None:
        nonlocal ended
        ended = asyncio.get_running_loop().create_future()
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000)
        async with Backend(A, 9000, listen), proxied(net) as proxy:
            _, writer = await asyncio.open_connection(SERVICE, PORT)
            writer.write(b"x")
            await turns(10)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
            assert await ended == "reset"
            await turns()
            assert proxy.connections == 0

    run(test())


def test_a_slow_reader_holds_back_the_writer_and_gets_every_byte() -> None:
    block, blocks = os.urandom(1 << 20), 48
    wrote = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal wrote
        for _ in range(blocks):
            writer.write(block)
            await writer.drain()
            wrote += 1
        poured.set()

    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000)
        async with Backend(A, 9000, pour), proxied(net):
            reader, writer = await asyncio.open_connection(SERVICE, PORT, limit=64 * 1024)
            before = -1
            while before != wrote or wrote == 0:  # until nothing moves any more
                before = wrote
                await turns(200)
            assert wrote < blocks // 2
            assert not poured.is_set()
            digest = hashlib.sha256()
            while data := await reader.read(1 << 20):
                digest.update(data)
            assert digest.digest() == hashlib.sha256(block * blocks).digest()
            writer.close()

    poured = asyncio.Event()
    run(test())


def test_a_large_body_arrives_whole_in_both_directions_at_once() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()

    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000)
        body = os.urandom(8 << 20)
        async with Backend(A, 9000, echo), proxied(net):
            reader, writer = await asyncio.open_connection(SERVICE, PORT)
            writer.write(body)
            writer.write_eof()
            assert await reader.read() == body
            writer.close()

    run(test())


def test_every_port_of_a_service_has_its_own_endpoints() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, 8080, 8081)
        net.endpoints("web", A, port=9000, name="p8080")
        net.endpoints("web", B, port=9001, name="p8081")
        async with Backend(A, 9000), Backend(B, 9001), proxied(net):
            assert [await ask(SERVICE, 8080), await ask(SERVICE, 8081)] == [A, B]

    run(test())


def test_a_changed_port_moves_the_listener_and_a_deleted_service_has_none() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, 8080)
        net.endpoints("web", A, port=9000)
        async with Backend(A, 9000), proxied(net) as proxy:
            net.service("web", SERVICE, 8090)
            await turns()
            assert proxy.listening == {(SERVICE, 8090)}
            assert await ask(SERVICE, 8090) == A
            net.store.delete("services", "default", "web")
            await turns()
            assert proxy.listening == set()

    run(test())


def test_headless_and_external_services_have_no_address_here() -> None:
    async def test() -> None:
        net = Net()
        net.service("db", "None", 5432)
        net.service("payments", "", 443, type="ExternalName", externalName="api.payments.example")
        for name in ("db", "payments"):
            net.endpoints(name, A, port=9000)
        async with proxied(net) as proxy:
            assert proxy.listening == set()

    run(test())


def test_a_node_port_is_reached_on_localhost() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT, type="NodePort", ports=[{"port": PORT, "nodePort": NODE_PORT}])
        net.endpoints("web", A, port=9000)
        async with Backend(A, 9000), proxied(net):
            assert await ask("127.0.0.1", NODE_PORT) == A

    run(test())


def test_a_port_for_root_alone_is_told_in_an_event_and_tried_again() -> None:
    async def test() -> None:
        clock = VirtualClock()
        net = Net(clock)
        net.service("web", SERVICE, 80)
        net.endpoints("web", A, port=9000)
        allowed = False

        def listen(address: str, port: int) -> socket.socket:
            if not allowed:
                raise PermissionError(errno.EACCES, "Permission denied")
            return listening(address, port)

        proxy = ServiceProxy(net.context, listen=listen)
        proxy.start()
        try:
            [(name, reason, message)] = net.events.said
            assert (name, reason) == ("web", "FailedToListen")
            assert f"{SERVICE}:80" in message
            assert "ip_unprivileged_port_start=80" in message
            clock.run_for(1)
            assert len(net.events.said) == 2
            allowed = True
            clock.run_for(2)
            async with Backend(A, 9000):
                assert await ask(SERVICE, 80) == A
        finally:
            await proxy.stop()

    run(test())


def test_a_port_that_somebody_holds_is_told_in_an_event() -> None:
    async def test() -> None:
        net = Net()
        taken = listening("0.0.0.0", 0)
        net.service("web", SERVICE, taken.getsockname()[1])
        net.endpoints("web", A, port=9000)
        try:
            async with proxied(net):
                [(_, _, message)] = net.events.said
                assert "Pods should bind $(POD_IP)" in message
        finally:
            taken.close()

    run(test())


def test_after_stop_nothing_listens_and_nothing_is_connected() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000)
        async with Backend(A, 9000):
            proxy = ServiceProxy(net.context)
            proxy.start()
            reader, writer = await asyncio.open_connection(SERVICE, PORT)
            writer.write(b"\n")
            await reader.readline()
            assert proxy.connections == 1
            await proxy.stop()
            assert proxy.connections == 0
            assert await reader.read() == b""
            writer.close()
            listening(SERVICE, PORT).close()
            net.endpoints("web", A, B, port=9000)
            await turns()
            assert proxy.listening == set()

    run(test())


async def slow_reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a line in two parts with other work between them, so that there is always something in flight."""
    line = await reader.readline()
    writer.write(b"served ")
    await turns(5)
    writer.write(line)
    await writer.drain()


def test_no_request_fails_while_pods_are_replaced_under_load() -> None:
    total, clients, every = 500, 16, 15

    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        pods = [Backend(f"{NETWORK}.{100 + number}", 9000, slow_reply) for number in range(1, 2 + total // every)]
        await pods[0].open()
        net.endpoints("web", pods[0].address, port=9000)
        left, done, reached = list(range(total)), 0, asyncio.Event()

        async def client() -> None:
            nonlocal done
            while left:
                number = left.pop()
                reader, writer = await asyncio.open_connection(SERVICE, PORT)
                writer.write(b"%d\n" % number)
                assert await reader.read() == b"served %d\n" % number
                writer.close()
                done += 1
                if done % every == 0:
                    reached.set()

        async def roll() -> None:
            for old, new in pairwise(pods):
                await reached.wait()
                reached.clear()
                await new.open()
                net.endpoints("web", old.address, new.address, port=9000, leaving=old.address)
                await turns(50)  # the preStop pause: what was connected to the pod before is accepted by it
                await old.close()
                net.endpoints("web", new.address, port=9000)

        async with proxied(net):
            rolling = asyncio.create_task(roll())
            await asyncio.gather(*[client() for _ in range(clients)])
            assert done == total
            rolling.cancel()
            await asyncio.gather(rolling, return_exceptions=True)
        assert sum(pod.connections for pod in pods) == total
        assert sum(pod.connections > 0 for pod in pods) >= 8
        for pod in pods:
            if pod.connections:
                await pod.close()

    run(test())


def test_a_killed_pod_costs_no_more_than_what_was_in_flight_in_it() -> None:
    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, B, port=9000)
        victim = Backend(A, 9000)
        await victim.open()
        async with Backend(B, 9000), proxied(net):
            held = [await asyncio.open_connection(SERVICE, PORT) for _ in range(8)]
            for reader, writer in held:
                writer.write(b"\n")
                await reader.readline()
            in_flight = victim.connections
            victim.kill()
            answers = await asyncio.gather(*[ask(SERVICE, PORT) for _ in range(100)])
            assert set(answers) == {B}
            lost = 0
            for reader, writer in held:
                writer.write(b"again\n")
                try:
                    lost += await reader.readline() == b""
                except ConnectionResetError:
                    lost += 1
                writer.close()
            assert lost == in_flight == 4

    run(test())


def test_connections_wait_while_there_are_no_file_descriptors_left() -> None:
    class Exhausted(socket.socket):
        refusals = 1

        def accept(self) -> tuple[socket.socket, Any]:
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    async def test() -> None:
        net = Net()
        net.service("web", SERVICE, PORT)
        net.endpoints("web", A, port=9000)
        proxy = ServiceProxy(net.context, listen=lambda *address: Exhausted(fileno=listening(*address).detach()))
        proxy.start()
        async with Backend(A, 9000):
            assert await ask(SERVICE, PORT) == A
        await proxy.stop()

    run(test())
