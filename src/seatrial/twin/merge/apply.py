"""Field management: who owns which field of an object, kept in `metadata.managedFields`, and server-side apply.

`track_update` is called for every create, update and patch, between defaulting and admission: what admission adds belongs
to nobody, as on a real server.  `apply` merges a configuration into the live object, takes out what its manager no longer
applies and nobody else owns, and refuses what others own (409) unless forced.  The rules are those of
apimachinery's pkg/util/managedfields and structured-merge-diff's merge.Updater.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from seatrial.twin import errors
from seatrial.twin.clock import timestamp
from seatrial.twin.merge import structured
from seatrial.twin.merge.compare import Changes, compare, stated
from seatrial.twin.merge.fieldset import (
    FieldSet,
    UnkeyedError,
    covers,
    difference,
    has,
    intersection,
    paths,
    sorted_set,
    union,
    with_named_fields,
    written,
)
from seatrial.world.objects import Obj
from seatrial.world.schema import Shape, custom, normalise, shape_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MOST_UPDATE_MANAGERS = 10

#: Fields that no manager owns.
_NOBODYS: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {}, "f:name": {}, "f:namespace": {}, "f:creationTimestamp": {}, "f:selfLink": {}, "f:uid": {},
        "f:clusterName": {}, "f:generation": {}, "f:managedFields": {}, "f:resourceVersion": {},
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of managedFields."""

    manager: str
    operation: str  # Apply, Update
    api_version: str
    subresource: str
    time: str
    fields: FieldSet

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells entries apart: an applier is the same in every version."""
        return (self.manager, self.operation, "" if self.operation == "Apply" else self.api_version, self.subresource)

    def written(self) -> Obj:
        entry = {"manager": self.manager, "operation": self.operation, "apiVersion": self.api_version}
        if self.time:
            entry["time"] = self.time
        out: Obj = {**entry, "fieldsType": "FieldsV1", "fieldsV1": self.fields}
        if self.subresource:
            out["subresource"] = self.subresource
        return out

    def described(self) -> str:
        """How a conflict names the manager."""
        said = f'"{self.manager}"'
        if self.subresource:
            said += f' with subresource "{self.subresource}"'
        return said if self.operation == "Apply" else f"{said} using {self.api_version}"


Managed = dict[tuple[str, str, str, str], Entry]


def decode(entries: Any) -> Managed:
    """The entries of an object's managedFields. Raises ValueError when they are malformed."""
    managed: Managed = {}
    for index, raw in enumerate(entries or ()):
        if not isinstance(raw, dict) or raw.get("operation") not in ("Apply", "Update"):
            raise ValueError("operation must be `Apply` or `Update`")
        if not raw.get("apiVersion"):
            raise ValueError("apiVersion must not be empty")
        if raw.get("fieldsType") != "FieldsV1":
            raise ValueError(f"missing fieldsType in managed fields entry {index}")
        fields = raw.get("fieldsV1") or {}
        if not isinstance(fields, dict):
            raise ValueError("error decoding set")
        entry = Entry(
            raw.get("manager", ""), raw["operation"], raw["apiVersion"], raw.get("subresource", ""), raw.get("time", ""), fields
        )
        managed[entry.key] = entry
    return managed


def encode(managed: Managed) -> list[Obj]:
    return [entry.written() for entry in sorted(managed.values(), key=_rank)]


def _rank(entry: Entry) -> tuple[str, ...]:
    return (entry.operation, entry.time, entry.manager, entry.api_version, entry.subresource)


# the public operations


def track_update(
    live: Obj | None,
    new: Obj,
    *,
    manager: str,
    now: float,
    operation: str = "Update",
    subresource: str = "",
    type_: Shape | None = None,
) -> Obj:
    """Record what a create (`live` None), update or patch changes; sets `new["metadata"]["managedFields"]` and returns `new`.

    Both objects are in the server's form (`schema.normalise`); `new` is the caller's own, with a metadata of its own.
    managedFields that the client sent replace the stored ones, `[{}]` or `[]` throws them away; an update that changes
    nothing leaves them and their times alone.  `now` in seconds since the epoch; `type_` for kinds Kubernetes does not have.
    """
    metadata = new["metadata"]
    sent = metadata.pop("managedFields", None)
    stored = (live or {}).get("metadata", {}).get("managedFields")
    known = type_ or _shape(new)
    managed = _decode_sent(sent, stored, subresource)
    if live is not None and not managed and live.get("metadata", {}).get("uid"):
        return new  # nobody tracked this object before, or somebody wants it untracked
    before = _bare(live) if live is not None else normalise({"apiVersion": new.get("apiVersion"), "kind": new.get("kind")}, known)
    try:
        changes = compare(before, new, known)
    except UnkeyedError:  # a list that cannot be told apart cannot be tracked either: leave everything as it was
        changes = Changes()
    managed = _taken(managed, changes)
    api_version = new.get("apiVersion", "")
    own = difference(union(changes.modified, changes.added), _NOBODYS)
    if own:
        entry = Entry(manager or "unknown", operation, api_version, subresource, timestamp(now), own)
        previous = managed.get(entry.key)
        managed[entry.key] = replace(entry, fields=sorted_set(union(own, previous.fields) if previous else own))
        managed = _capped(managed)
    if managed:
        metadata["managedFields"] = stored if managed == _unsent(sent, stored) else encode(managed)
    return new


