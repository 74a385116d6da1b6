# ruff: noqa: E501 - a line of the table is one saying
"""Calls that fail, as the caller's log tells it, followed to what is in the way: a name, a port, a policy, the settings of DNS.

The words are in `traffic_words`.  A Service whose pods are at fault has findings of its own, which explain what is found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from ipaddress import ip_address

from seatrial.rules.alive.listening import Heard, instead
from seatrial.rules.alive.log_lines import Printed, goes_on, printed
from seatrial.rules.alive.pods import Container, containers, is_going, is_over, is_ready, named, refs, whose
from seatrial.rules.alive.probes import killed_by
from seatrial.rules.alive.settings import named_in
from seatrial.rules.alive.telling import status, told
from seatrial.rules.alive.traffic_words import Failed, addresses, failed
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, Ref, controller_of, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.once import once
from seatrial.world.policies import End, in_the_way
from seatrial.world.world import World, short

_FAILS = "Every request of this caller fails, though both ends look well."
RULES = {
    rule.id: rule
    for rule in (
        Rule("traffic-policy", "error", "a NetworkPolicy keeps a caller from what it calls", _FAILS,
             "Permit this caller in the callee's ingress rules (and the callee in the caller's egress rules), with the port of its pods."),
        Rule("traffic-dns-policy", "error", "a NetworkPolicy keeps a caller from asking for names", "No call by name can succeed, whatever else is permitted.",
             "Add an egress rule to port 53, UDP and TCP, of the cluster's DNS (namespace kube-system)."),
        Rule("traffic-dns-settings", "error", "a pod asks servers for names that do not know the cluster's", "Names of Services are not found; names outside may be.",
             "Leave dnsPolicy at ClusterFirst (ClusterFirstWithHostNet with hostNetwork), or name the cluster's DNS among its nameservers."),
        Rule("traffic-unknown-host", "error", "a container calls a Service that does not exist", _FAILS,
             "Correct the name in its settings, or create the Service; one of another namespace is called name.namespace."),
        Rule("traffic-port", "error", "a container calls a port that the Service does not have", _FAILS,
             "Call the port of the Service (not of its pods), or add the port to it."),
        Rule("traffic-fails", "warning", "a container calls what does not answer", "What needs the call fails, while the caller looks well.",
             "Look at the other end: that it runs, listens on this port, and can be reached from here."),
    )
}  # fmt: skip
#: What can be told of a call before it has been tried.
DECLARED = frozenset({"traffic-policy", "traffic-dns-settings", "traffic-unknown-host"})
#: Where names are asked for, as far as policies are concerned.
DNS = End("kube-system", {"k8s-app": "kube-dns"})
_DNS_FIX = (
    "Look at the cluster's DNS (`kubectl get pods,endpointslices -n kube-system -l k8s-app=kube-dns`, and the logs of these pods), "
    "and at what is between it and this pod: policies, the node's network."
)
#: So many more hosts are named that do not answer either.
OTHERS = 3
#: Endings of names that only the cluster's own DNS knows.
_LOCAL = (".svc", ".svc.cluster.local", ".cluster.local")
#: Names that only Services have, wherever they stand.
_NAME = re.compile(r"(?<![\w.-])([a-z][\w-]*(?:\.[a-z][\w-]*)?\.svc(?:\.cluster\.local)?)(?![\w.-])(?::(\d{2,5}))?")
#: Whom the tools ask with which scripts wait for others: `nslookup db`, `nc -z db 5432`, `pg_isready -h db -p 5432`.
_ASKED = re.compile(
    r"\b(?:nslookup|getent hosts|dig|host|(?:nc|ncat|netcat)(?: -\w+(?: \d+)?)*|(?:pg_isready|psql|mysqladmin|mysql|redis-cli|mongosh)(?: ping)?(?: -\w+)*? -h"
    r"|wait-for(?:-it)?(?:\.sh)?)[ =]([a-z][\w.-]*[a-z0-9])(?:(?::| -p | )(\d{2,5}))?(?![\w.:/-])"
)
_URL = re.compile(r"[a-z][a-z0-9+]*://(?:[^\s@/]*@)?([A-Za-z0-9][\w.-]*)(?::(\d{2,5}))?")


@check("Pod", rules=RULES.values(), live=True)
def calls(world: World, pod: Obj) -> Iterator[Finding]:
    """Of each container the call that fails, where its log has said so lately; of one that ended, only what proves why."""
    if "now" not in world.facts or is_going(pod) or (is_over(pod) and dig(pod, "status.phase") != "Failed"):
        return
    first = ref_of(pod) in once(world, _firsts)
    for container in containers(pod):
        finding = failing(world, container, printed(world, container)) or (
            _declared(world, container) if first and not _is_done(container) else None
        )
        if finding is not None:
            yield finding


def _is_done(container: Container) -> bool:
    """Whether it ended well: whom it called then answered."""
    return bool(dig(container.status, "state.terminated.exitCode") == 0)


def _firsts(world: World) -> frozenset[Ref]:
    """One pod of each owner, those that are going left out: what is written is the same in all of them."""
    found: dict[str, Ref] = {}
    for pod in world.of("Pod"):
        if not is_going(pod):
            owner = controller_of(pod)
            found.setdefault(str(owner.get("uid")) if owner else str(ref_of(pod)), ref_of(pod))
    return frozenset(found.values())


def _declared(world: World, container: Container) -> Finding | None:
    """A call that its settings name and that cannot succeed, though nothing was heard of it: a warning, as they may be settings
    that are never used, and not every network has policies.
    """
    who = f"{named(container)} of {whose(world, container.pod)}"
    for host, port in _urls(container):
        fact = status(
            world, container.pod, f"spec of container {container.name}", f"it is set to call {host}{f':{port}' if port else ''}"
        )
        service = _service(world, container.pod, host)
        if service is None or (_asks_others(world, container.pod) and _is_outside(container.pod)):
            finding = _no_name(world, container, host, [fact], who) if _is_inside(world, container.pod, host) else None
        else:
            finding = _no_way(world, container, service, port or _only_port(service), [fact], who)
        if finding is not None and finding.rule in DECLARED:
            return replace(finding, severity="warning")
    return None


def failing(world: World, container: Container, said: Printed) -> Finding | None:
    """What is in the way of the call that a container complains of; None where it complains of none, or of nobody by name."""
    call = _last(world, container, said)
    finding = _explained(world, container, call, said) if call is not None else None
    return finding if finding is None or finding.rule != "traffic-fails" or not said.ended else None


def _last(world: World, container: Container, said: Printed) -> Failed | None:
    """The call that fails again and again, the last that names whom it called; of a run that is over, once is enough."""
    found = [(place, call) for place, line in enumerate(said.lines) if (call := failed(line)) is not None]
    if not found or not (said.ended or goes_on([place for place, _ in found], said.lines)):
        return None
    if said.ended and not dig(container.ended, "exitCode", 1) and killed_by(world, container) is None:
        return None  # it ended well, and not because a probe had it ended
    return next((call for _, call in reversed(found) if call.host), found[-1][1])


def _explained(world: World, container: Container, call: Failed, said: Printed) -> Finding | None:
    pod = container.pod
    host, port, service = _target(world, container, call, said)
    facts = [Fact(call.line, said.source)]
    who = f"{named(container)} of {whose(world, pod)}"
    if call.how == "name":
        finding = _no_name(world, container, host, facts, who)
        if finding is not None:
            return finding
    if service is not None:
        finding = _no_way(world, container, service, port, facts, who)
        if finding is not None:
            return finding
    if not host:
        return None
    where = f"{host}{f':{port}' if port else ''}"
    others = {each.host: each.line for line in said.lines if (each := failed(line)) is not None and each.host not in ("", host)}
    facts += [Fact(line, said.source) for line in list(others.values())[:OTHERS]]
    words = {"name": "finds no address of", "refused": "is refused by", "silent": "gets no answer from", "cut": "is cut off by"}[
        call.how
    ]
    objects: list[Obj | Ref] = [*refs(world, pod), *([service] if service is not None else [])]
    if service is not None and dig(service, "spec.type") == "ExternalName":
        facts.append(
            status(world, service, "spec.externalName", f"{short(service)} stands for {dig(service, 'spec.externalName')}")
        )
    elif service is not None:
        ready = [is_ready(each) for each in _behind(world, service)]
        facts.append(Fact(f"{short(service)} has {sum(ready)} of {len(ready)} pods ready", str(ref_of(service))))
    elif _is_inside(world, pod, host) and not _is_address(host):
        facts.append(_nearest(world, pod, host))
    fix = ""
    if call.how == "name" and service is not None and dig(service, "spec.type") != "ExternalName":
        where, fix = f"{host}, though {short(service)} is there: DNS does not answer it", _DNS_FIX
        facts += _dns(world)
        objects += [ref_of(each) for each in _servers(world)]
    heard = _heard(world, service, port) if service is not None and call.how in ("refused", "cut") else None
    if heard is not None:
        where, fix = (
            f"{where}: its pods listen on {heard.where}",
            heard.fix or f"Let targetPort of {short(service or {})} be {heard.where}.",
        )
        facts.append(heard.fact)
    return told(RULES["traffic-fails"], f"{who} {words} {where}", objects, facts, fix=fix, container=container.name)


def _heard(world: World, service: Obj, port: int) -> Heard | None:
    """Where the first pod behind a Service listens, if its log says that it is not where the Service sends to."""
    called: Obj = next((each for each in dig(service, "spec.ports", []) if each.get("port") == port), {})
    target = called.get("targetPort", port)
    for pod in _behind(world, service)[:1]:
        number = _end(pod).named_ports.get(target) if isinstance(target, str) else target
        for container in containers(pod):
            if not container.init and (heard := instead(world, container, int(number or 0))) is not None:
                return heard
    return None


def _servers(world: World) -> list[Obj]:
    """The pods of the cluster's DNS."""
    return [pod for pod in world.of("Pod") if labels_of(pod).get("k8s-app") == DNS.labels["k8s-app"]]


