"""A pod's own address without a network of its own: what programs bind and connect, as the pod sees it and as others do."""

import asyncio
import socket

import pytest

from seatrial.twin.kubelet.process.shim.sockets import Address
from seatrial.twin.network import low_ports
from seatrial.twin.network.relay import connect

SERVER = """
import socket, sys
for host, port in (("0.0.0.0", 8080), ("127.0.0.1", 9000)):
    listener = socket.create_server((host, port))
    print("listens", *listener.getsockname(), flush=True)
    globals()[f"keep{port}"] = listener
dual = socket.create_server(("::", 8081), family=socket.AF_INET6, dualstack_ipv6=True)
six = socket.create_server(("::", 8082), family=socket.AF_INET6)
print("up", flush=True)
while True:
    there, who = keep8080.accept()
    print("from", who[0], flush=True)
    there.close()
"""

CLIENT = """
import socket, sys
for host, port in (("127.0.0.1", 8080), ("localhost", 9000), ("::1", 8081)):
    with socket.create_connection((host, port)) as there:
        print(*there.getpeername()[:2])
"""


def test_two_pods_listen_on_every_address_side_by_side(run):
    async def test(box):
        pods = [box.pod(f"web-{n}") for n in range(2)]
        servers = [pod.start("python3", "-c", SERVER) for pod in pods]
        for pod, server in zip(pods, servers, strict=True):
            await server.says("up")
            assert f"listens {pod.address} 8080" in server.output()
            _, writer = await asyncio.open_connection(pod.address, 8080)
            writer.close()
            await server.says("from 127.0.0.1")

    run(test)


def test_localhost_is_the_pod_and_nobody_elses(run):
    async def test(box):
        pod, other = box.pod("web-0"), box.pod("web-1")
        server = pod.start("python3", "-c", SERVER)
        await server.says("up")
        result = await server.exec("python3", "-c", CLIENT)
        own = pod.address.replace("127.97.", "127.98.", 1)
        assert result.output.split("\n")[:3] == [f"{pod.address} 8080", f"{own} 9000", f"::ffff:{pod.address} 8081"]
        stranger = await other.start("python3", "-c", CLIENT).ended()
        assert stranger.code == 1
        with pytest.raises(ConnectionRefusedError), socket.create_connection((pod.address, 9000)):
            pass

    run(test)


def test_who_connects_to_a_pod_is_known_by_its_address(run):
    async def test(box):
        server_pod, client_pod = box.pod("api-0"), box.pod("web-0")
        server = server_pod.start("python3", "-c", SERVER)
        await server.says("up")
        code = f"import socket; socket.create_connection(('{server_pod.address}', 8080))"
        assert (await client_pod.start("python3", "-c", code).ended()).code == 0
        await server.says(f"from {client_pod.address}")

    run(test)


def test_an_address_that_is_taken_is_refused_as_by_the_kernel(run):
    async def test(box):
        pod = box.pod()
        await pod.start("python3", "-c", SERVER, name="first").says("up")
        _, output = await pod.run("python3 -c 'import socket; socket.create_server((\"\", 8080))'", name="second")
        assert "Address already in use" in output

    run(test)


def test_names_are_found_in_the_hosts_of_the_pod_and_follow_their_changes(run):
    async def test(box):
        pod = box.pod("web-0", "shop")
        container = pod.start("sh", "-c", "echo up; " + box.idle)
        await container.says("up")
        for address in ("127.96.0.10", "127.96.0.211"):
            box.runtime.set_hosts("shop", f"{address}\tapi api.shop\n")
            code = "import socket; print(socket.gethostbyname('api'), socket.gethostbyname('web-0'))"
            assert (await container.exec("python3", "-c", code)).output == f"{address} {pod.address}\n"
        box.runtime.set_hosts("shop", "")
        assert (await container.exec("python3", "-c", "import socket; socket.gethostbyname('api')")).code == 1

    run(test)


@pytest.mark.parametrize(
    ("host", "family", "meaning"),
    [
        ("0.0.0.0", socket.AF_INET, "0.0.0.0"),
        ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
        ("::", socket.AF_INET6, "0.0.0.0"),
        ("::1", socket.AF_INET6, "127.0.0.1"),
        ("::ffff:10.1.2.3", socket.AF_INET6, "10.1.2.3"),
    ],
)
def test_an_address_means_what_it_does_to_a_pod_of_ipv4(host, family, meaning):
    packed = socket.inet_pton(family, host)
    head = family.to_bytes(2, "little") + (8080).to_bytes(2, "big")
    raw = head + packed + bytes(8) if family == socket.AF_INET else head + bytes(4) + packed + bytes(4)
    address = Address.parse(raw)
    assert (str(address.ip), address.port) == (meaning, 8080)
    assert Address.parse(address.packed(address.ip, address.port)).ip == address.ip


def test_other_addresses_are_left_alone():
    assert Address.parse(b"\x01\x00/var/run/some.sock") is None
    assert (
        Address.parse((10).to_bytes(2, "little") + bytes(6) + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + bytes(4)) is None
    )


def test_port_80_is_served_also_for_those_to_whom_the_kernel_forbids_it(run):
    async def test(box):
        web, other = box.pod("web-0"), box.pod("other-0")
        server = web.start("python3", "-u", "-m", "http.server", "80")
        await server.says("Serving")
        done = asyncio.get_running_loop().create_future()
        box.runtime.http_probe(server.id, web.address, 80, "/", "http", {}, 5, done.set_result)
        assert (await done).ok
        (await connect(web.address, 80, 5)).close()
        code = "import sys, urllib.request; urllib.request.urlopen(f'http://{sys.argv[1]}/')"
        assert (await server.exec("python3", "-c", code, "localhost")).code == 0
        assert (await other.start("python3", "-c", code, web.address).ended()).code == 0

    run(test)


def test_a_port_of_a_service_that_was_moved_is_found_by_containers(run):
    async def test(box):
        listener = await asyncio.start_server(lambda reader, writer: writer.close(), "127.96.255.9", 0)
        low_ports.note("127.96.255.9", 81, listener.sockets[0].getsockname()[1])
        code = "import socket; socket.create_connection(('127.96.255.9', 81))"
        assert (await box.pod().start("python3", "-c", code).ended()).code == 0
        low_ports.forget("127.96.255.9")
        listener.close()

    run(test)