def apply(
    live: Obj | None,
    applied: Obj,
    *,
    manager: str,
    now: float,
    force: bool = False,
    subresource: str = "",
    type_: Shape | None = None,
) -> Obj:
    """The live object (None: it does not exist yet) with the configuration applied, as a new object that is not yet defaulted.

    Raises ApiError 409 with the conflicts, 400 for a configuration with managedFields or in another version, 500 for one
    the schema does not allow, as the server answers.  An apply that changes nothing gives an object equal to `live`.
    """
    known = type_ or _shape(applied)
    if applied.get("metadata", {}).get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")
    api_version = applied.get("apiVersion", "")
    if live is not None and live.get("apiVersion", api_version) != api_version:
        expected = live["apiVersion"]
        raise errors.bad_request(
            f"Incorrect version specified in apply patch. Specified patch version: {api_version}, expected: {expected}"
        )
    _verify(applied, known)
    base = _bare(live) if live is not None else normalise({"apiVersion": api_version, "kind": applied.get("kind")}, known)
    managed = _managed_before(live, base, known, now)
    entry = Entry(manager, "Apply", api_version, subresource, "", stated(applied, known))
    conflicts: list[tuple[Entry, FieldSet]] = []
    merged, after = _applied(base, applied, entry, managed, known, conflicts)
    if conflicts and not force:
        conflicts = _not_last_applied(live, conflicts, known) if manager == "kubectl" else conflicts
        if conflicts:
            raise _conflict(conflicts)
    for key, theirs in ((held.key, fields) for held, fields in conflicts):
        after[key] = replace(after[key], fields=difference(after[key].fields, theirs))
    return _finished(live, base, merged, managed, after, entry, now, known)


def _finished(
    live: Obj | None, base: Obj, merged: Obj, managed: Managed, after: Managed, entry: Entry, now: float, known: Shape
) -> Obj:
    own = difference(after[entry.key].fields, _NOBODYS)
    previous = managed.get(entry.key)
    new = normalise(merged, known)
    unchanged = live is not None and new == base
    time = previous.time if unchanged and previous else timestamp(now)
    if unchanged and previous is None:
        time = ""  # as the server leaves it when an apply changes owners and nothing else
    after[entry.key] = replace(after[entry.key], fields=sorted_set(own), time=time)
    after = {key: held for key, held in after.items() if held.fields}
    new["metadata"] = {**new.get("metadata", {})}
    if after:
        new["metadata"]["managedFields"] = encode(after)
    return new


def _verify(applied: Obj, known: Shape) -> None:
    wrong = structured.verify(applied, known)
    if wrong:
        metadata = applied.get("metadata", {})
        api_version, kind = applied.get("apiVersion", ""), applied.get("kind", "")
        group, slash, version = api_version.partition("/")
        named = f"{group}/{version}" if slash else f"/{group}"
        who = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {named}, Kind={kind}"
        why = wrong[0] if len(wrong) == 1 else "\n  ".join(["errors:", *wrong])
        raise errors.ApiError(500, "", f"failed to create typed patch object ({who}): {why}")


def _managed_before(live: Obj | None, base: Obj, known: Shape, now: float) -> Managed:
    """Who owns what before an apply; everything that nobody tracked belongs to `before-first-apply`."""
    if live is None:
        return {}
    managed = decode(live.get("metadata", {}).get("managedFields"))
    if managed:
        return managed
    empty = normalise({"apiVersion": base.get("apiVersion"), "kind": base.get("kind")}, known)
    changes = compare(empty, base, known)
    own = difference(union(changes.modified, changes.added), _NOBODYS)
    if not own:
        return {}
    entry = Entry("before-first-apply", "Update", base.get("apiVersion", ""), "", timestamp(now), sorted_set(own))
    return {entry.key: entry}


def _applied(
    base: Obj, applied: Obj, entry: Entry, managed: Managed, known: Shape, conflicts: list[tuple[Entry, FieldSet]]
) -> tuple[Obj, Managed]:
    """The merged object and the owners after it; what others own and this apply changes goes into `conflicts`."""
    last = managed.get(entry.key)
    after = {**managed, entry.key: entry}
    merged = structured.merge(base, applied, known)
    if last is not None and not covers(entry.fields, last.fields):
        merged = _pruned(merged, last.fields, after, known)
    changes = compare(base, merged, known)
    changed = union(changes.modified, changes.added)
    for key, held in managed.items():
        if key == entry.key:
            continue
        if theirs := intersection(held.fields, changed):
            conflicts.append((held, theirs))
        if changes.removed:
            after[key] = replace(held, fields=difference(held.fields, changes.removed))
    return merged, after


