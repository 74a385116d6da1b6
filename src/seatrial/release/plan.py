"""The plan of a release: what would be there, what is there now, and what that changes.

`of_source` lets Helm render a source; `objects_of` reads what it rendered; `observe` asks the cluster, with a dry run where Helm
applies on the server, so that its own defaults are no difference and fields that somebody else manages are known by name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import yaml

from seatrial.cluster.api import NAMESPACES, Api, Refused, Resource, Served
from seatrial.cluster.helm import Helm, HelmError, version
from seatrial.cluster.records import Record, base_of
from seatrial.release.diff import FieldChange, compare, decoded, predicted, previewed
from seatrial.release.events import Redactor, ref_json
from seatrial.release.schema import violations
from seatrial.release.sources import Source, SourceError, texts
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
    refused: str = ""  # what the cluster said against it in the dry run

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
    before: frozenset[Ref] = frozenset()  # what the previous revision holds
    place: Obj | None = None  # the namespace, where it is there and can be read

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


async def of_source(
    api: Api,
    served: Served,
    helm: Helm,
    source: Source,
    found: Sequence[Record],
    redactor: Redactor,
    *,
    whole: bool = False,
) -> Plan:
    """The plan of a source, where `found` are Helm's records of the release. The values of all Secrets are masked from here on.

    Raises ClusterError, and SourceError for a chart that cannot be rendered.
    """
    if source.problems:
        raise SourceError(source.problems[0].title, source.problems)
    try:
        rendered = await helm.render(
            source.release,
            source.chart,
            source.namespace,
            values=source.values,
            upgrade=bool(found),
            version=served.version,
            api_versions=sorted(served.group_versions),
        )
    except HelmError as error:
        said = redactor.text(str(error))
        raise SourceError(f"the chart cannot be rendered: {said}", violations(said, source.chart, source.files)) from None
    objects, hooks = objects_of(rendered, source.namespace, served)
    redactor.add(secret_texts([*objects, *hooks]))
    previous = base_of(found)
    by_server = version() >= (4, 0)
    place = source.release, source.namespace
    return await observe(api, served, *place, rendered, previous, redactor.preview, server_side=by_server, whole=whole)


def secret_texts(objects: Iterable[Obj]) -> list[str]:
    """What the Secrets among objects hold, as it is meant."""
    return [text for obj in objects if obj["kind"] == "Secret" for text in texts(decoded(obj).get("data"))]


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
    whole: bool = False,
) -> Plan:
    """The plan of a rendered release; with `whole` additions come with their fields. Raises ClusterError and SourceError."""
    objects, hooks = objects_of(rendered, namespace, served)
    before = objects_of(previous.manifest, namespace, served)[0] if previous else []
    known = {ref_of(obj): obj for obj in before}
    live, (place, room) = await asyncio.gather(api.live(_places([*objects, *before, *hooks], served)), _place(api, namespace))
    by_server = server_side and (previous is None or previous.server_side)
    changes = await asyncio.gather(
        *(_change(api, served, (release, namespace), obj, live, known, by_server, room, preview) for obj in objects)
    )
    wanted = {_key(ref_of(obj)) for obj in objects}
    removed = [
        Change("remove", ref_of(obj))
        for obj in before
        if _key(ref_of(obj)) not in wanted and ref_of(obj) in live and annotations_of(obj).get(KEEP) != "keep"
    ]
    made = {ref_of(obj): obj for obj in objects} if whole else {}
    present = [change for change in changes if change is not None]
    found = (*(_filled(change, made.get(change.ref), preview) for change in present), *removed)
    return Plan(release, namespace, tuple(objects), tuple(hooks), live, found, previous, frozenset(known), place)


async def _place(api: Api, namespace: str) -> tuple[Obj | None, bool]:
    """The namespace, and whether new objects can be tried in it; one that we may not read is taken to be there."""
    try:
        found = await api.get(NAMESPACES, "", namespace)
    except Refused:
        return None, True
    return found, found is not None


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
    room: bool,
    preview: Callable[[str], str],
) -> Change | None:
    ref, resource = ref_of(obj), served.of(obj)
    there = live.get(ref)
    if resource is None:
        return Change("add", ref)
    obj = _stamped(obj, release)
    if there is None:
        return Change("add", ref, refused=(await _tried(api, resource, obj)).refused if room else "")
    tried = await _tried(api, resource, obj) if by_server else _Tried()
    after = tried.after
    if after is None:
        after = predicted(there, obj, known.get(ref))
    fields = compare(_folded(there, obj), after)
    fields = previewed(fields, preview) if obj["kind"] == "Secret" else fields
    if not fields and not tried.refused:
        return None
    return Change("change", ref, tuple(_owned(fields, tried.owners)), tried.refused)


def _filled(change: Change, obj: Obj | None, preview: Callable[[str], str]) -> Change:
    """An addition with what it brings."""
    if change.action != "add" or obj is None:
        return change
    fields = compare({key: obj[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": name_of(obj)}}, obj)
    return replace(change, fields=tuple(previewed(fields, preview) if obj["kind"] == "Secret" else fields))


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


@dataclass(frozen=True, slots=True)
class _Tried:
    """What the cluster says would come of an object (None where it does not say), the fields that others manage, its refusal."""

    after: Obj | None = None
    owners: Sequence[Mapping[str, str]] = ()
    refused: str = ""


#: Answers with which a cluster refuses an object for what it is.
_REFUSALS = frozenset({400, 403, 422})


async def _tried(api: Api, resource: Resource, obj: Obj) -> _Tried:
    owners: Sequence[Mapping[str, str]] = ()
    for force in (False, True):
        try:
            return _Tried(await api.apply(resource, clone(obj), manager=MANAGER, force=force, dry_run=True), owners)
        except Refused as refused:
            if refused.code != 409 or force:
                said = refused.code in _REFUSALS and "dry run" not in refused.words  # a webhook that cannot be tried says nothing
                return _Tried(None, owners, refused.words if said else "")
            owners = [{"field": str(c.get("field", "")), "message": str(c.get("message", ""))} for c in refused.causes]
    return _Tried(None, owners)


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