def _dns(world: World) -> list[Fact]:
    """How many of the pods that answer for names are ready, where they can be seen."""
    pods = _servers(world)
    return [Fact(f"{sum(map(is_ready, pods))} of {len(pods)} pods of the cluster's DNS are ready")] if pods else []


def _target(world: World, container: Container, call: Failed, said: Printed) -> tuple[str, int, Obj | None]:
    """Whom it called: as its log says, else the only Service that its command, its variables or lines before name."""
    pod = container.pod
    if call.host:
        service = _service(world, pod, call.host)
        host = name_of(service) if service is not None and _is_address(call.host) else call.host
        port = call.port or next((number for name, number in _urls(container) if name == call.host), 0)
        return host, port or (_only_port(service) if service is not None else 0), service
    meant = {}
    for host, port in (*_urls(container), *(each for line in said.lines for each in addresses(line))):
        service = _service(world, pod, host)
        if service is not None:
            meant[host] = (port or 80, service)
    if len(meant) == 1:
        (host, (port, service)), = meant.items()  # fmt: skip
        return host, port, service
    return "", 0, None


def _urls(container: Container) -> list[tuple[str, int]]:
    """(host, port) of the URLs in a container's command, arguments and variables; 0 where none is said."""
    spec = container.spec
    values = [str(each.get("value") or "") for each in spec.get("env") or ()]
    words = [*(spec.get("command") or ()), *(spec.get("args") or ()), *values]
    found = (pair for word in words for pattern in (_URL, _NAME, _ASKED) for pair in pattern.findall(str(word)))
    return [(host, int(port or 0)) for host, port in found if "$" not in host]