def _pruned(merged: Obj, last: FieldSet, managed: Managed, known: Shape) -> Obj:
    """The merged object without what the manager applied last time, applies no more, and nobody else owns."""
    owned: FieldSet = {}
    for entry in managed.values():
        owned = union(owned, entry.fields)
    last, owned = with_named_fields(last, known), with_named_fields(owned, known)
    everything = with_named_fields(stated(merged, known), known)
    kept = with_named_fields(stated(structured.remove(merged, last, known), known), known)
    kept = structured.remove(merged, difference(everything, union(kept, owned)), known)
    gone = difference(everything, with_named_fields(stated(kept, known), known))
    pruned: Obj = structured.remove(merged, intersection(gone, last), known)
    return pruned


# conflicts


def _conflict(conflicts: list[tuple[Entry, FieldSet]]) -> errors.ApiError:
    said = sorted((held.described(), written(path)) for held, fields in conflicts for path in paths(fields))
    ordered = [(who, written(path)) for who, fields in _by_manager(conflicts) for path in paths(fields)]
    causes = [{"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in ordered]
    if len(said) == 1:
        message = f"Apply failed with 1 conflict: conflict with {said[0][0]}: {said[0][1]}"
    else:
        lines = []
        for who, fields in _by_manager(conflicts):
            lines += [f"conflicts with {who}:", *(f"- {written(path)}" for path in paths(fields))]
        message = f"Apply failed with {len(said)} conflicts: " + "\n".join(lines)
    return errors.ApiError(409, "Conflict", message, {"causes": causes})


def _by_manager(conflicts: list[tuple[Entry, FieldSet]]) -> list[tuple[str, FieldSet]]:
    return [(held.described(), fields) for held, fields in sorted(conflicts, key=lambda pair: pair[0].key)]


def _not_last_applied(live: Obj | None, conflicts: list[tuple[Entry, FieldSet]], known: Shape) -> list[tuple[Entry, FieldSet]]:
    """Conflicts that remain when kubectl takes over what it once applied from the client, and nobody has changed since."""
    annotation = ((live or {}).get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        configuration = orjson.loads(annotation or "")
        fields = stated(configuration, known)
        changes = compare(configuration, _bare(live or {}), known)
    except (ValueError, TypeError, AttributeError):
        return conflicts
    allowed = difference(difference(difference(fields, changes.modified), changes.added), changes.removed)
    beyond = any(not has(allowed, path) for _, theirs in conflicts for path in paths(theirs))
    if not beyond:
        return []
    rest = [(held, difference(theirs, allowed)) for held, theirs in conflicts]
    return [(held, theirs) for held, theirs in rest if theirs]


# managers


def _decode_sent(sent: Any, stored: Any, subresource: str) -> Managed:
    if subresource or sent is None or sent is stored:
        return _decode_or_nothing(stored)
    if not sent or sent == [{}]:
        return {}
    try:
        return decode(sent) or _decode_or_nothing(stored)
    except ValueError:
        return _decode_or_nothing(stored)


def _decode_or_nothing(stored: Any) -> Managed:
    try:
        return decode(stored)
    except ValueError:
        return {}


def _unsent(sent: Any, stored: Any) -> Managed | None:
    return _decode_or_nothing(stored) if stored else None


def _taken(managed: Managed, changes: Changes) -> Managed:
    """The entries without the fields that the change takes from them or removes; entries that own nothing go."""
    if not changes:
        return managed
    changed = union(changes.modified, changes.added)
    out: Managed = {}
    for key, entry in managed.items():
        fields = difference(difference(entry.fields, intersection(entry.fields, changed)), changes.removed)
        if fields:
            out[key] = entry if fields == entry.fields else replace(entry, fields=fields)
    return out


def _capped(managed: Managed) -> Managed:
    """At most ten entries of updates: the oldest of a version are gathered under `ancient-changes`."""
    updates = [entry for entry in managed.values() if entry.operation == "Update"]
    if len(updates) <= MOST_UPDATE_MANAGERS:
        return managed
    managed, many = dict(managed), len(updates)
    first: dict[str, Entry] = {}
    for entry in sorted(updates, key=lambda entry: (entry.time, entry.key)):
        if many <= MOST_UPDATE_MANAGERS:
            break
        oldest = first.get(entry.api_version)
        if oldest is None:
            first[entry.api_version] = entry
            continue
        bucket = Entry("ancient-changes", "Update", entry.api_version, "", entry.time, entry.fields)
        gathered = managed.get(bucket.key) or managed.pop(oldest.key, oldest)
        managed.pop(entry.key, None)
        managed[bucket.key] = replace(bucket, fields=sorted_set(union(entry.fields, gathered.fields)))
        many -= 1
    return managed


# shapes


def _bare(obj: Obj) -> Obj:
    """The object without its managedFields, sharing the rest."""
    metadata = obj.get("metadata")
    if not metadata or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _shape(obj: Obj) -> Shape:
    return shape_of(str(obj.get("apiVersion", "")), str(obj.get("kind", ""))) or _CUSTOM


_CUSTOM = custom()
