# ruff: noqa: E501 - a line of the table is one saying
"""Routes of meshes and gateways that lead nowhere: what their gateway says of them, and what can be read in them.

A route to a Service, port or subset that is not there does harm from the moment on that it is in a cluster, and no pod shows it:
what rules of files say of such objects is told of what runs as well. Ingresses have rules of their own (`routes`).
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import CHECKS, Fact, Finding, Rule, check
from seatrial.world.objects import Obj, dig
from seatrial.world.world import World, short

RULE = Rule(
    "route-refused", "error", "a gateway does not take a route as it is", "The route is not served, or answers 500 where its backend should.",
    "The condition's message says what is missing: the gateway, its listener, a Service, or a ReferenceGrant.",
)  # fmt: skip
#: What sends requests on.
ROUTES = ("VirtualService", "DestinationRule", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "IngressRoute")
#: Rules of files about routes that are true of a cluster at once.
AT_ONCE = frozenset({
    "missing-service", "missing-subset", "missing-gateway", "backend-port-unknown", "subset-selects-nobody", "route-weights-zero",
    "http-route-weights-zero", "mutual-tls-contradiction", "route-default-missing",
})  # fmt: skip
#: Conditions that a gateway's controller sets on a route (Gateway API, RouteParentStatus).
CONDITIONS = ("Accepted", "ResolvedRefs", "Programmed")


@check(*ROUTES, rules=[RULE], live=True)
def astray(world: World, route: Obj) -> Iterator[Finding]:
    """What its gateway says is wrong, with what can be read; without a word of a gateway, what can be read."""
    written = list(_written(world, route))
    for number, parent in enumerate(dig(route, "status.parents", [])):
        for each in parent.get("conditions") or ():
            if each.get("type") in CONDITIONS and each.get("status") == "False":
                said = f"{each.get('reason', '')}: {each.get('message', '')}".rstrip(": ")
                facts = [status(world, route, f"status.parents[{number}].conditions[{each['type']}]", said)]
                facts += [fact for one in written for fact in (Fact(one.title), *one.evidence)]
                title = f"Gateway {dig(parent, 'parentRef.name', '')} does not take {short(route)}: {said}"
                yield told(RULE, title, [route], facts, fix=written[0].fix if written else "")
                return
    yield from written


def _written(world: World, route: Obj) -> Iterator[Finding]:
    import seatrial.rules.written  # noqa: F401 - enters the rules of files, where there are routes at all

    kind = str(route.get("kind"))
    for entry in CHECKS:
        if not entry.live and any(rule.id in AT_ONCE for rule in entry.rules) and (kind in entry.kinds or "*" in entry.kinds):
            yield from (one for one in entry.look(world, route) if one.rule in AT_ONCE)
