# ruff: noqa: E501 - a line of the table is one saying
"""Whether a release can return to an earlier revision: what that revision needs is still there, and no data has moved on.

Pure but for `observe`, which asks the cluster for what the revision names and does not bring with it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from seatrial.cluster.api import NODES, PODS, Api, Refused, Served
from seatrial.cluster.records import GOOD, Record
from seatrial.release.plan import objects_of
from seatrial.rules.finding import Fact, Finding, Rule
from seatrial.world.objects import Obj, Ref, annotations_of, dig, name_of, ref_of
from seatrial.world.world import World

#: Relations without whose target no pod starts.
_NEEDED = frozenset({"volume", "env", "envFrom", "service-account", "class", "pull-secret"})
#: On a Job that migrates: `compatible` when what ran before works with what it leaves, `none` when nothing does.
UNDO = "seatrial.dev/undo"
#: Events of Helm at which a Job may change data that outlives the release.
_CHANGES = frozenset({"pre-install", "post-install", "pre-upgrade", "post-upgrade"})
RULES = (
    Rule(
        "rollback-failed", "warning", "the revision to return to never came up", "Going back to it brings back its fault.",
        "choose a revision that `seatrial history` shows as deployed or superseded",
    ),
    Rule(
        "rollback-missing", "error", "something that the revision to return to needs is not there any more",
        "Its pods wait for ever for what is gone: the way back ends in a failure of its own.",
        "bring back what is named, keep it (helm.sh/resource-policy=keep), or roll back to another revision",
    ),
    Rule(
        "rollback-image", "note", "an image of the revision to return to is on no node", "If the registry has removed it since, the rollback fails.",
        "see that the registry still has it",
    ),
    Rule(
        "rollback-migration", "error", "a migration has run since the revision to return to",
        "A rollback takes the program back, not the data: the old version may not start with them, or spoil them.",
        f"see that the revision works with it, and say --despite-migrations; or say it for good on the Job: {UNDO}: compatible, or none where it never works",
    ),
)  # fmt: skip
_MIGRATES = re.compile(r"migrat|flyway|liquibase|alembic|goose|dbmate|prisma|schema", re.IGNORECASE)


@dataclass(frozen=True)
class Need:
    """What a revision is to find. `live` are the objects that it names and does not bring; `goes` those that leave
    with the return; `images` what nodes and running pods are known to have, None where that cannot be seen."""

    record: Record
    objects: tuple[Obj, ...]
    live: Mapping[Ref, Obj] = field(default_factory=dict)
    goes: frozenset[Ref] = frozenset()
    images: frozenset[str] | None = None
    unread: frozenset[Ref] = frozenset()


async def observe(api: Api, served: Served, record: Record, current: Record) -> Need:
    """Ask for everything that a revision needs and does not bring with it. Raises ClusterError."""
    objects, _ = objects_of(record.manifest, record.namespace, served)
    present, _ = objects_of(current.manifest, record.namespace, served)
    brought = {ref_of(obj) for obj in objects}
    world = World(objects)
    wanted = {one.target for one in _references(world) if one.target not in brought}
    places = {ref: served.of_ref(ref) for ref in wanted}
    asked = [(ref, resource) for ref, resource in places.items() if resource is not None]
    found = await asyncio.gather(*(_get(api, resource, ref) for ref, resource in asked))
    live = {ref: obj for (ref, _), obj in zip(asked, found, strict=True) if isinstance(obj, dict)}
    unread = frozenset(ref for (ref, _), obj in zip(asked, found, strict=True) if isinstance(obj, Refused))
    goes = frozenset(ref_of(obj) for obj in present if annotations_of(obj).get("helm.sh/resource-policy") != "keep") - brought
    return Need(record, tuple(objects), live, goes, await _images(api, record.namespace), unread)


async def _get(api: Api, resource: Any, ref: Ref) -> Obj | Refused | None:
    try:
        return await api.get(resource, ref.namespace, ref.name)
    except Refused as refused:  # what we may not see is not known to be missing
        return refused


async def _images(api: Api, namespace: str) -> frozenset[str] | None:
    """The images that nodes say they have, and those of containers that run or have run here."""
    try:
        nodes, pods = await asyncio.gather(api.list(NODES), api.list(PODS, namespace))
    except Refused:
        return None
    named = {name for node in nodes for image in dig(node, "status.images", []) for name in image.get("names") or ()}
    ran = {one["image"] for pod in pods for one in dig(pod, "status.containerStatuses", []) if one.get("imageID")}
    return frozenset(named | ran)


def _references(world: World) -> Iterator[Any]:
    return (one for one in world.graph if one.relation in _NEEDED and not one.optional and one.target.name)


def check(need: Need) -> Iterator[Finding]:
    """What is missing for a revision, and what is doubtful about it."""
    if need.record.status not in GOOD:
        yield Finding(
            "rollback-failed", "warning", f"revision {need.record.revision} is {need.record.status}: it never came up",
            cause=need.record.description, fix="choose a revision that `seatrial history` shows as deployed or superseded",
        )  # fmt: skip
    yield from _missing(need)
    yield from _unknown_images(need)


def _missing(need: Need) -> Iterator[Finding]:
    world, told = World(need.objects), set[tuple[Ref, str]]()
    for one in _references(world):
        if one.target in need.unread or (one.target, one.key) in told:
            continue
        told.add((one.target, one.key))
        obj = world.get(one.target) or need.live.get(one.target)
        what = f"{one.target.kind} {one.target.name}"
        where = f" -n {one.target.namespace}" if one.target.namespace else ""
        fact = (Fact(f"named in {one.path}", str(one.source)),)
        if obj is None and not world.graph.is_there(one.target):
            yield Finding(
                "rollback-missing", "error", f"revision {need.record.revision} needs {what}, which is not there any more",
                (one.source, one.target), fact, "It comes with no object of that revision, and nobody has kept it.",
                f"bring {what} back first, or roll back to another revision",
            )  # fmt: skip
        elif one.target in need.goes:
            yield Finding(
                "rollback-missing", "error", f"revision {need.record.revision} needs {what}, which goes with the rollback",
                (one.source, one.target), fact, "It belongs to the present revision, and not to the one that is returned to.",
                f"keep it: kubectl annotate {one.target.kind.lower()} {one.target.name}{where} helm.sh/resource-policy=keep",
            )  # fmt: skip
        elif obj is not None and one.key and one.target.kind in ("ConfigMap", "Secret") and one.key not in _keys(obj):
            yield Finding(
                "rollback-missing", "error", f"revision {need.record.revision} needs the key {one.key}, which {what} has not",
                (one.source, one.target), fact, "The object was changed since that revision ran.",
                f"put {one.key} back into {what}, or roll back to another revision",
            )  # fmt: skip


def _keys(obj: Obj) -> set[str]:
    return {key for part in ("data", "stringData", "binaryData") for key in obj.get(part) or ()}


def _unknown_images(need: Need) -> Iterator[Finding]:
    if need.images is None:
        return
    for image in sorted({one for obj in need.objects for one in images_of(obj)}):
        if not any(
            name == image or name.removeprefix("docker.io/library/").removeprefix("docker.io/") == image for name in need.images
        ):
            yield Finding(
                "rollback-image", "note", f"{image} is on no node that says what it has, and will be pulled",
                cause="If the registry has removed it since, the rollback fails.", fix="see that the registry still has it",
            )  # fmt: skip


def images_of(obj: Obj) -> list[str]:
    """The images of the pods that an object makes."""
    pod = dig(obj, "spec.template.spec") or dig(obj, "spec.jobTemplate.spec.template.spec") or {}
    return [str(one.get("image", "")) for key in ("initContainers", "containers") for one in pod.get(key) or ()]


# migrations


@dataclass(frozen=True, slots=True)
class Migration:
    """A Job that ran in a revision and may have changed data."""

    revision: int
    name: str
    undo: str
    works: tuple[Any, ...]  # image, command and arguments of its containers: what it does


def migrations(record: Record) -> list[Migration]:
    """The migrations that a revision has run, or begun: hooks of Helm, and Jobs that are called so."""
    hooks = [
        obj
        for hook in record.hooks
        if hook.get("kind") == "Job" and set(hook.get("events") or ()) & _CHANGES and (hook.get("last_run") or {}).get("phase")
        if (obj := _parsed(hook.get("manifest"))) and obj.get("kind") == "Job"
    ]
    jobs = [obj for obj in _documents(record.manifest) if obj.get("kind") == "Job" and _MIGRATES.search(_said(obj))]
    return [Migration(record.revision, name_of(obj), annotations_of(obj).get(UNDO, ""), _works(obj)) for obj in (*hooks, *jobs)]


def _parsed(text: Any) -> Obj:
    return next(iter(_documents(str(text or ""))), {})


def _documents(text: str) -> Iterable[Obj]:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return (one for one in yaml.load_all(text, Loader=loader) if isinstance(one, dict))


def _works(job: Obj) -> tuple[Any, ...]:
    found = [
        (one.get("image"), str(one.get("command")), str(one.get("args"))) for one in dig(job, "spec.template.spec.containers", [])
    ]
    return tuple(found)


def _said(job: Obj) -> str:
    return f"{name_of(job)} {_works(job)}"


def since(records: Sequence[Record], target: Record) -> Iterator[Finding]:
    """What the migrations that ran after a revision mean for a return to it.

    One that the revision ran itself is none.  Where the revision ran side by side with the migrated data while it was being
    replaced, it can again: a warning.  Any other is an error, unless the Job says otherwise (`UNDO`).
    """
    own = {migration.works for migration in migrations(target)}
    for record in records:
        for one in migrations(record) if record.revision > target.revision else ():
            if one.works in own:
                continue
            beside = _ran_beside(records, target, record)
            severity = {"compatible": "note", "none": "error"}.get(one.undo, "warning" if beside else "error")
            why = {
                "note": f"Its Job says {UNDO}: {one.undo}.",
                "warning": f"Revision {target.revision} ran beside it while it was being replaced, so it should again.",
            }.get(severity, f"Revision {target.revision} never ran with the data as this left them.")
            yield Finding(
                "rollback-migration", severity, f"migration {one.name} has run in revision {one.revision}",  # type: ignore[arg-type]
                (), (Fact(f"runs {', '.join(str(work[0]) for work in one.works)}", f"Helm's revision {one.revision}"),),
                f"A rollback takes the program back, not the data. {why}",
                f"see that revision {target.revision} works with it, and say --despite-migrations; "
                f"or say it for good on the Job: {UNDO}: compatible",
            )  # fmt: skip


def _ran_beside(records: Sequence[Record], target: Record, later: Record) -> bool:
    """Whether pods of `target` served while `later` rolled out: nothing else was deployed between them, and none is recreated."""
    between = [one for one in records if target.revision < one.revision < later.revision and one.status in GOOD]
    recreated = any(dig(obj, "spec.strategy.type") == "Recreate" for obj in _documents(later.manifest))
    return not between and not recreated
