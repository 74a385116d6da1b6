"""values.schema.json: what values.yaml and the values files may say, from what they do say.

A key that no values file knows is refused by `helm install`, so a misspelt one is told instead of ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.package.helm.merge import Values

#: Maps whose keys are free: variables, and what Kubernetes itself checks.
FREE = {"config": "string", "secrets": "string", "env": "string"}
OPEN = ("resources", "quota")
#: What any service may be given, whether or not an environment does.
SCALE = {
    "type": ["object", "null"],
    "properties": {key: {"type": ["integer", "null"], "minimum": 1} for key in ("min", "max", "cpu", "memory")},
    "additionalProperties": False,
}
IMAGE = {
    "type": "object",
    "properties": {key: {"type": "string"} for key in ("repository", "tag", "digest")},
    "required": ["repository"],
    "additionalProperties": False,
}


def values_schema(values: Mapping[str, Values]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_of("", list(values.values()))}
    schema["properties"]["global"] = {"type": "object"}  # Helm's own, for charts that this one is part of
    return json.dumps(schema, indent=2) + "\n"


def _of(key: str, found: Sequence[Any]) -> dict[str, Any]:
    """The schema of a value from all that environments say of it."""
    if key == "scale":
        return SCALE
    if key == "image":
        return IMAGE
    if any(isinstance(value, dict) for value in found):
        return _map(key, [value for value in found if isinstance(value, dict)])
    if any(isinstance(value, list) for value in found):
        return {"type": ["array", "null"]}
    return {"type": [*sorted({_type(value) for value in found}), "null"]}


def _map(key: str, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kind = ["object", "null"] if key else "object"
    if key in FREE:
        return {"type": kind, "additionalProperties": {"type": [FREE[key], "null"]}}
    if key in OPEN:
        return {"type": kind}
    names = list(dict.fromkeys(name for value in found for name in value))
    properties = {name: _of(name, [value[name] for value in found if name in value]) for name in names}
    return {"type": kind, "properties": properties, "additionalProperties": False}


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "string"
