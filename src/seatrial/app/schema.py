"""The JSON schema of the app file, from the model that reads it. `docs/seatrial.schema.json` is this text."""

from __future__ import annotations

import json
from typing import Any

from seatrial.app.model import App

URL = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    found = App.model_json_schema(mode="validation")
    return {"$schema": URL, "title": "Seatrial app file", **_plain(found)}


def text() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(part: Any, inside: str = "") -> Any:
    """Without the titles and null defaults that only repeat names; a key named `title` would stay."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    names = inside in ("properties", "$defs")
    return {key: _plain(value, "" if names else key) for key, value in part.items() if names or not _is_noise(key, value)}


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and (value is None or value == {}))
