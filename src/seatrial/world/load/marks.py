"""The line of a field in any YAML: a document is read once more, with marks, when somebody asks where something in it stands.

A path that is not there leads to the nearest part above it that is, which is where a person would add it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

from seatrial.world.load.careful import Loader, Redefining, too_deep
from seatrial.world.paths import Step, Steps


def marked(document: bytes, steps: Steps) -> tuple[int, int] | None:
    """Line and column, from 0 and counted from the document's start, of the last step that is there."""
    node = _node(document)
    mark: Any = None
    for step in steps:
        following = _step(node, step)
        if following is None:
            break
        mark, node = following
    return (mark.line, mark.column) if mark else None


def _step(node: Any, step: Step) -> tuple[Any, Any] | None:
    """(mark, node) one step on: the mark of the key for a map, of the item for a list."""
    if isinstance(step, int):
        if isinstance(node, yaml.SequenceNode) and step < len(node.value):
            return node.value[step].start_mark, node.value[step]
        return None
    if not isinstance(node, yaml.MappingNode):
        return None
    merged = None
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value == step:
                return key.start_mark, value
            if key.tag == "tag:yaml.org,2002:merge":
                merged = (key, value)
    if merged is not None:
        parts = merged[1].value if isinstance(merged[1], yaml.SequenceNode) else [merged[1]]
        for part in parts:
            found = _step(part, step) if isinstance(part, yaml.MappingNode) else None
            if found is not None:
                return found
    return None


@lru_cache(maxsize=32)
def _node(body: bytes) -> Any:
    """The nodes of a document with their marks, None where it cannot be read. JSON may be indented with tabs."""
    for text, loads in ((body, Loader), (body.replace(b"\t", b" "), Loader), (body, Redefining)):
        if too_deep(text) is not None:
            return None
        loader = loads(text)
        try:
            return loader.get_node() if loader.check_node() else None
        except yaml.YAMLError:
            continue
        finally:
            loader.dispose()
    return None
