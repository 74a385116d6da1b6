"""The namespace: its pod security, its quota and its limit range, sized so that everything in it fits at its largest.

The quota counts each service twice at its most replicas: while a new version comes, all the pods of the old one may be there
as well, and one that is ending holds its place until it is gone.  A Rollout whose requests are routed counts three times: the
version that was tried or replaced before stays for half a minute.  A quota with less room stalls the rollout, and a Deployment
that was refused waits longer with each try.  In the mesh every pod holds Istio's proxy as well, as large as Istio makes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.app.model import Limits, Profile
from seatrial.render import cloudnative, collector, delivery, gateway, mesh
from seatrial.render.runtimes import memory_limit
from seatrial.render.scope import Scope
from seatrial.render.workload import replicas
from seatrial.world import quantity
from seatrial.world.objects import Obj

#: What pods must be like here: the strictest of the pod security standards, which everything rendered keeps.
POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def namespace(scope: Scope) -> Obj:
    labels = scope.common() | {"seatrial.dev/environment": scope.app.environment} | POD_SECURITY
    if scope.app.platform.mesh == "istio":  # its CNI plugin is wanted there: an init container may not touch the network here
        labels["istio-injection"] = "enabled"
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": scope.app.namespace, "labels": labels}}


#: What Istio asks for its proxy unless it is told otherwise (global.proxy.resources of its chart).
PROXY = Profile(cpu="100m", memory="128Mi", limits=Limits(cpu="2", memory="1Gi"))


def pods(scope: Scope) -> Iterator[tuple[int, Profile]]:
    """How many pods of which size there can be at once that may hold a proxy of the mesh."""
    small = scope.app.sizes["small"]
    for name, service in scope.app.services.items():
        profile = scope.app.profile(name)
        yield (3 if delivery.routers(scope, name) else 2) * replicas(service, scope)[1], profile
        jobs = len(service.jobs or {}) + (1 if service.migrate else 0)
        if jobs:
            yield 2 * jobs, _larger(profile, small)  # one that runs and one that ends; a migration waits in a small container
    for name, store in scope.app.stores.items():
        if not store.host and not cloudnative.is_operated(scope, name):
            yield 1, scope.app.profile(name)
    yield from collector.pods(scope)


def outside_mesh(scope: Scope) -> Iterator[tuple[int, Profile]]:
    """The pods that never hold a proxy, or are one: the instances of CloudNativePG, and the Gateway that is made of ours."""
    for name, store in scope.app.stores.items():
        if not store.host and cloudnative.is_operated(scope, name):  # one more: the Job that makes or joins an instance
            yield cloudnative.instances(store) + 1, scope.app.profile(name)
    if gateway.solved_here(scope):  # one for each host that is certified, no larger than a small container
        yield len(gateway.hosts(scope)), scope.app.sizes["small"]
    if gateway.gateway(scope):
        yield 2, _larger(PROXY, scope.app.sizes["small"])  # one, and one that takes its place


def _larger(one: Profile, other: Profile) -> Profile:
    """What holds either of two."""
    limit = max(memory_limit(one), memory_limit(other), key=quantity.parse)
    return Profile(
        cpu=max(one.cpu, other.cpu, key=quantity.millis),
        memory=max(one.memory, other.memory, key=quantity.parse),
        limits=Limits(memory=limit),
    )


def _containers(scope: Scope) -> Iterator[tuple[int, int, Profile]]:
    """Pods and containers with their size: how many pods they add, how many containers there are of a size."""
    for number, profile in pods(scope):
        yield number, number, profile
        if mesh.meshed(scope):
            yield 0, number, PROXY
    for number, profile in outside_mesh(scope):
        yield number, number, profile


def quota(scope: Scope) -> Obj:
    cpu = memory = limit = count = 0
    for added, number, profile in _containers(scope):
        count += added
        cpu += number * quantity.millis(profile.cpu)
        memory += number * quantity.whole(profile.memory)
        limit += number * quantity.whole(memory_limit(profile))
    hard = {
        "pods": str(count),
        "requests.cpu": quantity.render_millis(cpu),
        "requests.memory": quantity.render_bytes(memory),
        "limits.memory": quantity.render_bytes(limit),
    }
    stored: list[str] = []
    for name, store in scope.app.stores.items():
        if store.storage and not store.host:
            stored += [store.storage] * (cloudnative.instances(store) if cloudnative.is_operated(scope, name) else 1)
    if stored:
        hard["persistentvolumeclaims"] = str(len(stored))
        hard["requests.storage"] = quantity.render_bytes(sum(quantity.whole(size) for size in stored))
    metadata = {"name": scope.app.name, "namespace": scope.app.namespace, "labels": scope.common()}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}


def limit_range(scope: Scope) -> Obj:
    """What a container gets that says nothing: a pod somebody runs by hand, a sidecar that is injected."""
    small = scope.app.sizes["small"]
    limit = {
        "type": "Container",
        "default": {"memory": memory_limit(small)},
        "defaultRequest": {"cpu": small.cpu, "memory": small.memory},
    }
    metadata = {"name": scope.app.name, "namespace": scope.app.namespace, "labels": scope.common()}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [limit]}}
