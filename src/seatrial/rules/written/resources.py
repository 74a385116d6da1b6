# ruff: noqa: E501 - a line of the table is one saying
"""Requests, limits and the sizes of temporary volumes of a container: missing, contradicting, or with the wrong unit.

A missing CPU limit is no finding: throttling a busy service costs more than it saves, and the requests share the CPU out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.pods import Container, Pods, check_containers, check_pods
from seatrial.rules.written.reading import amount, items, mapping
from seatrial.rules.written.telling import Operation, Path, put, tell
from seatrial.world.objects import Obj
from seatrial.world.world import World

_GOOD = (
    "resources: {requests: {cpu: 100m, memory: 128Mi, ephemeral-storage: 100Mi}, limits: {memory: 128Mi, ephemeral-storage: 1Gi}}"
)
_REFUSED = "The API server refuses the object."

RULES = (
    Rule("request-missing", "warning", "requests no CPU or no memory", "The scheduler counts it as nothing: nodes are overfilled, it is the first to be evicted, and an autoscaler by utilisation cannot compute.",
         "Request what it usually uses.",
         example("resources: {limits: {ephemeral-storage: 1Gi}}"), example(_GOOD)),
    Rule("memory-limit-missing", "warning", "has no memory limit", "A leak takes the memory of the node, and the kernel kills whatever it chooses there.",
         "Set a memory limit, best equal to the request.",
         example("resources: {requests: {cpu: 100m, memory: 128Mi}}"), example(_GOOD)),
    Rule("request-over-limit", "error", "requests more than its limit", _REFUSED,
         "Raise the limit to the request at least.",
         example("resources: {requests: {memory: 512Mi}, limits: {memory: 256Mi}}"), example(_GOOD)),
    Rule("quantity-invalid", "error", "has an amount that is no quantity", _REFUSED,
         "Write quantities as Kubernetes does: 250m, 512Mi, 1Gi.",
         example("resources: {requests: {cpu: 100m, memory: 512MB}}"), example(_GOOD)),
    Rule("memory-unit", "error", "has a memory amount of a few bytes", "No process starts in it; mostly an `m` (thousandths of a byte) stands where Mi was meant.",
         "Write Mi or Gi.",
         example("resources: {requests: {cpu: 100m, memory: 128m}, limits: {memory: 256m}}"), example(_GOOD)),
    Rule("cpu-unit", "warning", "asks for an enormous number of CPUs", "No node has them, and the pod waits for ever; mostly an `m` was forgotten.",
         "Write thousandths with m: 500m is half a CPU.",
         example("resources: {requests: {cpu: '500', memory: 128Mi}, limits: {memory: 128Mi}}"), example(_GOOD)),
    Rule("cpu-limit-tiny", "warning", "is limited to a sliver of a CPU", "It is throttled for most of every tenth of a second: starts take minutes and probes time out.",
         "Raise the CPU limit, or leave it out and keep the request.",
         example("resources: {requests: {cpu: 10m, memory: 64Mi}, limits: {cpu: 20m, memory: 64Mi}}"), example(_GOOD)),
    Rule("memory-limit-tiny", "warning", "is limited to a few MiB", "Most runtimes need more to start: the kernel kills the process at once.",
         "Measure, and give it room.",
         example("resources: {requests: {cpu: 10m, memory: 4Mi}, limits: {memory: 4Mi}}"), example(_GOOD)),
    Rule("memory-overcommitted", "note", "may use several times the memory it requests", "The scheduler fills nodes by requests: when pods use what they may, some are evicted or killed.",
         "Bring request and limit of memory together.",
         example("resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 1Gi}}"), example(_GOOD)),
    Rule("ephemeral-storage-unset", "note", "writes to the node's disk without a bound", "Logs and temporary files of one pod can fill the disk, which has the node evict its neighbours.",
         "Give its emptyDir volumes a sizeLimit, or the container an ephemeral-storage limit.",
         example("resources: {requests: {cpu: 100m, memory: 128Mi}}\nvolumeMounts: [{name: tmp, mountPath: /tmp}]", pod="volumes: [{name: tmp, emptyDir: {}}]"),
         example("resources: {requests: {cpu: 100m, memory: 128Mi}}\nvolumeMounts: [{name: tmp, mountPath: /tmp}]", pod="volumes: [{name: tmp, emptyDir: {sizeLimit: 100Mi}}]")),
    Rule("memory-volume-unbounded", "warning", "keeps a volume in memory without a bound", "Its files count as the container's memory: filling it kills the process, or half the node's memory is gone.",
         "Give the emptyDir a sizeLimit below the memory limit.",
         example("resources: {}", pod="volumes: [{name: shm, emptyDir: {medium: Memory}}]"),
         example("resources: {}", pod="volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 64Mi}}]")),
    Rule("resource-unknown", "error", "asks for a resource that does not exist", _REFUSED,
         "The names are cpu, memory, ephemeral-storage and hugepages-…; those of devices have a domain (nvidia.com/gpu).",
         example("resources: {requests: {cpus: 100m, memory: 128Mi}}"), example(_GOOD)),
    Rule("cpu-limit-missing", "note", "has no CPU limit", "It takes what its node has to spare and is measured by that; on a full node it has its request alone. Many teams want just that: a limit slows it down beside idle CPUs.",
         "Set limits.cpu where answers must take as long on every node; else ignore this rule for good.",
         example("resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}}"), example("resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: '1', memory: 128Mi}}")),
)  # fmt: skip

KNOWN = frozenset({"cpu", "memory", "ephemeral-storage", "storage"})
KIB, MIB = float(1 << 10), float(1 << 20)
MANY_CPUS = 128.0
OVERCOMMIT = 4.0


@check_containers(rules=RULES[:2] + RULES[12:])
def missing(world: World, container: Container) -> Iterator[Finding]:
    """What a container does not say."""
    if container.role == "init":
        return
    at = (*container.path, "resources")
    whole = mapping(container.pods.spec, "resources")
    requests, limits = ({**mapping(whole, side), **mapping(container.spec, "resources", side)} for side in ("requests", "limits"))
    absent = [name for name in ("cpu", "memory") if name not in requests and name not in limits]
    if absent:
        words = f"no request for {' and '.join(absent)}"
        yield tell(world, "request-missing", container.pods.obj, at, words, who=container.who)
    if "memory" not in limits:
        # no patch: what a process may need above its request, nobody here knows, and a limit below it kills
        yield tell(world, "memory-limit-missing", container.pods.obj, at, "limits.memory: not set", who=container.who)
    if "cpu" not in limits and container.role == "main":
        yield tell(world, "cpu-limit-missing", container.pods.obj, at, "limits.cpu: not set", who=container.who)


@check_containers(rules=RULES[2:9] + RULES[11:12])
def amounts(world: World, container: Container) -> Iterator[Finding]:
    """What a container says that cannot be, or should not."""
    obj, who = container.pods.obj, container.who
    requests, limits = mapping(container.spec, "resources", "requests"), mapping(container.spec, "resources", "limits")
    for side, given in (("requests", requests), ("limits", limits)):
        for name, written in given.items():
            at = (*container.path, "resources", side, name)
            found = amount(written)
            if found is None or found < 0:
                yield tell(world, "quantity-invalid", obj, at, f"{side}.{name}: {written}", who=who, ops=_unit(obj, at, written))
            elif name == "memory" and 0 < found < MIB:
                ops = [  # together, or the one would be above the other
                    put(obj, (*container.path, "resources", which, "memory"), f"{mebi[1]}Mi")
                    for which, amounts in (("requests", requests), ("limits", limits))
                    if (mebi := re.fullmatch(r"(\d+)m", str(amounts.get("memory"))))
                ]
                # some kibibytes that are asked for keep no process from starting
                sure: Severity | None = None if side == "limits" or found < KIB else "note"
                yield tell(world, "memory-unit", obj, at, f"{side}.memory: {written}", who=who, ops=ops, severity=sure)
            elif name == "cpu" and found > MANY_CPUS:
                ops = [put(obj, at, f"{written}m")] if str(written).isdigit() else []
                yield tell(world, "cpu-unit", obj, at, f"{side}.cpu: {written}", who=who, ops=ops)
            if name not in KNOWN and "/" not in name and not name.startswith("hugepages-"):
                yield tell(world, "resource-unknown", obj, at, f"{side}.{name}", who=who)
    for name in requests.keys() & limits.keys():
        request, limit = amount(requests[name]), amount(limits[name])
        if request is not None and limit is not None and request > limit:
            at = (*container.path, "resources", "requests", name)
            words = f"requests.{name}: {requests[name]}, limits.{name}: {limits[name]}"
            ops = [put(obj, (*container.path, "resources", "limits", name), requests[name])]
            yield tell(world, "request-over-limit", obj, at, words, who=who, ops=ops)
    yield from _sizes(world, container, requests, limits)


def _sizes(world: World, container: Container, requests: dict[str, object], limits: dict[str, object]) -> Iterator[Finding]:
    obj, who, at = container.pods.obj, container.who, (*container.path, "resources", "limits")
    cpu, memory, asked = amount(limits.get("cpu")), amount(limits.get("memory")), amount(requests.get("memory"))
    if cpu is not None and 0 < cpu < 0.05 and container.role == "main":
        yield tell(world, "cpu-limit-tiny", obj, (*at, "cpu"), f"limits.cpu: {limits['cpu']}", who=who)
    if memory is not None and MIB <= memory < 6 * MIB:
        yield tell(world, "memory-limit-tiny", obj, (*at, "memory"), f"limits.memory: {limits['memory']}", who=who)
    if memory and asked and memory >= OVERCOMMIT * asked and memory >= 256 * MIB:
        words = f"requests.memory: {requests['memory']}, limits.memory: {limits['memory']}"
        yield tell(world, "memory-overcommitted", obj, (*at, "memory"), words, who=who)


@check_pods(rules=RULES[9:11])
def volumes(world: World, pods: Pods) -> Iterator[Finding]:
    """Temporary volumes without a bound."""
    bounded = all("ephemeral-storage" in mapping(each.spec, "resources", "limits") for each in pods.main)
    for place, volume in enumerate(items(pods.spec, "volumes")):
        if not isinstance(volume.get("emptyDir"), dict) or "sizeLimit" in volume["emptyDir"]:
            continue
        at, who = (*pods.spec_path, "volumes", place, "emptyDir"), f"volume {volume.get('name')}"
        if volume["emptyDir"].get("medium") == "Memory":
            yield tell(world, "memory-volume-unbounded", pods.obj, at, "medium: Memory, no sizeLimit", who=who)
        elif not bounded:
            yield tell(world, "ephemeral-storage-unset", pods.obj, at, "emptyDir without sizeLimit", who=who)


#: Units as other programs write them, and as Kubernetes does.
_UNITS = {"kb": "k", "mb": "M", "gb": "G", "ki": "Ki", "mi": "Mi", "gi": "Gi", "kib": "Ki", "mib": "Mi", "gib": "Gi"}


def _unit(obj: Obj, at: Path, written: object) -> list[Operation]:
    """An amount with the unit that is meant: `512MB` is 512M, `1gi` is 1Gi."""
    found = re.fullmatch(r"(\d+) ?([A-Za-z]+)", str(written))
    unit = _UNITS.get(found[2].lower()) if found else None
    return [put(obj, at, f"{found[1]}{unit}")] if found and unit else []
