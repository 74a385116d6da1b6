"""Virtual time: how long a rolling update of many pods takes on this machine, and how much faster than it would be on a cluster.

A Deployment with probes, zones to spread over and a Service behind it is updated with 25 % of surge; scheduler, controllers,
kubelets and their leases do all that they do in real time, and managedFields are left out, as a rehearsal leaves them out.
The bare clock is the peer: the same number of callbacks that do nothing is what the engine could reach if Kubernetes cost
nothing.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import psutil

from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.twin.memory import collect_seldom
from seatrial.world.objects import Obj, clone

#: (nodes, pods, most seconds of real time)
SIZES = ((200, 1_000, 5.0), (1_000, 10_000, 90.0))
ZONES = ("a", "b", "c")


class CountingClock(VirtualClock):
    """Counts what it is asked to do."""

    callbacks = 0

    def call_later(self, delay: float, callback: Any, *args: Any) -> Any:
        self.callbacks += 1
        return super().call_later(delay, callback, *args)


def deployment(replicas: int) -> Obj:
    container = {
        "name": "app",
        "image": "shop:1",
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}, "periodSeconds": 10},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "shop"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [container], "topologySpreadConstraints": [spread]},
            },
        },
    }


SERVICE: Obj = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shop", "namespace": "default"},
    "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


def cluster_of(nodes: int) -> tuple[Cluster, CountingClock]:
    clock = CountingClock()
    runtime = SimulatedRuntime(clock, lambda image, spec: Profile(ready_after=2.0))
    specs = [NodeSpec(f"node-{n}", cpu="8", memory="32Gi", zone=ZONES[n % len(ZONES)]) for n in range(nodes)]
    return Cluster(clock, runtime, specs, seed=1, track_fields=False), clock


def is_rolled_out(cluster: Cluster, replicas: int) -> bool:
    found = cluster.registry.get("deployments.apps", "default", "shop")
    status, generation = found.get("status") or {}, found["metadata"]["generation"]
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration") == generation and counts == [replicas] * 3


def wait(cluster: Cluster, clock: VirtualClock, replicas: int) -> None:
    """Until the rollout is complete, looked at once a second of virtual time."""
    for _ in range(7200):
        clock.run_for(1.0)
        if is_rolled_out(cluster, replicas):
            return
    raise SystemExit("the rollout did not end")


def roll(nodes: int, pods: int) -> tuple[float, float, int, int]:
    """(real seconds, virtual seconds, callbacks, writes) of a rolling update."""
    cluster, clock = cluster_of(nodes)
    cluster.start()
    clock.run_for(5.0)
    cluster.registry.create("services", clone(SERVICE))
    cluster.registry.create("deployments.apps", deployment(pods))
    wait(cluster, clock, pods)
    clock.run_for(30.0)
    new = clone(cluster.registry.get("deployments.apps", "default", "shop"))
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:2"
    callbacks, writes, virtual, begin = clock.callbacks, cluster.store.version, clock.now(), time.perf_counter()
    cluster.registry.update("deployments.apps", new)
    wait(cluster, clock, pods)
    took = time.perf_counter() - begin
    return took, clock.now() - virtual, clock.callbacks - callbacks, cluster.store.version - writes


def bare(callbacks: int) -> float:
    """Seconds in which the clock alone makes that many calls."""
    clock, left = VirtualClock(), [callbacks]

    def tick() -> None:
        left[0] -= 1
        if left[0] > 0:
            clock.call_later(0.01, tick)

    for _ in range(100):
        tick()
    begin = time.perf_counter()
    clock.run_for(callbacks)
    return time.perf_counter() - begin


def main() -> int:
    logging.disable(logging.CRITICAL)
    collect_seldom()
    sizes = SIZES[: int(sys.argv[1])] if len(sys.argv) > 1 else SIZES
    print(f"{'':<24}{'real':>9}{'at most':>9}{'virtual':>9}{'ratio':>7}{'events/s':>10}{'writes/s':>10}{'bare clock/s':>14}")
    late = 0
    for nodes, pods, most in sizes:
        real, virtual, callbacks, writes = roll(nodes, pods)
        late += real > most
        print(
            f"{f'{pods} pods, {nodes} nodes':<24}{real:>7.2f} s{most:>7.0f} s{virtual:>7.0f} s{virtual / real:>7.1f}"
            f"{callbacks / real:>10.0f}{writes / real:>10.0f}{callbacks / bare(callbacks):>14.0f}",
            flush=True,
        )
    print(f"resident at the end: {psutil.Process().memory_info().rss / 2**20:.0f} MiB")
    return min(late, 1)


if __name__ == "__main__":
    sys.exit(main())