def _only_port(service: Obj) -> int:
    ports = dig(service, "spec.ports", [])
    return int(ports[0].get("port", 0)) if len(ports) == 1 else 0


def _is_address(host: str) -> bool:
    return re.fullmatch(r"[\d.]+", host) is not None


def _service(world: World, pod: Obj, host: str) -> Obj | None:
    """The Service of a name as a pod would find it, or of an address of the cluster."""
    if _is_address(host):
        return next((each for each in world.of("Service") if dig(each, "spec.clusterIP") == host), None)
    name, namespace = _split(pod, host)
    return world.find("Service", namespace, name, "")


def _split(pod: Obj, host: str) -> tuple[str, str]:
    """(name, namespace) that a host has as the name of a Service."""
    for ending in sorted(_LOCAL, key=len, reverse=True):
        host = host.removesuffix(ending)
    first, _, rest = host.partition(".")
    if rest.count("."):  # db-0.db.shop: a pod of a headless Service
        return rest.split(".")[0], rest.split(".")[1]
    return first, rest or namespace_of(pod)


def _is_inside(world: World, pod: Obj, host: str) -> bool:
    """Whether only the cluster could know a name: a single word, one of a namespace that is known, or one that says so."""
    aliases = [str(name) for each in dig(pod, "spec.hostAliases", []) for name in each.get("hostnames") or ()]
    if host == "localhost" or host.endswith(".localhost") or host in aliases:
        return False
    if host.endswith(_LOCAL) or "." not in host:
        return True
    return host.count(".") == 1 and any(name_of(each) == host.partition(".")[2] for each in world.of("Namespace"))


