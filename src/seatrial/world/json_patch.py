"""One operation of JSON Patch (RFC 6902) on a document of dictionaries and lists: `add`, `replace`, `remove`.

For patches that are tried on copies and written into files.  What the API server answers to a patch is the twin's own matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def steps_of(pointer: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901): `/metadata/labels/a~1b` is metadata, labels, a/b."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


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
