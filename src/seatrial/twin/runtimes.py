"""What runs the containers of a twin on this machine: processes where an image can run here, simulation for the rest."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase

from seatrial.twin.clock import Clock
from seatrial.twin.home import Home
from seatrial.twin.kubelet.mixed import MixedRuntime
from seatrial.twin.kubelet.node import NodeSpec, this_machine
from seatrial.twin.kubelet.process.addresses import claim_block
from seatrial.twin.kubelet.process.hosts import service_hosts
from seatrial.twin.kubelet.process.runtime import ProcessRuntime
from seatrial.twin.kubelet.runtime import Runtime
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.world.objects import Obj

#: The size of a node where every container is simulated, and nothing of this machine limits it.
SIMULATED_CPU, SIMULATED_MEMORY = "4", "16Gi"


class Runtimes:
    """The runtime of every node of a twin, and the addresses it has.

    `state`: the file that keeps the twin's objects, beside which claims are kept; None: claims go with the twin.
    Raises AddressError when too many twins run, and OSError when no process can be started.
    """

    def __init__(self, home: Home, clock: Clock, state: Path | None, *, simulate: bool) -> None:
        self._block = claim_block()
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
                held=home.held,
            )
            self._runtime = MixedRuntime(self.process, simulated)

    @property
    def service_cidr(self) -> str:
        return self._block.service_cidr

    @property
    def words(self) -> str:
        """How containers run, for people."""
        return self.process.capability().words if self.process else "simulated"

    def of(self, _node: NodeSpec) -> Runtime:
        return self._runtime

    def nodes(self, count: int, zones: tuple[str, ...]) -> list[NodeSpec]:
        """The nodes to make: this machine as it is, or simulated ones, spread over the zones in turn."""
        specs = []
        for number in range(count):
            name = f"node-{ascii_lowercase[number] if count <= len(ascii_lowercase) else number + 1}"
            zone = zones[number % len(zones)] if zones else ""
            if self.process:
                specs.append(NodeSpec(name, zone=zone, address=this_machine(name).address))
            else:
                specs.append(NodeSpec(name, cpu=SIMULATED_CPU, memory=SIMULATED_MEMORY, zone=zone))
        return specs

    def set_hosts(self, services: list[Obj], slices: list[Obj], namespace: str) -> None:
        """Let the pods of a namespace know the Services by their names."""
        if self.process:
            self.process.set_hosts(namespace, service_hosts(services, slices, namespace))

    def close(self) -> None:
        self._runtime.close()
        self._block.release()
