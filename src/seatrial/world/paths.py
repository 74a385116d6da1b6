"""Paths into objects, as evidence writes them: `spec.template.spec.volumes[0].configMap.name`.

A key that holds a dot, a bracket or a quote stands in brackets:
`metadata.annotations["nginx.ingress.kubernetes.io/rewrite-target"]`. In a pattern, `[*]` is every item of a list and `*` every
key of a map.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

Step = str | int
Steps = tuple[Step, ...]

#: Every item of a list, in a pattern; every key of a map is the step `*`.
EACH = -1

_STEP = re.compile(r'\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]|\.?([^.\[\]"]+)')
_ODD = re.compile(r'[.\[\]"\s]|^$')


@lru_cache(maxsize=8192)
def split(path: str) -> Steps:
    """The steps of a path: texts for keys, numbers for items (`EACH` for `[*]`). Raises ValueError when it is no path."""
    steps: list[Step] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            raise ValueError(f"{path!r} is no path such as spec.containers[0].image")
        index, quoted, key = found.groups()
        if index is not None:
            steps.append(EACH if index == "*" else int(index))
        else:
            steps.append(key if quoted is None else json.loads(f'"{quoted}"'))
        position = found.end()
    return tuple(steps)


def join(steps: Iterable[Step]) -> str:
    """The path of some steps."""
    return "".join(_written(step) for step in steps).removeprefix(".")


@lru_cache(maxsize=8192)
def _written(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f"[{json.dumps(step, ensure_ascii=False)}]" if _ODD.search(step) else f".{step}"


def at(obj: Any, path: str, default: Any = None) -> Any:
    """The value at a path, or `default` where a step is missing or the value is null."""
    for step in split(path):
        if isinstance(step, int):
            if not isinstance(obj, list) or not 0 <= step < len(obj):
                return default
            obj = obj[step]
        else:
            if not isinstance(obj, dict) or step not in obj:
                return default
            obj = obj[step]
    return default if obj is None else obj
