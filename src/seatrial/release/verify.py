# ruff: noqa: E501 - tables, and HTML
"""Whether what came up holds: nothing restarts for a settling time, Services have ready endpoints, and one answers a smoke request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from seatrial.cluster.api import Api, Resource
from seatrial.cluster.client import Client
from seatrial.release.events import Clock, Rollout, Tell, Verdict
from seatrial.release.tree import new_pods, row_of
from seatrial.release.verdict import WORKLOADS, reason_of
from seatrial.rules.alive.crash import crashes
from seatrial.rules.alive.crash_words import ending
from seatrial.rules.alive.pods import containers, is_ready
from seatrial.rules.finding import Fact, Finding, Rule
from seatrial.world.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.world import World

#: Seconds between two looks while things settle, and for which endpoints and the smoke request may lag behind.
LOOK, LAG = 1.0, 10.0
#: Seconds for which a pod without a readiness probe has to run, where nothing else is asked for.
MOMENT = 2.0
RESTARTED = Rule(
    "verify-restarted", "error", "a container restarted after the release was up", "It serves, and falls over: requests fail.",
    "The end of its previous log says why.",
)  # fmt: skip
ENDPOINTS = Rule(
    "verify-endpoints", "error", "a Service has no ready endpoint", "Every request to it fails.",
    "Compare the Service's selector and targetPort with the labels and ports of the pods.",
)  # fmt: skip
SMOKE = Rule(
    "verify-smoke", "error", "a smoke request failed", "The pods are ready, and do not do their work.",
    "Ask the same path with kubectl port-forward, and look at the log of the pod that answered.",
)  # fmt: skip
_APPS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets", "ReplicaSet": "replicasets"}
_PODS = Resource("", "v1", "Pod", "pods", True)
_SLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", True)


async def verify(
    client: Client,
    rollout: Rollout,
    *,
    tell: Tell,
    clock: Clock,
    settle: float | None = None,
    smoke: str = "",
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Verdict:
    """See `events.Verify`. Raises ClusterError when the cluster cannot be asked."""
    api = Api(client, sleep=sleep)
    for check in (_endpoints(api, rollout, clock), _smoke(api, rollout, smoke, clock) if smoke else None):
        finding = await check if check else None
        if finding:
            return _failed(finding, tell)
    world = await world_of(api, rollout)
    before, end = _restarts(world, rollout), _settled_at(world, rollout, clock.monotonic(), settle)
    if end > clock.monotonic():
        tell("step", text=f"watching for restarts for {end - clock.monotonic():.0f} s")
    while True:
        finding = _restarted(world, rollout, before) or _regressed(world, rollout)
        if finding:
            return _failed(finding, tell)
        left = end - clock.monotonic()
        if left <= 0:
            return Verdict("succeeded", "Released", "everything runs in its new version, and holds")
        await sleep(min(LOOK, left))
        world = await world_of(api, rollout)


def _settled_at(world: World, rollout: Rollout, now: float, settle: float | None) -> float:
    """When the last of the new pods has been ready for so long; one that was not watched counts from now."""
    ends = [
        rollout.ready.get(str(dig(pod, "metadata.uid")), now) + wanted
        for obj in workloads_of(rollout)
        if (live := world.get(ref_of(obj))) is not None
        for pod in new_pods(world, live)
        if is_ready(pod) and (wanted := _unprobed(pod) if settle is None else settle)
    ]
    return max(ends, default=now)


def _unprobed(pod: Obj) -> float:
    """Seconds that a pod has to hold of which nobody asks whether it is ready: it was so the moment it ran."""
    return MOMENT if any("readinessProbe" not in each for each in dig(pod, "spec.containers", [])) else 0.0


def _failed(finding: Finding, tell: Tell) -> Verdict:
    tell("finding", finding.refs[0] if finding.refs else None, **finding.as_json(), phase="verify")
    reason = "VerificationFailed" if finding.rule.startswith("verify") else reason_of(finding)
    return Verdict("doomed", reason, finding.title, (finding,), finding.refs)


def workloads_of(rollout: Rollout) -> list[Obj]:
    return [o for o in rollout.objects if o.get("kind") in WORKLOADS and "helm.sh/hook" not in annotations_of(o)]


async def world_of(api: Api, rollout: Rollout) -> World:
    """The workloads of the rollout with their pods, as they are now."""
    found = workloads_of(rollout)
    world = World()
    for namespace in sorted({namespace_of(obj) or rollout.namespace for obj in found}):
        kinds = {str(obj["kind"]) for obj in found}
        wanted = [Resource("apps", "v1", kind, _APPS[kind], True) for kind in sorted({*kinds, "ReplicaSet"}) if kind in _APPS]
        if "Rollout" in kinds:
            wanted.append(Resource("argoproj.io", "v1alpha1", "Rollout", "rollouts", True))
        for objects in await asyncio.gather(*(api.list(resource, namespace) for resource in (*wanted, _PODS))):
            for obj in objects:
                world.put(obj)
    return world


def _restarts(world: World, rollout: Rollout) -> dict[tuple[str, str], int]:
    """(uid of a pod, container) -> how often it has been started again."""
    return {
        (str(dig(pod, "metadata.uid")), each.name): int(each.status.get("restartCount", 0))
        for obj in workloads_of(rollout)
        if (live := world.get(ref_of(obj))) is not None
        for pod in new_pods(world, live)
        for each in containers(pod)
    }


def _restarted(world: World, rollout: Rollout, before: dict[tuple[str, str], int]) -> Finding | None:
    for obj in workloads_of(rollout):
        live = world.get(ref_of(obj))
        for pod in new_pods(world, live) if live is not None else ():
            for each in containers(pod):
                known = before.get((str(dig(pod, "metadata.uid")), each.name), 0)
                if each.ends <= known or live is None or live["kind"] == "Job":
                    continue
                found = next(iter(crashes(world, pod)), None)
                if found is not None:
                    return found
                how = ending(int(each.ended.get("exitCode", 0)), str(each.ended.get("reason", "")), each.ended.get("signal"))
                title = f"container {each.name} of {live['kind']} {name_of(live)} restarted after it was up: {how}"
                fact = Fact(f"restarts: {known}, now {each.ends}", f"{ref_of(pod)}, {each.path}")
                return Finding(RESTARTED.id, "error", title, (ref_of(live), ref_of(pod)), (fact,), RESTARTED.title, RESTARTED.fix)
    return None


def _regressed(world: World, rollout: Rollout) -> Finding | None:
    """A workload that was complete and is no longer."""
    for obj in workloads_of(rollout):
        live = world.get(ref_of(obj))
        if live is None or live["kind"] in ("Job", "Pod"):
            continue
        row = row_of(world, live)
        if not row.settled and row.ready < row.total:
            title = f"{live['kind']} {name_of(live)} was up and is not any more: {row.ready}/{row.total} {row.why}".rstrip()
            return Finding(RESTARTED.id, "error", title, (ref_of(live),), (), RESTARTED.title, RESTARTED.fix)
    return None


async def _endpoints(api: Api, rollout: Rollout, clock: Clock) -> Finding | None:
    """The first Service of the rollout with pods behind it, of which none is in its EndpointSlices."""
    end = clock.monotonic() + LAG
    while True:
        bare = await _bare_service(api, rollout)
        if bare is None or clock.monotonic() >= end:
            break
        await api.sleep(LOOK / 4)
    if bare is None:
        return None
    service, portless = bare
    selector = ", ".join(f"{key}: {value}" for key, value in dig(service, "spec.selector", {}).items())
    ports = ", ".join(str(port.get("targetPort", port.get("port"))) for port in dig(service, "spec.ports", []))
    said = (f"targetPort: {ports}; no container has it", "spec.ports") if portless else (f"selector: {selector}", "spec.selector")
    title = f"Service {name_of(service)} has no ready endpoint" + (" with a port" if portless else "")
    fact = Fact(said[0], f"{ref_of(service)}, {said[1]}")
    return Finding(ENDPOINTS.id, "error", title, (ref_of(service),), (fact,), ENDPOINTS.title, ENDPOINTS.fix)


async def _bare_service(api: Api, rollout: Rollout) -> tuple[Obj, bool] | None:
    """A Service without ready endpoints, and whether it only misses their port: they are listed without one (reconciler.go)."""
    services = [o for o in rollout.objects if o.get("kind") == "Service" and dig(o, "spec.selector")]
    templates = [o for o in workloads_of(rollout) if dig(o, "spec.replicas", 1)]
    world = World({"kind": "Template", "metadata": {"name": f"{number}", "namespace": namespace_of(o) or rollout.namespace,
                   "labels": dig(o, "spec.template.metadata.labels", {})}} for number, o in enumerate(templates))  # fmt: skip
    for namespace in sorted({namespace_of(service) or rollout.namespace for service in services}):
        ready: dict[str, bool] = {}  # a Service -> whether its ready endpoints have a port
        for slice_ in await api.list(_SLICES, namespace):
            if any(dig(each, "conditions.ready", True) for each in slice_.get("endpoints") or ()):
                owner = str(labels_of(slice_).get("kubernetes.io/service-name"))
                ready[owner] = bool(slice_.get("ports")) or ready.get(owner, False)
        for service in services:
            mine = (namespace_of(service) or rollout.namespace) == namespace
            if not mine or not world.selected("Template", namespace, dig(service, "spec.selector")):
                continue
            if not ready.get(name_of(service), False) and (name_of(service) not in ready or dig(service, "spec.ports")):
                return service, name_of(service) in ready
    return None


async def _smoke(api: Api, rollout: Rollout, smoke: str, clock: Clock) -> Finding | None:
    """One GET through the API server's service proxy, `service:port/path`, tried for `LAG` seconds; 2xx and 3xx are well."""
    place, _, path = smoke.partition("/")
    name, _, port = place.partition(":")
    url = f"/api/v1/namespaces/{rollout.namespace}/services/{name}:{port or '80'}/proxy/{path}"
    end, said = clock.monotonic() + LAG, ""
    while True:
        said = await _ask(api, url)
        if not said:
            return None
        if clock.monotonic() >= end:
            break
        await api.sleep(LOOK)
    fact = Fact(said, f"GET {url}")
    return Finding(SMOKE.id, "error", f"the smoke request {smoke} failed: {said}", (), (fact,), SMOKE.title, SMOKE.fix)


async def _ask(api: Api, url: str) -> str:
    """ "" when it was answered well, else how it was."""
    import httpx2

    try:
        answer: Any = await api.client.http.get(url, timeout=5.0)
    except httpx2.HTTPError as error:
        return str(error) or type(error).__name__
    return "" if answer.status_code < 400 else f"HTTP {answer.status_code}: {answer.text[:200].strip()}"
