"""Objects as plain YAML: one stream for `kubectl apply -f -`, or a file for each object."""

from __future__ import annotations

from collections.abc import Iterable
from json import dumps

from seatrial.package.emit import document
from seatrial.package.files import FileTree
from seatrial.world.objects import Obj, name_of


def stream(objects: Iterable[Obj]) -> str:
    """All objects in one text, in the order they are given, which is the order they are applied in."""
    return "---\n".join(document(obj) for obj in objects)


def as_list(objects: Iterable[Obj]) -> str:
    """All objects as JSON: one List, as kubectl prints and takes it."""
    return dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=2, ensure_ascii=False) + "\n"


def files(objects: Iterable[Obj]) -> FileTree:
    """A file for each object, numbered so that `kubectl apply -f FOLDER` keeps their order."""
    found = list(objects)
    width = len(str(len(found)))
    return {
        f"{number:0{width}}-{obj['kind'].lower()}-{name_of(obj)}{'.sops' if 'sops' in obj else ''}.yaml": document(obj)
        for number, obj in enumerate(found, 1)
    }
