"""The API application behind a socket: uvicorn inside the loop that is running, over TLS, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from seatrial.twin.api.app import Api
from seatrial.twin.api.peers import HttpProtocol
from seatrial.twin.api.websockets import disguised

#: Seconds that open requests have to end when the server stops.
_GRACE = 2
#: Seconds that clients have to answer the end of TLS; idle ones often never do.
_FAREWELL = 0.3
#: Seconds an idle connection is kept: longer than clients keep theirs, so that they close first.
_KEEP_ALIVE = 120


class _WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, for clients that name protocols as kubectl does."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data if self.handshake_initiated else disguised(data))


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Served:
    """A server that runs; `port` is the one it got."""

    def __init__(self, api: Api, server: _Server, task: asyncio.Task[Any], host: str, port: int) -> None:
        self._api, self._server, self._task = api, server, task
        self.host, self.port = host, port

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    async def stop(self) -> None:
        """End the watches, let requests in flight finish, close the port."""
        state = self._server.server_state
        self._server.should_exit = True
        self._api.close()
        await _until(lambda: not state.tasks, _GRACE)
        await _until(lambda: not state.connections, _FAREWELL)
        for connection in list(state.connections):
            connection.transport.abort()
        await self._task


async def _until(done: Callable[[], bool], seconds: float) -> None:
    """Wait for something to come true, so long at the most."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not done() and loop.time() < end:
        await asyncio.sleep(0.01)


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket bound to the address, whose port can be told before anything is served. Raises OSError for a taken port."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


async def serve(
    api: Api,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    listener: socket.socket | None = None,
    certfile: Path | None = None,
    keyfile: Path | None = None,
    authority: Path | None = None,
) -> Served:
    """Serve `api`, without a certificate in plain text; returns once it accepts connections. Raises OSError for a taken port.

    `authority`: the certificate of whoever may sign the certificates of clients; None: nobody is asked for one.
    """
    listener = listener or listen(host, port)
    server = _Server(_config(api, certfile, keyfile, authority))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if task.done():
            task.result()
            raise OSError("the API server did not start")
        await asyncio.sleep(0.005)
    return Served(api, server, task, host, listener.getsockname()[1])


def _config(api: Api, certfile: Path | None, keyfile: Path | None, authority: Path | None) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        api,
        http=HttpProtocol,
        ws=_WebSocketProtocol,
        ws_per_message_deflate=False,
        loop="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=1024,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
        ssl_certfile=str(certfile) if certfile else None,
        ssl_keyfile=str(keyfile) if keyfile else None,
        ssl_cert_reqs=ssl.CERT_OPTIONAL if authority else ssl.CERT_NONE,
        ssl_ca_certs=str(authority) if authority else None,
    )
