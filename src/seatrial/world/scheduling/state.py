"""What the scheduler knows of nodes and of the pods on them, kept up to date change by change.

Amounts are whole numbers in the unit of the scheduler: millicores for CPU, bytes for memory, counts for the rest
(pkg/scheduler/framework/types.go, NodeInfo and Resource).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import zip_longest
from typing import Protocol

import orjson

from seatrial.world import pod_resources, quantity
from seatrial.world.objects import Obj, labels_of, name_of, namespace_of
from seatrial.world.scheduling.terms import PodTerms, Term, terms_of

Amounts = dict[str, int]

ZONE = "topology.kubernetes.io/zone"

#: What a container without requests counts for when nodes are compared (pkg/scheduler/util/pod_resources.go).
DEFAULT_CPU, DEFAULT_MEMORY = 100, 200 << 20


def amounts(said: Mapping[str, str]) -> Amounts:
    return {name: quantity.millis(value) if name == "cpu" else quantity.whole(value) for name, value in said.items()}


@dataclass(frozen=True, slots=True)
class Needs:
    """What a pod asks for: `requests` as written, `counted` with the defaults for what is not written."""

    requests: Amounts
    cpu: int
    memory: int


def needs_of(pod: Obj) -> Needs:
    """The needs of a pod, from its containers, init containers and overhead."""
    spec = pod["spec"]
    parts = [spec.get("overhead"), spec.get("resources")]
    for kind in ("containers", "initContainers"):
        parts.append([(each.get("resources"), each.get("restartPolicy")) for each in spec.get(kind) or ()])
    return _needs(orjson.dumps(parts))


@lru_cache(maxsize=1024)
def _needs(parts: bytes) -> Needs:
    """The needs of all pods that have these parts: pods of one template are many."""
    overhead, resources, *kinds = orjson.loads(parts)
    containers, init = ([{"resources": r, "restartPolicy": policy} for r, policy in kind] for kind in kinds)
    spec: Obj = {"containers": containers, "initContainers": init, "overhead": overhead, "resources": resources}
    requests = amounts(pod_resources.requests(spec))
    counted = amounts(pod_resources.requests({**spec, **_with_defaults(spec)}))
    return Needs({name: amount for name, amount in requests.items() if amount}, counted["cpu"], counted["memory"])


def _with_defaults(spec: Obj) -> Obj:
    return {kind: [_defaulted(container) for container in spec.get(kind) or ()] for kind in ("containers", "initContainers")}


def _defaulted(container: Obj) -> Obj:
    requests = (container.get("resources") or {}).get("requests") or {}
    filled = {"cpu": f"{DEFAULT_CPU}m", "memory": str(DEFAULT_MEMORY), **requests}
    return {**container, "resources": {"requests": filled}}


@dataclass(eq=False)
class PodInfo:
    """A pod as the scheduler sees it: what it needs, and what is worth working out once."""

    pod: Obj
    needs: Needs

    @cached_property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @cached_property
    def namespace(self) -> str:
        return namespace_of(self.pod)

    @cached_property
    def name(self) -> str:
        return name_of(self.pod)

    @cached_property
    def labels(self) -> dict[str, str]:
        return labels_of(self.pod)

    @property
    def spec(self) -> Obj:
        spec: Obj = self.pod["spec"]
        return spec

    @cached_property
    def affinity(self) -> Obj:
        return self.spec.get("affinity") or {}

    @cached_property
    def host_ports(self) -> frozenset[tuple[str, str, int]]:
        """Protocol, address and number of the ports it takes on its node."""
        network = self.spec.get("hostNetwork")
        found = set()
        for container in (*(self.spec.get("containers") or ()), *_sidecars(self.spec)):
            for port in container.get("ports") or ():
                number = port.get("hostPort") or (port["containerPort"] if network else 0)
                if number:
                    found.add((port.get("protocol") or "TCP", port.get("hostIP") or "0.0.0.0", number))  # noqa: S104
        return frozenset(found)

    @cached_property
    def terms(self) -> PodTerms:
        """What it demands and wishes of the pods around it."""
        return terms_of(self.affinity, self.namespace, self.labels)

    @property
    def terminating(self) -> bool:
        return bool(self.pod["metadata"].get("deletionTimestamp"))


def _sidecars(spec: Obj) -> Iterable[Obj]:
    return (c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")


def pod_info(pod: Obj) -> PodInfo:
    return PodInfo(pod, needs_of(pod))


@dataclass(eq=False, slots=True)
class NodeInfo:
    """A node and what runs on it."""

    name: str
    node: Obj = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: list[Obj] = field(default_factory=list)
    allocatable: Amounts = field(default_factory=dict)
    cpu: int = 0  # allocatable millicores
    memory: int = 0  # allocatable bytes
    most_pods: int = 0
    pods: dict[str, PodInfo] = field(default_factory=dict)
    kinds: int = 1  # how many of CPU and memory it has at all
    requested_cpu: int = 0
    requested_memory: int = 0
    requested_others: Amounts = field(default_factory=dict)
    counted_cpu: int = 0  # with the defaults for what asks for nothing
    counted_memory: int = 0
    ports: dict[tuple[str, str, int], int] = field(default_factory=dict)
    unschedulable: bool = False
    images: dict[str, int] = field(default_factory=dict)  # bytes by name

    def set_node(self, node: Obj) -> None:
        self.node, self.labels = node, labels_of(node)
        self.taints = node.get("spec", {}).get("taints") or []
        self.allocatable = amounts((node.get("status") or {}).get("allocatable") or {})
        self.cpu, self.memory = self.allocatable.get("cpu", 0), self.allocatable.get("memory", 0)
        self.kinds = max(1, (self.cpu > 0) + (self.memory > 0))
        self.most_pods = self.allocatable.get("pods", 0)
        self.unschedulable = bool(node.get("spec", {}).get("unschedulable"))
        images = (node.get("status") or {}).get("images") or ()
        self.images = {name: image.get("sizeBytes", 0) for image in images for name in image.get("names") or ()}

    def requested(self, resource: str) -> int:
        if resource == "cpu":
            return self.requested_cpu
        return self.requested_memory if resource == "memory" else self.requested_others.get(resource, 0)

    def add(self, info: PodInfo) -> None:
        self.pods[info.uid] = info
        self._count(info, 1)

    def remove(self, uid: str) -> PodInfo | None:
        info = self.pods.pop(uid, None)
        if info is not None:
            self._count(info, -1)
        return info

    def _count(self, info: PodInfo, sign: int) -> None:
        for name, amount in info.needs.requests.items():
            if name == "cpu":
                self.requested_cpu += sign * amount
            elif name == "memory":
                self.requested_memory += sign * amount
            else:
                self.requested_others[name] = self.requested_others.get(name, 0) + sign * amount
        self.counted_cpu += sign * info.needs.cpu
        self.counted_memory += sign * info.needs.memory
        for port in info.host_ports:
            self.ports[port] = self.ports.get(port, 0) + sign
            if not self.ports[port]:
                del self.ports[port]


#: Selections whose pods are kept counted.
MOST_SELECTIONS = 512


def _same(first: Obj, second: Obj) -> bool:
    """Whether two states of a pod are the same to the scheduler."""
    a, b = first["metadata"], second["metadata"]
    if a.get("deletionTimestamp") != b.get("deletionTimestamp") or a.get("labels") != b.get("labels"):
        return False
    return first["spec"] is second["spec"] or first["spec"] == second["spec"]


def _count(numbers: Counter[str], name: str, change: int) -> None:
    numbers[name] += change
    if not numbers[name]:
        del numbers[name]


def _means(selection: Selection, info: PodInfo) -> bool:
    return (selection.everyone or not info.terminating) and selection.matches(info.namespace, info.labels)


class Selection(Protocol):
    """Which pods are meant (see `selection`)."""

    @property
    def everyone(self) -> bool: ...
    def matches(self, namespace: str, labels: Mapping[str, str]) -> bool: ...


class ClusterState:
    """All nodes, in the order in which they came, and the pods on them."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._ordered: list[NodeInfo] | None = None
        self._unknown: dict[str, NodeInfo] = {}  # pods on nodes that are not there (yet, or any more)
        self._where: dict[str, str] = {}
        self.avoided: dict[Term, Counter[str]] = {}  # what running pods do not want near: how many say so, by node
        self.wished: dict[Term, Counter[str]] = {}  # what they would like near or far
        self._matching: dict[Selection, Counter[str]] = {}
        self._domains: dict[tuple[Selection, str], Counter[str]] = {}
        self._everywhere: dict[str, bool] = {}  # whether every node has a label

    def set_node(self, node: Obj) -> None:
        name = name_of(node)
        info = self.nodes.get(name) or self._unknown.pop(name, None) or NodeInfo(name)
        if info.labels != labels_of(node) or name not in self.nodes:
            self._domains.clear()
            self._everywhere.clear()
            self._ordered = None
        info.set_node(node)
        self.nodes[name] = info

    def remove_node(self, name: str) -> None:
        info = self.nodes.pop(name, None)
        self._ordered = None
        self._everywhere.clear()
        if info is not None and info.pods:
            self._unknown[name] = info
            self._domains.clear()

    def in_turns(self) -> list[NodeInfo]:
        """All nodes, from each zone one in turn, so that a part of them is a part of every zone (backend/cache/node_tree.go)."""
        if self._ordered is None:
            zones: dict[str, list[NodeInfo]] = {}
            for node in self.nodes.values():
                zones.setdefault(node.labels.get(ZONE, ""), []).append(node)
            self._ordered = [node for row in zip_longest(*zones.values()) for node in row if node is not None]
        return self._ordered

    def set_pod(self, pod: Obj) -> None:
        """A pod that is bound to a node, new or changed; one that has ended takes no room."""
        uid, node_name = pod["metadata"]["uid"], pod["spec"]["nodeName"]
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            self.remove_pod(uid)
            return
        known = self.known(uid)
        if known is not None and _same(known.pod, pod):
            known.pod = pod
            return
        self.remove_pod(uid)
        info = pod_info(pod)
        self._node(node_name).add(info)
        self._where[uid] = node_name
        self._recount(info, node_name, 1)

    def remove_pod(self, uid: str) -> bool:
        """Forget a pod; whether it was there."""
        node_name = self._where.pop(uid, None)
        if node_name is None:
            return False
        info = self._node(node_name).remove(uid)
        if info is not None:
            self._recount(info, node_name, -1)
        if node_name in self._unknown and not self._unknown[node_name].pods:
            del self._unknown[node_name]
        return True

    def matching(self, selection: Selection) -> Mapping[str, int]:
        """How many pods a selection means, by node; counted once, then kept as pods come and go."""
        found = self._matching.get(selection)
        if found is None:
            found = Counter()
            for node in (*self.nodes.values(), *self._unknown.values()):
                number = sum(_means(selection, info) for info in node.pods.values())
                if number:
                    found[node.name] = number
            if len(self._matching) >= MOST_SELECTIONS:
                forgotten = next(iter(self._matching))
                del self._matching[forgotten]
                self._domains = {key: counts for key, counts in self._domains.items() if key[0] != forgotten}
            self._matching[selection] = found
        return found

    def matching_in(self, selection: Selection, key: str) -> Mapping[str, int]:
        """The same by the value of a label of the nodes, such as their zone."""
        found = self._domains.get((selection, key))
        if found is None:
            found = Counter()
            for name, number in self.matching(selection).items():
                node = self.nodes.get(name)
                if node is not None and key in node.labels:
                    found[node.labels[key]] += number
            self._domains[selection, key] = found
        return found

    def every_node_has(self, label: str) -> bool:
        """Whether all nodes have a label, whatever its value."""
        found = self._everywhere.get(label)
        if found is None:
            found = self._everywhere[label] = all(label in node.labels for node in self.nodes.values())
        return found

    def _recount(self, info: PodInfo, node_name: str, change: int) -> None:
        for selection, found in self._matching.items():
            if _means(selection, info):
                _count(found, node_name, change)
                self._recount_domains(selection, node_name, change)
        terms = info.terms
        for kept, said in ((self.avoided, terms.away), (self.wished, terms.for_others)):
            for term in said:
                numbers = kept.setdefault(term, Counter())
                _count(numbers, node_name, change)
                if not numbers:
                    del kept[term]

    def _recount_domains(self, selection: Selection, node_name: str, change: int) -> None:
        node = self.nodes.get(node_name)
        for (of, key), counts in self._domains.items() if node is not None else ():
            if of == selection and node is not None and key in node.labels:
                counts[node.labels[key]] += change

    def known(self, uid: str) -> PodInfo | None:
        node_name = self._where.get(uid)
        return self._node(node_name).pods.get(uid) if node_name is not None else None

    def _node(self, name: str) -> NodeInfo:
        found = self.nodes.get(name) or self._unknown.get(name)
        if found is None:
            found = self._unknown[name] = NodeInfo(name)
        return found
