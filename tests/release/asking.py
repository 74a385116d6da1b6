"""What an example of a release's rule describes: the target of a preflight, and what a return finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from release.harbour import objects, target
from seatrial.cluster.records import Record
from seatrial.release.examples import NOW, Side
from seatrial.release.needs import Need, since
from seatrial.release.needs import check as found_before
from seatrial.release.plan import Plan
from seatrial.release.preflight import Target
from seatrial.release.preflight.permissions import needed
from seatrial.release.preflight.target import NODES
from seatrial.rules.finding import Finding
from seatrial.world.objects import ref_of


def asked_of(side: Side) -> Target:
    """A target as it would have been observed; what `asked` says in short is put where a `Target` has it."""
    asked: dict[str, Any] = dict(side.asked)
    rest = objects(side.cluster)
    more: dict[str, Any] = {"now": NOW} | {key: asked[key] for key in ("refused", "endpoints") if key in asked}
    if "lock" in asked:
        more["lock"] = rest[0]
    if "pending" in asked:
        more["lists"] = {"pending": rest}
    if "last" in asked:
        more["last"] = Record("shop", "shop", 3, asked["last"], {}, {}, {"info": {"last_deployed": "2026-01-02T02:00:00Z"}})
    found = target(side.wanted, side.live, side.cluster, **more)
    if "denied" in asked:
        wanted = [one for one in needed(found.plan, found.served) if (one.verb, one.resource.plural) == asked["denied"]]
        found = replace(found, denied={(one.verb, one.resource): one.why for one in wanted})
    lists = {key: listed for key, listed in found.lists.items() if listed or key != NODES}  # without nodes it is not about them
    return replace(found, lists=lists, plan=_planned(found.plan, asked))


def returned_to(side: Side) -> list[Finding]:
    """What is found before a return from revision 3 to revision 1."""
    asked = dict(side.asked)
    first, last = _record(1, asked.get("status", "superseded"), side.wanted), _record(3, "deployed", side.live)
    there = {ref_of(obj): obj for obj in objects(side.cluster)}
    need = Need(first, tuple(objects(side.wanted)), there, images=frozenset(asked["images"]))
    return [*found_before(need), *since([first, _record(2, "superseded", side.wanted), last], first)]


def _record(revision: int, status: str, manifest: str) -> Record:
    data = {
        "manifest": manifest,
        "hooks": [],
        "info": {"status": status, "description": "Upgrade failed"},
    }
    return Record("shop", "shop", revision, status, {}, {}, data)


def _planned(plan: Plan, asked: dict[str, Any]) -> Plan:
    owners = asked.get("owners", {})
    changes = tuple(
        replace(change, fields=tuple(replace(one, owner=owners.get(one.path, "")) for one in change.fields))
        for change in plan.changes
    )
    return replace(plan, changes=changes, before=plan.before if asked.get("before", True) else frozenset())
