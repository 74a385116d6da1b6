"""exec and port-forward over WebSockets, frame by frame."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest
from in_process import PODS, TOKEN, Client, LogFiles, pod, settle

from seatrial.twin.api import spdy
from seatrial.twin.api.forwarding import TUNNEL
from seatrial.twin.kubelet.runtime import ExecResult
from seatrial.world.objects import Obj, clone

V5 = "v5.channel.k8s.io"


class Socket:
    """A client's end of a WebSocket to the API."""

    def __init__(self, client: Client, path: str, *protocols: str, token: str = TOKEN, **headers: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        path, _, query = path.partition("?")
        said = {"authorization": f"Bearer {token}", **headers}
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "headers": [(key.replace("_", "-").encode(), value.encode()) for key, value in said.items()],
            "subprotocols": list(protocols),
        }
        self.task = asyncio.ensure_future(client.api(scope, self._inbox.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def say(self, data: bytes) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self) -> None:
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})

    @property
    def accepted(self) -> str | None:
        return next((message["subprotocol"] for message in self.sent if message["type"] == "websocket.accept"), None)

    @property
    def messages(self) -> list[bytes]:
        return [message["bytes"] for message in self.sent if message["type"] == "websocket.send"]

    @property
    def refusal(self) -> Obj:
        assert self.sent[0]["type"] == "websocket.http.response.start"
        return dict(orjson.loads(self.sent[1]["body"]))

    @property
    def closed(self) -> bool:
        return self.sent[-1]["type"] == "websocket.close"


class Commands:
    """A kubelet of one command, which the test plays."""

    def exec_stream(
        self,
        pod: Obj,
        container: str,
        command: tuple[str, ...],
        output: Callable[[int, bytes], None],
        done: Callable[[ExecResult], None],
        *,
        tty: bool,
        stdin: bool,
    ) -> Commands:
        self.asked = pod["metadata"]["name"], container, command, tty, stdin
        self.output, self.done, self.heard = output, done, list[Any]()
        return self

    def write(self, data: bytes) -> None:
        self.heard.append(data)

    def close_stdin(self) -> None:
        self.heard.append("end")

    def resize(self, width: int, height: int) -> None:
        self.heard.append((width, height))

    def pause(self) -> None:
        self.heard.append("pause")

    def resume(self) -> None:
        self.heard.append("resume")

    def kill(self) -> None:
        self.heard.append("kill")


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def running(commands: Commands | None = None, logs: LogFiles | None = None) -> Client:
    client = Client(commands=commands, logs=logs)
    fresh = pod()
    fresh["metadata"]["namespace"] = "shop"
    client.registry.create("pods", fresh)
    client.registry.bind("shop", "web", "node-a")
    obj = clone(client.registry.get("pods", "shop", "web"))
    status = {"name": "c", "containerID": "process://1", "state": {"running": {}}}
    obj["status"] |= {"phase": "Running", "podIP": "127.0.0.1", "containerStatuses": [status]}
    client.registry.update_status("pods", obj)
    return client


# exec

EXEC = f"{PODS}/web/exec?command=sh&command=-c&command=ls+-l&stdin=true&stdout=true&stderr=true"


def test_a_command_speaks_on_channels_and_ends_with_a_status() -> None:
    async def story() -> None:
        commands = Commands()
        socket = Socket(running(commands), EXEC, V5)
        await settle()
        assert socket.accepted == V5
        assert commands.asked == ("web", "c", ("sh", "-c", "ls -l"), False, True)
        socket.say(b"\x00typed")
        socket.say(b'\x04{"Width":80,"Height":24}')
        socket.say(b"\xff\x00")
        commands.output(1, b"out")
        commands.output(2, b"err")
        commands.done(ExecResult(0, ""))
        await socket.task
        assert socket.messages == [b"\x01", b"\x01out", b"\x02err", b'\x03{"metadata":{},"status":"Success"}']
        assert commands.heard[:3] == [b"typed", (80, 24), "end"]
        assert socket.closed

    play(story())


