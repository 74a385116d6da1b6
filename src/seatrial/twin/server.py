"""A whole twin on this machine, in one process: controllers, scheduler, kubelets, API server, Service addresses, ingress.

This is where the pieces are put together for real time; `cluster.Cluster` is the part that virtual time uses as well.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from seatrial import __version__
from seatrial.twin.home import Home, Running, kubeconfig
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.memory import collect_seldom

log = logging.getLogger(__name__)

#: Where the ingress answers when nobody else has the port; the next free one otherwise.
INGRESS_PORT = 8080


@dataclass(frozen=True, slots=True)
class TwinOptions:
    """`port` 0: any free one. `state`: the file that keeps the objects; claims are kept in a folder beside it.

    `nodes`: how many, or what they are. `operators`: the names of those to switch on. `machine_pressure`: evict pods when this
    machine runs low on memory or disk; it has other work as well, and its owner's pods should not go for that unasked.
    """

    port: int = 0
    state: Path | None = None
    nodes: int | tuple[NodeSpec, ...] = 1
    zones: tuple[str, ...] = ()
    simulate: bool = False
    machine_pressure: bool = False
    operators: tuple[str, ...] = ()
    ready_fd: int | None = None
    lifeline_fd: int | None = None
    owner: str = ""


def serve(home: Home, options: TwinOptions, ready: Callable[[Running], None] | None = None) -> None:
    """Run a twin until it is told to stop (SIGTERM, Ctrl-C, a closed lifeline). Raises TwinError when it cannot start."""
    import uvloop

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    home.acquire()
    home.drop_older_log(sys.__stderr__)
    try:
        uvloop.run(_run(home, options, ready))
    finally:
        home.release()


async def _run(home: Home, options: TwinOptions, ready: Callable[[Running], None] | None) -> None:
    """Start the pieces, tell who waits for it, stay until the end is asked for, and stop the pieces in reverse."""
    loop = asyncio.get_running_loop()
    begin, ended = time.monotonic(), loop.create_future()

    def stop(why: str) -> None:
        if not ended.done():
            ended.set_result(why)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, signal.Signals(number).name)
    if options.lifeline_fd is not None:  # nothing is ever written: readable means closed
        loop.add_reader(options.lifeline_fd, stop, "who started it has ended")
    async with _pieces(home, options) as running:
        home.announce(running)
        log.info("ready after %.2f s: %s", time.monotonic() - begin, running.server)
        if options.ready_fd is not None:
            with os.fdopen(options.ready_fd, "w") as pipe:
                pipe.write(json.dumps(asdict(running)))
        if ready is not None:
            ready(running)
        collect_seldom()
        log.info("stopping: %s", await ended)


@asynccontextmanager
async def _pieces(home: Home, options: TwinOptions) -> AsyncIterator[Running]:
    """Everything that makes a twin, running; all of it is stopped when the block ends, the last first."""
    from seatrial.twin.api import certificates
    from seatrial.twin.api.app import Api
    from seatrial.twin.api.authentication import admin
    from seatrial.twin.api.serving import listen
    from seatrial.twin.api.serving import serve as serve_api
    from seatrial.twin.clock import RealClock
    from seatrial.twin.cluster import Cluster
    from seatrial.twin.kubelet.process.addresses import block_of
    from seatrial.twin.network.ingress import IngressProxy
    from seatrial.twin.network.names import Names
    from seatrial.twin.network.proxy import ServiceProxy
    from seatrial.twin.registry.services import first_address
    from seatrial.twin.registry.tokens import Signer
    from seatrial.twin.runtimes import Runtimes
    from seatrial.twin.statefile import StateFile
    from seatrial.twin.store import Store

    async with AsyncExitStack() as stack:
        listener = listen(port=options.port)
        stack.callback(listener.close)
        clock = RealClock()
        state = StateFile(options.state, home.name) if options.state else None
        if state:
            stack.callback(state.release)
        store = state.open() if state else Store()
        stack.callback(store.close)
        before = store.get("services", "default", "kubernetes")
        runtimes = Runtimes(
            home,
            clock,
            options.state,
            simulate=options.simulate,
            block=block_of(before["spec"]["clusterIP"]) if before else None,
            held=state.held if state else (),
        )
        stack.callback(runtimes.close)
        issuer = certificates.authority(f"seatrial-{home.name}")
        addresses = (*certificates.ADDRESSES, str(first_address(runtimes.service_cidr)))
        files = certificates.write(home.path, issuer, certificates.server(issuer, addresses=addresses))
        nodes = options.nodes
        cluster = Cluster(
            clock,
            runtimes.of,
            runtimes.nodes(nodes, options.zones) if isinstance(nodes, int) else runtimes.complete(nodes),
            machine=runtimes.machine if options.machine_pressure else None,
            store=store,
            signer=Signer(store.secret("service-accounts")),
            root_ca=issuer.certificate.decode(),
            api_port=listener.getsockname()[1],
            service_cidr=runtimes.service_cidr,
            operators=options.operators,
        )
        cluster.start()
        stack.callback(cluster.stop)
        token = secrets.token_urlsafe(32)
        api = Api(cluster.registry, {token: admin()}, logs=cluster, commands=cluster, usage=cluster.usage)
        served = await serve_api(api, listener=listener, certfile=files.certificate, keyfile=files.key, authority=files.authority)
        stack.push_async_callback(served.stop)
        proxy = ServiceProxy(cluster.context)
        proxy.start()
        stack.push_async_callback(proxy.stop)
        ingress = IngressProxy(cluster.context, port=INGRESS_PORT)
        await ingress.start()
        stack.push_async_callback(ingress.stop)
        names = Names(cluster.context, runtimes.set_hosts)
        names.start()
        stack.callback(names.stop)
        authority = base64.b64encode(issuer.certificate).decode()
        home.write("kubeconfig", kubeconfig(home.name, served.url, authority, token))
        yield Running(
            name=home.name,
            pid=os.getpid(),
            started=psutil.Process().create_time(),
            server=served.url,
            kubeconfig=str(home.kubeconfig),
            ingress=f"http://localhost:{ingress.port}",
            runtime=runtimes.words,
            limited=runtimes.limited,
            state=str(options.state or ""),
            version=__version__,
            owner=options.owner,
        )
