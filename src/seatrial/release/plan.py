"""The plan of a release: what would be there, what is there now, and what that changes.

`objects_of` reads what Helm rendered; `observe` asks the cluster, with a dry run where Helm applies on the server, so that
its own defaults are no difference and fields that somebody else manages are known by name; `Plan` is what comes of it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import yaml

from seatrial.cluster.api import Api, Refused, Resource, Served
from seatrial.cluster.records import Record
from seatrial.release.diff import FieldChange, compare, predicted, previewed
from seatrial.release.events import ref_json
from seatrial.release.sources import SourceError
from seatrial.world.objects import Obj, Ref, annotations_of, clone, name_of, namespace_of, ref_of

Action = Literal["add", "change", "remove"]
HOOK = "helm.sh/hook"
KEEP = "helm.sh/resource-policy"
#: Who manages the fields that Helm applies.
MANAGER = "helm"
_CONFLICT = re.compile(r'conflicts? with "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Change:
    """One object that would change. `fields` is empty for one that is added or removed whole."""

    action: Action
    ref: Ref
    fields: tuple[FieldChange, ...] = ()

    @property
    def rolls(self) -> bool:
        """Whether pods are replaced."""
        return any(change.path.startswith("spec.template") for change in self.fields)

    def as_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"action": self.action, "ref": ref_json(self.ref)}
        return document | ({"fields": [change.as_json() for change in self.fields]} if self.fields else {})


@dataclass(frozen=True)
class Plan:
    """`objects` are what Helm keeps in the release, `hooks` what it runs around it, each with its namespace filled in."""

    release: str
    namespace: str
    objects: tuple[Obj, ...]
    hooks: tuple[Obj, ...]
    live: Mapping[Ref, Obj]
    changes: tuple[Change, ...]
    previous: Record | None = field(default=None, repr=False)

    @property
    def summary(self) -> dict[str, int]:
        count = {action: sum(change.action == action for change in self.changes) for action in ("add", "change", "remove")}
        unchanged = len(self.objects) - count["add"] - count["change"]
        return {"added": count["add"], "changed": count["change"], "removed": count["remove"], "unchanged": unchanged}

    @property
    def taken_over(self) -> list[tuple[Ref, FieldChange]]:
        """The fields that somebody else manages now."""
        return [(change.ref, one) for change in self.changes for one in change.fields if one.owner]


def objects_of(text: str, namespace: str, served: Served) -> tuple[list[Obj], list[Obj]]:
    """The objects and the hooks of a rendered chart; an object without a namespace goes where the release goes.

    Raises SourceError for a rendered document that is no object.
    """
    objects: list[Obj] = []
    hooks: list[Obj] = []
    try:
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise SourceError(f"what the chart renders is no YAML: {error}") from None
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not document.get("kind") or not (document.get("metadata") or {}).get("name"):
            raise SourceError(f"the chart renders something that is no object: {str(document)[:80]!r}")
        events = annotations_of(document).get(HOOK, "")
        if {event.strip() for event in events.split(",")} & {"test", "test-success"}:
            continue
        resource = served.of(document)
        obj = document
        if (resource is None or resource.namespaced) and not namespace_of(document):
            obj = {**document, "metadata": {**document["metadata"], "namespace": namespace}}
        (hooks if events else objects).append(obj)
    return objects, hooks


async def observe(
    api: Api,
    served: Served,
    release: str,
    namespace: str,
    rendered: str,
    previous: Record | None,
    preview: Callable[[str], str],
    *,
    server_side: bool,
) -> Plan:
    """The plan of a rendered release. Raises ClusterError and SourceError."""
    objects, hooks = objects_of(rendered, namespace, served)
    before = objects_of(previous.manifest, namespace, served)[0] if previous else []
    known = {ref_of(obj): obj for obj in before}
    live = await api.live(_places([*objects, *before, *hooks], served))
    by_server = server_side and (previous is None or previous.server_side)
    changes = await asyncio.gather(
        *(_change(api, served, (release, namespace), obj, live, known, by_server, preview) for obj in objects)
    )
    wanted = {_key(ref_of(obj)) for obj in objects}
    removed = [
        Change("remove", ref_of(obj))
        for obj in before
        if _key(ref_of(obj)) not in wanted and ref_of(obj) in live and annotations_of(obj).get(KEEP) != "keep"
    ]
    found = (*(change for change in changes if change is not None), *removed)
    return Plan(release, namespace, tuple(objects), tuple(hooks), live, found, previous)


def _key(ref: Ref) -> tuple[str, str, str, str]:
    return ref.group, ref.kind, ref.namespace, ref.name


def _places(objects: Iterable[Obj], served: Served) -> list[tuple[Resource, str, str]]:
    places = {(served.of(obj), namespace_of(obj), name_of(obj)): None for obj in objects}
    return [(resource, namespace, name) for resource, namespace, name in places if resource is not None]


async def _change(
    api: Api,
    served: Served,
    release: tuple[str, str],
    obj: Obj,
    live: Mapping[Ref, Obj],
    known: Mapping[Ref, Obj],
    by_server: bool,
    preview: Callable[[str], str],
) -> Change | None:
    ref, resource = ref_of(obj), served.of(obj)
    there = live.get(ref)
    if there is None or resource is None:
        return Change("add", ref)
    obj = _stamped(obj, release)
    owners: Sequence[Mapping[str, str]] = ()
    after: Obj | None = None
    if by_server:
        after, owners = await _tried(api, resource, obj)
    if after is None:
        after = predicted(there, obj, known.get(ref))
    fields = compare(_folded(there, obj), after)
    fields = previewed(fields, preview) if obj["kind"] == "Secret" else fields
    if not fields:
        return None
    return Change("change", ref, tuple(_owned(fields, owners)))


def _stamped(obj: Obj, release: tuple[str, str]) -> Obj:
    """An object as Helm sends it: with what says whose it is (pkg/action/validate.go, setMetadataVisitor)."""
    name, namespace = release
    metadata = obj["metadata"]
    labels = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    owner = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
    annotations = {**(metadata.get("annotations") or {}), **owner}
    return {**obj, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def _folded(live: Obj, wanted: Obj) -> Obj:
    """What is live in the API version in which it is wanted: the version itself is no difference."""
    return {**live, "apiVersion": wanted["apiVersion"]}


async def _tried(api: Api, resource: Resource, obj: Obj) -> tuple[Obj | None, Sequence[Mapping[str, str]]]:
    """What the cluster says would come of it, and the fields that others manage; None where it does not say."""
    owners: Sequence[Mapping[str, str]] = ()
    for force in (False, True):
        try:
            return await api.apply(resource, clone(obj), manager=MANAGER, force=force, dry_run=True), owners
        except Refused as refused:
            if refused.code != 409 or force:
                return None, owners
            owners = [{"field": str(c.get("field", "")), "message": str(c.get("message", ""))} for c in refused.causes]
    return None, owners


def _owned(fields: Sequence[FieldChange], owners: Sequence[Mapping[str, str]]) -> list[FieldChange]:
    """The fields, with who manages them where the cluster named somebody."""
    named = {}
    for one in owners:
        found = _CONFLICT.search(one["message"])
        if found:
            named[_plain(one["field"])] = found[1]
    return [replace(change, owner=named.get(_plain(change.path), "")) for change in fields]


def _plain(path: str) -> str:
    """A path without what tells list items apart, which is written in two ways."""
    return re.sub(r"\[[^]]*\]", "[]", path.lstrip(".")).replace('"', "")