def _no_name(world: World, container: Container, host: str, facts: list[Fact], who: str) -> Finding | None:
    """Why a name has no address: nobody may be asked, the wrong ones are, or there is no such name."""
    pod = container.pod
    policies = in_the_way(world, _end(pod), DNS, 53, "UDP").get("Egress", [])
    if policies and in_the_way(world, _end(pod), DNS, 53, "TCP").get("Egress"):
        facts += [status(world, each, "spec.egress", f"{short(each)} permits no egress to port 53") for each in policies]
        names = ", ".join(map(short, policies))
        title = f"{who} can look up no name{f' ({host})' if host else ''}: {names} keeps it from asking DNS"
        return told(RULES["traffic-dns-policy"], title, [*refs(world, pod), *policies], facts, container=container.name)
    if host and _is_inside(world, pod, host) and _asks_others(world, pod):
        policy = dig(pod, "spec.dnsPolicy", "ClusterFirst")
        asked = ", ".join(map(str, dig(pod, "spec.dnsConfig.nameservers", []))) or "those of the node"
        facts.append(status(world, pod, "spec.dnsPolicy", f"dnsPolicy: {policy}; nameservers: {asked}"))
        if _service(world, pod, host) is None:
            facts.append(_nearest(world, pod, host))
        title = f"{who} cannot find {host}: its dnsPolicy {policy} asks {asked}, which do not know the cluster's names"
        return told(RULES["traffic-dns-settings"], title, refs(world, pod), facts, container=container.name)
    if host and _is_inside(world, pod, host) and _service(world, pod, host) is None:
        return _unknown(world, container, host, facts, who)
    return None


def _asks_others(world: World, pod: Obj) -> bool:
    """Whether a pod asks nobody for names who knows those of the cluster."""
    policy = dig(pod, "spec.dnsPolicy", "ClusterFirst")
    if policy == "None":
        own = [dig(each, "spec.clusterIP") for each in world.of("Service") if namespace_of(each) == DNS.namespace]
        servers = dig(pod, "spec.dnsConfig.nameservers", [])
        return bool(servers) and not any(each in own for each in servers)
    return policy == "Default" or (policy == "ClusterFirst" and bool(dig(pod, "spec.hostNetwork", False)))


def _is_outside(pod: Obj) -> bool:
    """Whether the servers that a pod asks are surely none of the cluster's: public addresses, as nobody has heard it fail."""
    servers = [ip_address(str(each)) for each in dig(pod, "spec.dnsConfig.nameservers", [])]
    return bool(servers) and all(each.is_global for each in servers)


def _spaces(world: World) -> frozenset[str]:
    """The namespaces of which something was read."""
    return frozenset(namespace_of(each) for each in world.of("Pod", "Service"))


