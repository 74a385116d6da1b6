"""Custom resources: CustomResourceDefinitions in the store become rows of the resource table, and stop being so.

A definition counts once its controller has established it.  What a version brings (schema, columns, scale) rides on its
`Resource`, so that whoever has the row has everything.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.twin.registry.custom_version import CustomVersion
from seatrial.twin.registry.resources import Resource, ResourceTable
from seatrial.twin.registry.scaling import ScalePaths
from seatrial.twin.store import Change, Store
from seatrial.world.cel.rules import Rules, has_rules
from seatrial.world.objects import Obj, dig, name_of
from seatrial.world.schema import structural

DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
#: What a definition of no columns prints.
_AGE: Obj = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


class CustomResources:
    """Keeps the resource table in step with the definitions in the store."""

    def __init__(self, store: Store, resources: ResourceTable) -> None:
        self._resources = resources
        self._served: dict[str, list[Resource]] = {}
        for definition in store.list(DEFINITIONS):
            self._serve(definition)
        store.subscribe(DEFINITIONS, self._changed)

    def _changed(self, change: Change) -> None:
        old, new = change.old, change.object
        if change.type == "DELETED":
            self._forget(name_of(new))
        elif old is None or old.get("spec") != new.get("spec") or is_established(old) != is_established(new):
            self._serve(new)

    def _serve(self, definition: Obj) -> None:
        self._forget(name_of(definition))
        if is_established(definition):
            rows = list(rows_of(definition))
            for row in rows:
                self._resources.add(row)
            self._served[name_of(definition)] = rows

    def _forget(self, name: str) -> None:
        for row in self._served.pop(name, ()):
            self._resources.remove(row)


def is_established(definition: Obj) -> bool:
    conditions = dig(definition, "status.conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def rows_of(definition: Obj) -> Iterator[Resource]:
    """A row for each version, the stored one first, which is how the table knows it; versions not served are kept from view."""
    spec = definition["spec"]
    names = spec["names"]
    for version in sorted(spec["versions"], key=lambda version: not version.get("storage")):
        subresources = version.get("subresources") or {}
        yield Resource(
            group=spec["group"],
            version=version["name"],
            kind=names["kind"],
            plural=names["plural"],
            namespaced=spec["scope"] == "Namespaced",
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=tuple(name for name in ("scale", "status") if subresources.get(name) is not None),
            singular=names.get("singular") or names["kind"].lower(),
            list_kind=names.get("listKind") or "",
            served=bool(version.get("served")),
            custom=_version(version, f"{spec['group']}/{version['name']} {names['kind']}"),
        )


def _version(version: Obj, called: str) -> CustomVersion:
    schema = dig(version, "schema.openAPIV3Schema")
    scale = dig(version, "subresources.scale")
    warning = version.get("deprecationWarning") or f"{called} is deprecated" if version.get("deprecated") else ""
    return CustomVersion(
        schema=schema,
        shape=structural(schema),
        rules=Rules(schema) if has_rules(schema) else None,
        columns=tuple(version.get("additionalPrinterColumns") or (_AGE,)),
        selectable=tuple(field["jsonPath"].removeprefix(".") for field in version.get("selectableFields") or ()),
        scale=_scale(scale) if scale else None,
        warning=warning,
    )


def _scale(scale: Obj) -> ScalePaths:
    return ScalePaths(
        scale["specReplicasPath"].removeprefix("."),
        scale["statusReplicasPath"].removeprefix("."),
        (scale.get("labelSelectorPath") or "").removeprefix("."),
    )
