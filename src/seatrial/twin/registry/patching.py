"""Patches and field ownership, over `twin.merge`: what a PATCH makes of an object, and whose fields it then has."""

from __future__ import annotations

from typing import Any

from seatrial.twin import errors, merge
from seatrial.twin.registry.options import Options
from seatrial.twin.registry.resources import Resource
from seatrial.world.objects import Obj
from seatrial.world.schema import Shape

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def patched(old: Obj, patch: Any, patch_type: str) -> Obj:
    """A new object: `old` with the patch applied; `old` stays as it is. Raises ApiError for a patch that cannot be."""
    if patch_type == JSON:
        return merge.json_patch(old, patch)
    if not isinstance(patch, dict):
        raise errors.bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    if patch_type == MERGE:
        return merge.merge_patch(old, patch)
    if patch_type == STRATEGIC:
        return merge.strategic_merge_patch(old, patch)
    raise errors.ApiError(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {patch_type}")


def applied(kind: Resource, live: Obj | None, wanted: Obj, options: Options, subresource: str, now: float) -> Obj:
    """Server-side apply: the merged object with its managedFields. Raises ApiError (409) where another manager owns a field."""
    return merge.apply.apply(
        live,
        wanted,
        manager=options.manager,
        force=options.force,
        now=now,
        subresource=subresource,
        type_=_shape(kind),
    )


def track(kind: Resource, old: Obj | None, new: Obj, options: Options, subresource: str, now: float) -> Obj:
    """The object with managedFields that give what this write changed to its manager."""
    return merge.track_update(old, new, manager=options.manager, subresource=subresource, now=now, type_=_shape(kind))


def _shape(kind: Resource) -> Shape | None:
    """What a custom resource looks like; built-in kinds are known to `schema`."""
    return kind.custom.shape if kind.custom else None


def same(new: Obj, old: Obj) -> bool:
    """Whether a write would change nothing but the times in managedFields."""
    if new == old:
        return True
    fields, before = new["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if not fields or not before or _timeless(fields) != _timeless(before):
        return False
    return {**new, "metadata": {**new["metadata"], "managedFields": before}} == old


def _timeless(fields: list[Obj]) -> list[Obj]:
    return [{key: value for key, value in entry.items() if key != "time"} for entry in fields]
