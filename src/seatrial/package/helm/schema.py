"""values.schema.json: what values.yaml and the values files may say, from what they do say.

A key that no values file knows is refused by `helm install`, so a misspelt one is told instead of ignored.  Descriptions, which
editors show, are those of `reference`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.package.helm.merge import Values
from seatrial.package.helm.reference import WORDS, Keys, kind, words

#: Maps whose keys are free: variables, and what Kubernetes itself checks.
FREE = ("config", "secrets", "env", "annotations", "nodeSelector")
OPEN = ("resources", "quota", "affinity")
#: What any service may be given, whether or not an environment does.
SCALE = ("min", "max", "cpu", "memory")
IMAGE = ("repository", "tag", "digest")

About = Mapping[Keys, str]


def values_schema(values: Mapping[str, Values], about: About) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_of((), list(values.values()), about)}
    if "environment" in schema["properties"]:
        schema["properties"]["environment"] = _described(("environment",), {"enum": list(values)}, about)
    schema["properties"]["global"] = {"type": "object", "description": "Helm's own, for charts that this one is part of."}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _of(keys: Keys, found: Sequence[Any], about: About) -> dict[str, Any]:
    """The schema of a value from all that environments say of it."""
    return _described(keys, _bare(keys, found, about), about)


def _described(keys: Keys, schema: dict[str, Any], about: About) -> dict[str, Any]:
    said = words(keys, about) if keys else ""
    return {"description": said, **schema} if said else schema


def _bare(keys: Keys, found: Sequence[Any], about: About) -> dict[str, Any]:
    last = keys[-1] if keys else ""
    if last == "scale" and len(keys) == 3:
        number = {"type": ["integer", "null"], "minimum": 1}
        return _closed({key: _described((*keys, key), number, about) for key in SCALE})
    if last == "image" and len(keys) == 3:
        text = {"type": ["string", "null"]}
        return _closed({key: _described((*keys, key), text, about) for key in IMAGE}) | {"required": ["repository"]}
    if ".".join(keys) in WORDS:
        return {"enum": list(WORDS[".".join(keys)])}
    if any(isinstance(value, dict) for value in found):
        return _map(keys, [value for value in found if isinstance(value, dict)], about)
    if any(isinstance(value, list) for value in found):
        return {"type": ["array", "null"]}
    types = sorted({kind(value) for value in found} - {"null"})
    return {"type": [*types, "null"]} | ({"minimum": 0} if types == ["integer"] else {})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _map(keys: Keys, found: Sequence[Mapping[str, Any]], about: About) -> dict[str, Any]:
    if keys and keys[-1] in FREE:
        return {"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}}
    if keys and keys[-1] in OPEN:
        return {"type": ["object", "null"]}
    names = list(dict.fromkeys(name for value in found for name in value))
    properties = {name: _of((*keys, name), [value[name] for value in found if name in value], about) for name in names}
    return _closed(properties) | ({} if keys else {"type": "object"})
