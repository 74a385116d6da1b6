"""Requests that become WebSockets: exec, attach and port-forward, for those who may."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from seatrial.twin import errors
from seatrial.twin.api import attaching, containers, executing, forwarding
from seatrial.twin.api.authorization import Action, Authorizer
from seatrial.twin.api.http import Receive, Scope, Send, User
from seatrial.twin.api.logs import Logs
from seatrial.twin.api.paths import Target, target_of
from seatrial.twin.api.websockets import WebSocket
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry

log = logging.getLogger(__name__)

_PROTOCOLS = {"attach": executing.PROTOCOLS, "exec": executing.PROTOCOLS, "portforward": forwarding.PROTOCOLS}


class Streams:
    """`user`: who asks; `commands` None: there is nobody to run commands in containers."""

    def __init__(
        self,
        registry: Registry,
        user: Callable[[Scope, Mapping[bytes, bytes]], User],
        authorizer: Authorizer,
        logs: Logs | None,
        commands: executing.Commands | None,
    ) -> None:
        self._registry, self._logs, self._commands = registry, logs, commands
        self._user, self._authorizer = user, authorizer
        self._kinds = {"attach": self._attach, "exec": self._exec, "portforward": self._forward}

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the handshake
        socket = WebSocket(scope, receive, send)
        try:
            target = self._target(scope)
            await self._kinds[target.subresource](socket, target)
        except ApiError as error:
            await socket.refuse(error)
        except Exception as error:
            log.exception("%s failed", scope["path"])
            if not socket.subprotocol:
                await socket.refuse(errors.internal(type(error).__name__))

    def _target(self, scope: Scope) -> Target:
        """The subresource a path names. Raises ApiError for one that is no stream, or that the user may not have.

        The handshake of a WebSocket is a GET; what it opens needs the right to create as well (AuthorizePodWebsocketUpgrade).
        """
        user = self._user(scope, dict(scope["headers"]))
        target = target_of(scope["path"])
        if target is None or target.plural != "pods" or target.subresource not in _PROTOCOLS:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        for verb in ("get", "create"):
            self._authorizer.require(user, Action(verb, "", f"pods/{target.subresource}", target.namespace, target.name))
        return target

    async def _exec(self, socket: WebSocket, target: Target) -> None:
        pod = self._registry.get("pods", target.namespace, target.name)
        command = executing.command_of(socket.scope["query_string"], pod)
        if self._commands is None:
            raise errors.internal("there is no kubelet to run a command")
        await self._accept(socket, target.subresource)
        await executing.Exec(socket, command).run(self._commands, pod)

    async def _attach(self, socket: WebSocket, target: Target) -> None:
        pod = self._registry.get("pods", target.namespace, target.name)
        container = containers.running(pod, dict(parse_qsl(socket.scope["query_string"].decode("latin-1"))).get("container", ""))
        attach = attaching.Attach(socket, self._registry, pod, container, self._logs)
        await self._accept(socket, target.subresource)
        await attach.run()

    async def _forward(self, socket: WebSocket, target: Target) -> None:
        pod = self._registry.get("pods", target.namespace, target.name)
        address = forwarding.address_of(pod)
        channels = socket.offers(forwarding.PROTOCOLS) == forwarding.CHANNELS
        ports = forwarding.ports_of(socket.scope["query_string"]) if channels else []
        await self._accept(socket, target.subresource)
        await forwarding.Forwarding(socket, pod, address).run(ports)

    async def _accept(self, socket: WebSocket, subresource: str) -> None:
        protocol = socket.offers(_PROTOCOLS[subresource])
        if not protocol:
            known = ", ".join(_PROTOCOLS[subresource])
            raise errors.bad_request(f"unable to upgrade: none of the client's protocols is one of {known}")
        await socket.accept(protocol)
