"""What runs the containers of a twin on this machine: processes where an image can run here, simulation for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase

from seatrial.twin.clock import Clock
from seatrial.twin.home import Home, TwinError
from seatrial.twin.kubelet.machine import machine_figures
from seatrial.twin.kubelet.mixed import MixedRuntime
from seatrial.twin.kubelet.node import NodeSpec, this_machine
from seatrial.twin.kubelet.process.addresses import AddressError, claim_block
from seatrial.twin.kubelet.process.hosts import service_hosts
from seatrial.twin.kubelet.process.runtime import ProcessRuntime
from seatrial.twin.kubelet.runtime import Runtime
from seatrial.twin.kubelet.signals import Observations
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.world.objects import Obj

#: The size of a node where every container is simulated, and nothing of this machine limits it.
SIMULATED_CPU, SIMULATED_MEMORY = "4", "16Gi"


class Runtimes:
    """The runtime of every node of a twin, and the addresses it has.

    `state`: the file that keeps the twin's objects, beside which claims are kept; None: claims go with the twin.
    `block`: the number of the addresses to have if nobody else has them; `held`: what nobody else is to have while containers
    run, as file descriptors. Raises TwinError when too many twins run, and OSError when no process can be started.
    """

    def __init__(
        self,
        home: Home,
        clock: Clock,
        state: Path | None,
        *,
        simulate: bool,
        block: int | None = None,
        held: Sequence[int] = (),
    ) -> None:
        try:
            self._block, self._folder = claim_block(block), home.path
        except AddressError as error:
            raise TwinError(str(error)) from None
        simulated = SimulatedRuntime(clock, log_dir=home.path / "logs")
        self.process: ProcessRuntime | None = None
        self._runtime: Runtime = simulated
        if not simulate:
            claims = state.with_name(f"{state.name}.claims") if state else None
            self.process = ProcessRuntime(
                home.path / "runtime",
                store=home.images,
                block=self._block,
                claims=claims,
                belongings=[home.path],
                held=[*home.held, *held],
            )
            self._runtime = MixedRuntime(self.process, simulated)

    @property
    def service_cidr(self) -> str:
        return self._block.service_cidr

    @property
    def words(self) -> str:
        """How containers run, for people."""
        return self.process.capability().words if self.process else "simulated"

    @property
    def limited(self) -> bool:
        """Whether this machine denies containers something that they have elsewhere."""
        return self.process is not None and self.process.capability().limited

    def of(self, _node: NodeSpec) -> Runtime:
        return self._runtime

    def nodes(self, count: int, zones: tuple[str, ...]) -> list[NodeSpec]:
        """The nodes to make, spread over the zones in turn."""
        names = [f"node-{ascii_lowercase[number] if count <= len(ascii_lowercase) else number + 1}" for number in range(count)]
        places = [zones[number % len(zones)] if zones else "" for number in range(count)]
        return self.complete([NodeSpec(name, zone=zone) for name, zone in zip(names, places, strict=True)])

    def complete(self, specs: Sequence[NodeSpec]) -> list[NodeSpec]:
        """Nodes with what was not said of them: this machine's size and address, or the size of simulated ones."""
        if self.process:
            return [replace(spec, address=this_machine(spec.name).address) for spec in specs]
        return [replace(spec, cpu=spec.cpu or SIMULATED_CPU, memory=spec.memory or SIMULATED_MEMORY) for spec in specs]

    def machine(self) -> Observations:
        """How much memory, disk, inodes and process ids this machine has, and what is left."""
        return machine_figures(self._folder)

    def set_hosts(self, services: list[Obj], slices: list[Obj], namespace: str) -> None:
        """Let the pods of a namespace know the Services by their names."""
        if self.process:
            self.process.set_hosts(namespace, service_hosts(services, slices, namespace))

    def close(self) -> None:
        self._runtime.close()
        self._block.release()
