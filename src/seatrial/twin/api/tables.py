"""The Table form of lists and objects, which `kubectl get` prints: columns of `printers`, one row an object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.api.printers import Column, columns_of
from seatrial.twin.registry.conversion import convert
from seatrial.twin.registry.resources import Resource
from seatrial.world.objects import Obj

_API_VERSION = "meta.k8s.io/v1"


def table(kind: Resource, objects: Iterable[Obj], now: float, include: str = "Metadata", headers: bool = True) -> Obj:
    """The Table of objects at `now`, seconds since the epoch; `include` None, Metadata or Object: what each row carries."""
    columns = columns_of(kind)
    rows = [row(columns, kind, obj, now, include) for obj in objects]
    definitions = [column.definition() for column in columns] if headers else None
    return {"kind": "Table", "apiVersion": _API_VERSION, "metadata": {}, "columnDefinitions": definitions, "rows": rows}


def row(columns: Sequence[Column], kind: Resource, obj: Obj, now: float, include: str) -> Obj:
    cells = [column.cell(obj, now) for column in columns]
    found: Obj = {"cells": cells}
    if include == "Object":
        found["object"] = convert(obj, kind)
    elif include != "None":
        found["object"] = metadata_only(obj)
    return found


def metadata_only(obj: Obj) -> Obj:
    return {"kind": "PartialObjectMetadata", "apiVersion": _API_VERSION, "metadata": obj["metadata"]}