def _unknown(world: World, container: Container, host: str, facts: list[Fact], who: str) -> Finding | None:
    """A name for which there is no Service; None where too little of the cluster is known to say so."""
    pod = container.pod
    name, namespace = _split(pod, host)
    whole = world.find("Service", "default", "kubernetes", "") is not None
    if namespace not in once(world, _spaces) and not whole:
        return None  # of this namespace nothing was read
    title = f"{who} calls {host}, and there is no Service {name} in namespace {namespace}"
    return told(
        RULES["traffic-unknown-host"],
        title,
        refs(world, pod),
        [*facts, *named_in(world, container, host), _nearest(world, pod, host)],
        container=container.name,
    )


def _nearest(world: World, pod: Obj, host: str) -> Fact:
    name, namespace = _split(pod, host)
    elsewhere = [each for each in world.of("Service") if name_of(each) == name and namespace_of(each) != namespace]
    if elsewhere:
        space = namespace_of(elsewhere[0])
        return Fact(f"there is a Service {name} in namespace {space}: from here it is called {name}.{space}")
    here = [name_of(each) for each in world.of("Service") if namespace_of(each) == namespace]
    near = get_close_matches(name, here, 1, 0.6)
    return Fact(f"Services of {namespace}: {', '.join(here[:8]) or 'none'}" + (f"; nearest is {near[0]}" if near else ""))


def _no_way(world: World, container: Container, service: Obj, port: int, facts: list[Fact], who: str) -> Finding | None:
    """What keeps a caller from the pods behind a Service: its ports, or policies at either end."""
    pod = container.pod
    ports = dig(service, "spec.ports", [])
    called = next((each for each in ports if each.get("port") == port), None)
    if called is None and port and ports:
        have = ", ".join(str(each.get("port")) for each in ports)
        facts.append(status(world, service, "spec.ports", f"{short(service)} has port {have}"))
        title = f"{who} calls port {port} of {short(service)}, which has {have}"
        return told(RULES["traffic-port"], title, [*refs(world, pod), service], facts, container=container.name)
    behind = _behind(world, service)
    for each in [called] if called is not None else ports:
        for callee in behind[:1]:
            end = _end(callee)
            target = each.get("targetPort", each.get("port"))
            number = end.named_ports.get(target) if isinstance(target, str) else target
            for direction, policies in in_the_way(world, _end(pod), end, int(number or 0)).items():
                facts += [_permits(world, policy, direction, pod) for policy in policies]
                names = ", ".join(map(short, policies))
                title = f"{who} cannot reach {short(service)}: {names} permits no {direction.lower()} for this"
                return told(
                    RULES["traffic-policy"], title, [*refs(world, pod), service, *policies], facts, container=container.name
                )
    return None


def _permits(world: World, policy: Obj, direction: str, caller: Obj) -> Fact:
    """Whom a policy lets through, beside the labels of the caller."""
    side = "from" if direction == "Ingress" else "to"
    peers = [peer for rule in dig(policy, f"spec.{direction.lower()}", []) for peer in rule.get(side) or ()]
    chosen = [f"{key}={value}" for peer in peers for key, value in dig(peer, "podSelector.matchLabels", {}).items()]
    has = ", ".join(f"{key}={value}" for key, value in labels_of(caller).items() if key != "pod-template-hash")
    whom = f"{side} {', '.join(chosen)}" if chosen else ("only others" if peers else "nobody")
    return status(
        world,
        policy,
        f"spec.{direction.lower()}",
        f"{short(policy)} permits {direction.lower()} {whom}; the caller has {has or 'no labels'}",
    )


def _end(pod: Obj) -> End:
    named_ports = {
        str(port["name"]): int(port["containerPort"])
        for each in dig(pod, "spec.containers", [])
        for port in each.get("ports") or ()
        if port.get("name")
    }
    return End(namespace_of(pod), labels_of(pod), named_ports=named_ports)


def _behind(world: World, service: Obj) -> list[Obj]:
    selector = dig(service, "spec.selector")
    return [each for each in world.selected("Pod", namespace_of(service), selector) if not is_over(each)] if selector else []