def test_a_command_that_fails_tells_its_exit_code() -> None:
    async def story() -> None:
        commands = Commands()
        socket = Socket(running(commands), EXEC, V5)
        await settle()
        commands.done(ExecResult(3, ""))
        await socket.task
        status = orjson.loads(socket.messages[-1][1:])
        assert (status["reason"], status["details"]["causes"]) == ("NonZeroExitCode", [{"reason": "ExitCode", "message": "3"}])

    play(story())


def test_a_client_that_goes_takes_its_command_along() -> None:
    async def story() -> None:
        commands = Commands()
        socket = Socket(running(commands), EXEC, V5)
        await settle()
        socket.leave()
        await settle()
        assert commands.heard == ["kill"]
        commands.done(ExecResult(137, ""))
        await socket.task

    play(story())


def test_a_client_that_reads_slowly_holds_the_command_up() -> None:
    async def story() -> None:
        commands = Commands()
        socket = Socket(running(commands), EXEC, V5)
        await settle()
        for _ in range(20):
            commands.output(1, bytes(100_000))
        assert commands.heard == ["pause"]
        await settle()
        assert commands.heard == ["pause", "resume"]
        commands.done(ExecResult(0, ""))
        await socket.task

    play(story())


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (f"{PODS}/absent/exec?command=ls&stdout=true", 404, 'pods "absent" not found'),
        (f"{PODS}/web/exec?stdout=true", 400, "you must specify at least one command for the container"),
        (f"{PODS}/web/exec?command=ls", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        (f"{PODS}/web/exec?command=ls&stdout=true&container=x", 400, "container x is not valid for pod web"),
        (f"{PODS}/web/nothing", 404, "the server could not find the requested resource"),
    ],
)
def test_a_handshake_is_refused_with_a_status(path: str, code: int, message: str) -> None:
    async def story() -> None:
        socket = Socket(running(Commands()), path, V5)
        await socket.task
        assert (socket.refusal["code"], socket.refusal["message"]) == (code, message)

    play(story())


def test_a_token_that_nobody_gave_opens_no_stream() -> None:
    async def story() -> None:
        stranger = Socket(running(Commands()), EXEC, V5, token="wrong")
        await stranger.task
        assert stranger.refusal["code"] == 401

    play(story())


ROBOT = "system:serviceaccount:shop:robot"


