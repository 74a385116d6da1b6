"""What an example of a release's rule describes: a target, the files, what a return finds, and a cluster once it is up."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from release.harbour import NAMESPACE, objects, target
from seatrial.cluster.records import Record
from seatrial.release.events import Rollout
from seatrial.release.examples import NOW, Side
from seatrial.release.needs import Need, since
from seatrial.release.needs import check as found_before
from seatrial.release.plan import Plan
from seatrial.release.preflight import Target
from seatrial.release.preflight.permissions import needed
from seatrial.release.preflight.target import NODES
from seatrial.release.schema import violations
from seatrial.release.sources import opened_layers
from seatrial.release.verify import verify
from seatrial.rules.finding import Fact, Finding
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


#: The key that is at hand in the examples; nothing but their own file is encrypted for it.
OUR_KEY = "AGE-SECRET-KEY-1" + "9FDRTDXM639THZ0TYX48ZLY3NYSRHA50S7EH5TA26LL339QMTTZSY35AHT"


def laid(side: Side, folder: Path) -> dict[str, Path]:
    """The files of an example, written below a folder."""
    paths = {name: folder / name for name in side.given}
    for name, path in paths.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(side.given[name])
    return paths


def given_to(side: Side) -> list[Finding]:
    """What is found in the files of an example, less the folder that they were laid in."""
    with tempfile.TemporaryDirectory() as folder:
        paths = laid(side, Path(folder))
        if "helm" in side.asked:
            found = violations(side.asked["helm"], Path("backend"), [paths["production.yaml"]])
        else:
            mine = {"SOPS_AGE_KEY": OUR_KEY, "HOME": folder, "PATH": os.environ["PATH"]}
            with mock.patch.dict(os.environ, mine, clear=True):
                found = opened_layers(secrets_files=list(paths.values()))[2]
    return [replace(one, title=_here(one.title, folder), evidence=_all_here(one.evidence, folder)) for one in found]


def _all_here(facts: tuple[Fact, ...], folder: str) -> tuple[Fact, ...]:
    return tuple(fact._replace(source=_here(fact.source, folder)) for fact in facts)


def _here(text: str, folder: str) -> str:
    return text.replace(f"{folder}/", "")


def once_up(side: Side) -> list[Finding]:
    """What a verification finds in a cluster that is at first as `live`; after a pause what is in `cluster` is as it is there."""
    first = {ref_of(obj): obj for obj in objects(side.live)}
    later = first | {ref_of(obj): obj for obj in objects(side.cluster)}
    there = Standing([[*first.values()], [*later.values()]], side.asked.get("answer", (200, "")))
    rollout = Rollout("shop", NAMESPACE, tuple(objects(side.wanted)))
    told: list[Finding] = []
    looked = verify(
        there,  # type: ignore[arg-type]
        rollout, tell=lambda *_, **__: None, clock=there, settle=30.0, smoke=side.asked.get("smoke", ""), sleep=there.sleep,
    )  # fmt: skip
    told += asyncio.run(looked).findings
    return told


@dataclass
class Answer:
    status_code: int
    text: str

    @property
    def content(self) -> bytes:
        return self.text.encode()


@dataclass
class Standing:
    """A cluster that answers what it has, a clock that goes on when somebody sleeps, and the proxy of its Services."""

    states: list[list[Any]]
    proxied: tuple[int, str]
    seconds: float = field(default=0.0)

    @property
    def http(self) -> Standing:
        return self

    async def request(self, method: str, path: str, **_: Any) -> Answer:
        assert method == "GET", f"a verification only looks, and does not {method} {path}"
        state = self.states[1 if self.seconds else 0]
        plural = path.rpartition("/")[2]
        return Answer(200, json.dumps({"items": [obj for obj in state if f"{obj['kind'].lower()}s" == plural]}))

    async def get(self, path: str, **_: Any) -> Answer:
        return Answer(*self.proxied)

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds

    def time(self) -> float:
        return NOW + self.seconds
