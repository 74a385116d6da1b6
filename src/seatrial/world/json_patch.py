"""One operation of JSON Patch (RFC 6902) on a document of dictionaries and lists: `add`, `replace`, `remove`, `move`.

For patches that are tried on copies and written into files.  What the API server answers to a patch is the twin's own matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def steps_of(pointer: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901): `/metadata/labels/a~1b` is metadata, labels, a/b."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def change(document: Any, operation: Mapping[str, Any], prefix: Sequence[str] = ()) -> None:
    """One operation on the part of a document below `prefix`, in place; `apply` says what it raises."""
    steps = [*prefix, *steps_of(operation["path"])]
    if operation["op"] == "move":
        source = [*prefix, *steps_of(operation["from"])]
        value = _at(document, source)
        apply(document, "remove", source)
        apply(document, "add", steps, value)
    else:
        apply(document, operation["op"], steps, operation.get("value"))


def _at(document: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def apply(document: Any, op: str, steps: Sequence[str], value: Any = None) -> None:
    """Change the document in place. Raises KeyError, IndexError, TypeError or ValueError where the operation does not fit it."""
    here = document
    for step in steps[:-1]:
        here = here[int(step)] if isinstance(here, list) else here[step]
    last = steps[-1]
    if isinstance(here, list):
        place = len(here) if last == "-" else int(last)
        if op == "add":
            here.insert(place, value)
        elif op == "replace":
            here[place] = value
        else:
            del here[place]
    elif op == "remove":
        del here[last]
    else:
        here[last] = value
