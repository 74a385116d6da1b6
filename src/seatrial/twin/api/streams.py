"""Requests that become WebSockets: exec and port-forward, for those who may."""

from __future__ import annotations

import logging

from seatrial.twin import errors
from seatrial.twin.api import executing, forwarding
from seatrial.twin.api.authentication import Authenticator
from seatrial.twin.api.authorization import Action, Authorizer, refusal
from seatrial.twin.api.http import Receive, Scope, Send
from seatrial.twin.api.paths import Target, target_of
from seatrial.twin.api.websockets import WebSocket
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry

log = logging.getLogger(__name__)

_PROTOCOLS = {"exec": executing.PROTOCOLS, "portforward": forwarding.PROTOCOLS}


class Streams:
    """`commands` None: there is nobody to run commands in containers."""

    def __init__(
        self, registry: Registry, authenticator: Authenticator, authorizer: Authorizer, commands: executing.Commands | None
    ) -> None:
        self._registry, self._commands = registry, commands
        self._authenticator, self._authorizer = authenticator, authorizer

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the handshake
        socket = WebSocket(scope, receive, send)
        try:
            target = self._target(scope)
            if target.subresource == "exec":
                await self._exec(socket, target)
            else:
                await self._forward(socket, target)
        except ApiError as error:
            await socket.refuse(error)
        except Exception as error:
            log.exception("%s failed", scope["path"])
            if not socket.subprotocol:
                await socket.refuse(errors.internal(type(error).__name__))

    def _target(self, scope: Scope) -> Target:
        """The subresource a path names. Raises ApiError for one that is no stream, or that the user may not have."""
        user = self._authenticator.user(dict(scope["headers"]))
        target = target_of(scope["path"])
        if target is None or target.plural != "pods" or target.subresource not in _PROTOCOLS:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        action = Action("create", "", f"pods/{target.subresource}", target.namespace, target.name)
        if not self._authorizer.allows(user, action):
            raise errors.forbidden("", "pods", target.name, refusal(user, action))
        return target

    async def _exec(self, socket: WebSocket, target: Target) -> None:
        pod = self._registry.get("pods", target.namespace, target.name)
        command = executing.command_of(socket.scope["query_string"], pod)
        if self._commands is None:
            raise errors.internal("there is no kubelet to run a command")
        await self._accept(socket, target.subresource)
        await executing.Exec(socket, command).run(self._commands, pod)

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