def let_robot(client: Client, stream: str, *verbs: str) -> None:
    """The robot's role in the namespace, as session 07 binds it, with these verbs on a stream of pods."""
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "robots", "namespace": "shop"}}
    rules = [{"apiGroups": [""], "resources": [f"pods/{stream}"], "verbs": list(verbs)}]
    if client.registry.find("roles.rbac.authorization.k8s.io", "shop", "robots"):
        client.registry.update("roles.rbac.authorization.k8s.io", {**head, "kind": "Role", "rules": rules})
        return
    client.registry.create("roles.rbac.authorization.k8s.io", {**clone(head), "kind": "Role", "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "robots"}
    robot = {"kind": "ServiceAccount", "name": "robot", "namespace": "shop"}
    binding = {**clone(head), "kind": "RoleBinding", "roleRef": reference, "subjects": [robot]}
    client.registry.create("rolebindings.rbac.authorization.k8s.io", binding)


@pytest.mark.parametrize("stream", ["exec", "attach", "portforward"])
def test_a_stream_needs_the_rights_to_get_and_to_create_it(stream: str, tmp_path: Path) -> None:
    path, protocol = (FORWARD, TUNNEL) if stream == "portforward" else (EXEC.replace("exec", stream), V5)

    async def story() -> None:
        client = running(Commands(), LogFiles(tmp_path))
        for verbs, lacks in ((("list",), "get"), (("create",), "get"), (("get",), "create")):
            let_robot(client, stream, *verbs)
            socket = Socket(client, path, protocol, impersonate_user=ROBOT)
            await socket.task
            assert (socket.refusal["code"], socket.refusal["message"]) == (
                403,
                f'pods "web" is forbidden: User "{ROBOT}" cannot {lacks} resource "pods/{stream}"'
                ' in API group "" in the namespace "shop"',
            )
        let_robot(client, stream, "get", "create")
        socket = Socket(client, path, protocol, impersonate_user=ROBOT)
        await settle()
        assert socket.accepted == protocol
        socket.task.cancel()

    play(story())


def test_who_may_not_act_as_others_opens_no_stream_as_another() -> None:
    async def story() -> None:
        client = running(Commands())
        account = client.registry.token("shop", "default", {})["status"]["token"]
        robot = Socket(client, EXEC, V5, token=account, impersonate_user="admin")
        await robot.task
        assert 'User "system:serviceaccount:shop:default" cannot impersonate resource "users"' in robot.refusal["message"]

    play(story())


def test_who_may_edit_may_look_inside_and_who_may_view_may_not() -> None:
    client = Client(roles=True, commands=Commands())
    for role, allowed in (("view", False), ("edit", True), ("admin", True)):
        rules = client.registry.get("clusterroles.rbac.authorization.k8s.io", "", role)["rules"]
        for stream in ("exec", "attach", "portforward", "proxy"):
            verbs = {verb for rule in rules if f"pods/{stream}" in rule["resources"] for verb in rule["verbs"]}
            assert ({"get", "create"} <= verbs) is allowed, (role, stream)


def test_a_plain_request_is_told_to_upgrade() -> None:
    client = running(Commands())
    assert client("POST", EXEC).json["message"] == "Upgrade request required"
    assert client("POST", f"{PODS}/web/portforward").json["message"] == "Upgrade request required"
    assert client("POST", f"{PODS}/absent/exec?command=ls&stdout=true").status == 404


# attach

ATTACH = f"{PODS}/web/attach?stdout=true&stderr=true"


def test_attached_clients_hear_what_is_said_from_now_on(tmp_path: Path) -> None:
    async def story() -> None:
        files = LogFiles(tmp_path)
        files.write("c", 0, "2026-01-01T00:00:00.0Z stdout F before")
        client = running(logs=files)
        socket = Socket(client, ATTACH, V5)
        await settle()
        files.write("c", 0, "2026-01-01T00:00:01.0Z stdout F now", "2026-01-01T00:00:01.0Z stderr P half ")
        client.clock.run_for(0.2)
        await settle()
        assert socket.messages == [b"\x01", b"\x01now\n", b"\x02half "]
        obj = clone(client.registry.get("pods", "shop", "web"))
        obj["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
        client.registry.update_status("pods", obj)
        client.clock.run_for(0.2)
        await asyncio.wait_for(socket.task, 1)
        assert socket.messages[-1] == b'\x03{"metadata":{},"status":"Success"}'
        assert socket.closed

    play(story())


def test_an_attached_client_that_goes_is_let_go(tmp_path: Path) -> None:
    async def story() -> None:
        files = LogFiles(tmp_path)
        files.write("c", 0, "2026-01-01T00:00:00.0Z stdout F before")
        client = running(logs=files)
        socket = Socket(client, ATTACH, V5)
        await settle()
        socket.leave()
        await settle()
        client.clock.run_for(0.2)
        await asyncio.wait_for(socket.task, 1)

    play(story())


# port-forward

FORWARD = f"{PODS}/web/portforward"


class SpdyClient:
    """kubectl's end of a tunnel, as far as port-forward needs it."""

    def __init__(self, socket: Socket) -> None:
        self._socket, self._deflate = socket, zlib.compressobj(zdict=spdy.DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=spdy.DICTIONARY)

    def open(self, number: int, **headers: str) -> None:
        pairs = b"".join(struct.pack(">I", len(text)) + text.encode() for pair in headers.items() for text in pair)
        block = self._deflate.compress(struct.pack(">I", len(headers)) + pairs) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._control(1, struct.pack(">IIH", number, 0, 0) + block)

    def data(self, number: int, data: bytes, fin: bool = False) -> None:
        self._socket.say(struct.pack(">IB", number, fin) + len(data).to_bytes(3, "big") + data)

    def ping(self, number: int) -> None:
        self._control(6, struct.pack(">I", number))

    def _control(self, kind: int, payload: bytes) -> None:
        frame = struct.pack(">HHB", 0x8003, kind, 0) + len(payload).to_bytes(3, "big") + payload
        self._socket.say(frame[:5])  # in pieces, as a network would
        self._socket.say(frame[5:])

    @property
    def frames(self) -> list[tuple[int, bytes, bool]]:
        """What came: the kind of a control frame (negative) or the stream, the payload, and whether it was the last."""
        raw, found = b"".join(self._socket.messages), []
        while raw:
            first, kind, flags = struct.unpack(">HHB", raw[:5])
            length = int.from_bytes(raw[5:8], "big")
            number = -kind if first & 0x8000 else (first << 16) | kind
            found.append((number, raw[8 : 8 + length], bool(flags & 1)))
            raw = raw[8 + length :]
        return found

    def received(self, stream: int) -> bytes:
        return b"".join(payload for number, payload, _ in self.frames if number == stream)

    def ended(self, stream: int) -> bool:
        return any(fin for number, _, fin in self.frames if number == stream)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data.upper())
    writer.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


def test_the_dictionary_is_that_of_the_protocol() -> None:
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


def test_kubectl_forwards_connections_through_a_tunnel() -> None:
    async def story() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = str(server.sockets[0].getsockname()[1])
        socket = Socket(running(), FORWARD, TUNNEL)
        kubectl = SpdyClient(socket)
        for number, request in ((1, "0"), (5, "1")):
            kubectl.open(number, streamtype="error", port=port, requestid=request)
            kubectl.open(number + 2, streamtype="data", port=port, requestid=request)
        kubectl.data(3, b"one")
        kubectl.data(7, b"x" * 100_000)
        kubectl.ping(9)
        await until(lambda: kubectl.received(3) == b"ONE" and len(kubectl.received(7)) == 100_000)
        assert socket.accepted == TUNNEL
        assert (-6, struct.pack(">I", 9), False) in kubectl.frames
        kubectl.data(3, b"", fin=True)
        await until(lambda: kubectl.ended(3) and kubectl.ended(1))
        assert kubectl.received(1) == b""
        assert not kubectl.ended(7)
        socket.leave()
        await socket.task
        server.close()

    play(story())


def test_a_port_nobody_listens_on_is_told_on_the_error_stream() -> None:
    async def story() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = str(server.sockets[0].getsockname()[1])
        server.close()
        await server.wait_closed()
        kubectl = SpdyClient(Socket(running(), FORWARD, TUNNEL))
        kubectl.open(1, streamtype="error", port=port, requestid="0")
        kubectl.open(3, streamtype="data", port=port, requestid="0")
        await until(lambda: kubectl.ended(3))
        assert kubectl.received(1).startswith(f"error forwarding port {port} to pod web".encode())

    play(story())


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x80\x02\x00\x01\x00\x00\x00\x00", b"\x80\x03\x00\x01\x00\x00\x00\x0cxxxxxxxxxxxx"]
)
def test_what_is_not_spdy_ends_the_tunnel(noise: bytes) -> None:
    async def story() -> None:
        socket = Socket(running(), FORWARD, TUNNEL)
        socket.say(noise)
        socket.leave()
        await asyncio.wait_for(socket.task, 1)
        assert socket.closed

    play(story())


def test_other_clients_forward_over_channels() -> None:
    async def story() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        socket = Socket(running(), f"{FORWARD}?ports={port}", "v4.channel.k8s.io")
        socket.say(b"\x00hello")
        await until(lambda: b"\x00HELLO" in socket.messages)
        assert socket.messages[:2] == [b"\x00" + port.to_bytes(2, "little"), b"\x01" + port.to_bytes(2, "little")]
        socket.leave()
        await socket.task
        server.close()

    play(story())


def test_a_pod_that_does_not_run_has_no_ports() -> None:
    async def story() -> None:
        client = Client()
        await client.call("POST", PODS, pod())
        socket = Socket(client, FORWARD, TUNNEL)
        await socket.task
        assert socket.refusal["message"] == "unable to forward port because pod is not running. Current status=Pending"

    play(story())
