"""What a picture of a world shows: workloads, entries and the world outside as boxes, routes and calls as arrows.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from seatrial.rules.finding import Finding
from seatrial.world.graph import PodTemplate
from seatrial.world.objects import Ref, dig, name_of
from seatrial.world.policies import End, in_the_way
from seatrial.world.world import World

NodeKind = Literal["entry", "service", "store", "job", "outside"]
EdgeKind = Literal["route", "call", "runs"]

#: Kinds that let requests in from outside.
ENTRIES = ("Ingress", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "VirtualService", "IngressRoute", "Route")
#: Kinds that keep data, and those whose pods end.
STORES, JOBS = frozenset({"StatefulSet", "Cluster"}), frozenset({"Job", "CronJob"})
#: Images that keep data, whatever kind runs them: by the last part of their name.
_KEEPERS = re.compile(
    r"(?:^|/)(redis|valkey|memcached|postgres(?:ql)?|mysql|mariadb|mongo(?:db)?|cassandra|etcd|elasticsearch|opensearch|minio"
    r"|rabbitmq|kafka|nats|clickhouse-server|influxdb|neo4j)(?:[:@]|$)"
)
#: Rules that tell what an arrow shows: a call that a policy forbids, or that leads to nobody.
_OF_CALLS = ("call-blocked-", "call-nobody", "call-port-unknown")
#: Relations of the reference graph that are arrows: a route to its backend, a call to an address.
_ROUTES = frozenset({"backend", "host", "mirror"})
_CALLS = frozenset({"call"})
#: How a workload reads a ConfigMap: as variables, or as files such as the configuration of a proxy.
_READ = frozenset({"env", "envFrom", "volume"})
_SERVICES = frozenset({"Service", "ServiceEntry", "ExternalName"})


@dataclass(frozen=True, slots=True)
class Node:
    """A box. `notes` stand below its name; `faults` are the findings about it, each its title and, in brackets, its rule;
    `policies` are the NetworkPolicies of it.
    """

    ref: Ref
    kind: NodeKind
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.ref.name

    def brief(self, fault: str) -> str:
        """A fault beside the box: without the name of the box."""
        own = f"{self.ref.kind} {self.name}: "
        return fault.removeprefix(own)

    @property
    def tells_calls(self) -> bool:
        """Whether its faults tell what is wrong with its calls."""
        return any(title_and_rule(fault)[1].startswith(_OF_CALLS) for fault in self.faults)


def title_and_rule(fault: str) -> tuple[str, str]:
    """The title of a fault and its rule; "" where it has none."""
    found = re.fullmatch(r"(.*) \[([\w-]+)\]", fault, re.DOTALL)
    return (found[1], found[2]) if found else (fault, "")


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow. `label` is the port, `faults` why it does not carry."""

    source: Ref
    target: Ref
    kind: EdgeKind
    label: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """`title` says of what. Nodes and edges are in the order of their names, so that the same world gives the same picture."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    #: Findings about what is not drawn (quotas, roles, …).
    others: tuple[str, ...] = field(default=())


def drawn(world: World, findings: Iterable[Finding] = (), title: str = "") -> Picture:
    """The picture of a world. Findings of severity `error` are faults; a fault of a Service is one of what is behind it."""
    graph = world.graph
    templates = {template.ref: template for template in graph.templates}
    entries = [ref for kind in ENTRIES for ref in world.refs() if ref.kind == kind and _lets_in(world, ref)]
    boxes: dict[Ref, NodeKind] = dict.fromkeys(entries, "entry")
    boxes |= {
        ref: "job" if ref.kind in JOBS else "store" if _keeps(template) else "service" for ref, template in templates.items()
    }
    boxes |= {ref: "store" for ref in world.refs() if ref.kind == "Cluster" and ref.group == "postgresql.cnpg.io"}
    edges = list(_edges(world, boxes, templates))
    for edge in edges:
        boxes.setdefault(edge.target, "outside")
    faults, others = _faults(world, findings, boxes)
    nodes = [
        Node(ref, kind, _notes(world, ref, kind), tuple(faults.get(ref, ())), _policies(world, ref))
        for ref, kind in boxes.items()
    ]
    order = sorted(nodes, key=lambda node: (node.name, node.ref))
    return Picture(title, tuple(order), tuple(sorted(edges, key=lambda edge: (edge.source, edge.target))), tuple(others))


def _keeps(template: PodTemplate) -> bool:
    """Whether a workload is a store: by its kind, or because all it runs is a server that keeps data."""
    if template.ref.kind in STORES:
        return True
    containers = template.spec.get("containers")
    images = [str(one.get("image", "")) for one in containers if isinstance(one, dict)] if isinstance(containers, list) else []
    return bool(images) and _KEEPERS.search(images[0]) is not None


def _lets_in(world: World, ref: Ref) -> bool:
    """A VirtualService of no gateway is for calls inside the mesh."""
    gateways = dig(world.get(ref), "spec.gateways")
    return ref.kind != "VirtualService" or (isinstance(gateways, list) and any(gateway != "mesh" for gateway in gateways))


def _edges(world: World, boxes: dict[Ref, NodeKind], templates: dict[Ref, PodTemplate]) -> Iterator[Edge]:
    seen: set[tuple[Ref, Ref]] = set()
    for source, kind in list(boxes.items()):
        for target, port in _reached(world, source, kind):
            behind = [t.ref for t in world.graph.pods(target)] or [_database(world, target) or target]
            for end in behind:
                if end != source and (source, end) not in seen:
                    seen.add((source, end))
                    blocked = _blocked(world, templates.get(source), templates.get(end), target, port)
                    missing = (
                        () if world.graph.is_there(target) or target.kind not in _SERVICES else (f"{target} does not exist",)
                    )
                    yield Edge(source, end, "route" if kind == "entry" else "call", str(port or ""), (*missing, *blocked))


def _reached(world: World, source: Ref, kind: NodeKind) -> Iterator[tuple[Ref, int | str | None]]:
    """What an entry routes to, or a workload calls: by its own addresses and those in the ConfigMaps it reads."""
    wanted = _ROUTES if kind == "entry" else _CALLS
    out = world.graph.out(source)
    for reference in out:
        if reference.relation in wanted and reference.target.kind != "Namespace":
            yield reference.target, reference.port
    if kind != "entry":
        for reference in out:
            if reference.target.kind == "ConfigMap" and reference.relation in _READ:
                for inner in world.graph.out(reference.target):
                    if inner.relation in _CALLS:
                        yield inner.target, inner.port


def _database(world: World, service: Ref) -> Ref | None:
    """The CloudNativePG Cluster whose operator makes a Service."""
    return next((maker.source for maker in world.graph.makers(service) if maker.source.kind == "Cluster"), None)


def _blocked(
    world: World, source: PodTemplate | None, target: PodTemplate | None, service: Ref, port: int | str | None
) -> tuple[str, ...]:
    """The policies that forbid a call, in words."""
    if source is None or target is None:
        return ()
    names = {port.name: port.number for port in world.graph.ports(target.ref) if port.name and port.number}
    found = world.graph.port(service, port) if port is not None else next(iter(world.graph.ports(service)), None)
    wanted = found.target if found and found.target is not None else port
    number = names.get(wanted) if isinstance(wanted, str) else wanted
    if number is None:
        return ()
    caller = End(source.ref.namespace, source.labels)
    callee = End(target.ref.namespace, target.labels, named_ports=names)
    return tuple(
        f"{', '.join(name_of(policy) for policy in policies)} forbids {direction.lower()}"
        for direction, policies in in_the_way(world, caller, callee, int(number)).items()
    )


def _faults(world: World, findings: Iterable[Finding], boxes: dict[Ref, NodeKind]) -> tuple[dict[Ref, list[str]], list[str]]:
    faults: dict[Ref, list[str]] = {}
    others: list[str] = []
    for finding in findings:
        if finding.severity != "error":
            continue
        about = [ref for ref in finding.refs if ref in boxes]
        about = about or [template.ref for ref in finding.refs for template in world.graph.pods(ref)]
        about = about or [inner.source for ref in finding.refs for inner in world.graph.into(ref) if inner.source in boxes]
        for ref in dict.fromkeys(about[:1]):
            faults.setdefault(ref, []).append(f"{finding.title} [{finding.rule}]")
        if not about:
            others.append(f"{finding.title} [{finding.rule}]")
    return faults, others


def _policies(world: World, ref: Ref) -> tuple[str, ...]:
    """The NetworkPolicies that say who may talk with a workload."""
    chosen = (one.source for one in world.graph.into(ref) if one.source.kind == "NetworkPolicy" and one.relation == "selects")
    return tuple(sorted({policy.name for policy in chosen}))


def _notes(world: World, ref: Ref, kind: NodeKind) -> tuple[str, ...]:
    obj = world.get(ref)
    if obj is None:
        return ("outside",)
    spec = obj["spec"] if isinstance(obj.get("spec"), dict) else {}
    if kind == "entry":
        rules = spec.get("rules")
        listed = [rule.get("host") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
        named = listed or spec.get("hosts") or spec.get("hostnames")
        hosts = [str(host) for host in named if host] if isinstance(named, list) else []
        return tuple(dict.fromkeys(hosts))[:2]
    if kind == "job":
        return (f"{ref.kind} {spec['schedule']}",) if spec.get("schedule") else (ref.kind,)
    count = spec.get("replicas", spec.get("instances"))
    return (f"{ref.kind} × {count}",) if isinstance(count, int) else (ref.kind,)
