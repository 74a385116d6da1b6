"""How a value of the app file is read: a check that returns it or says what is wrong, and the same for editors.

The values themselves are in `values`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from seatrial.app.document import text_of


@dataclass(frozen=True, slots=True)
class Reads:
    """How a value of the file becomes one of ours: `check` returns it or raises `wrong`; `schema` says the same to editors."""

    check: Callable[[Any], Any]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema)

    def __hash__(self) -> int:
        return id(self)


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """The error of a value that is not what it should be."""
    return PydanticCustomError("seatrial", "{message}", {"message": message, "hint": hint})


def kind_of(value: Any) -> str:
    """What a person would call a value: `the text "x"`, `a list`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{text_of(value)}`"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, (int, float)):
        return f"the number {text_of(value)}"
    text = shown(str(value))
    return f'the text "{text if len(text) <= 60 else text[:57] + "..."}"'


def shown(text: str) -> str:
    """A text as a message may repeat it: without the password of a URL."""
    return re.sub(r"(://[^/\s:@]*):[^/\s@]*@", r"\1:…@", text)


def string(what: str) -> Callable[[Any], str]:
    """A check that takes texts, and numbers as they were written."""

    def check(value: Any) -> str:
        if value is None or isinstance(value, (dict, list, bool)):
            raise wrong(f"{what} is wanted here, not {kind_of(value)}")
        return text_of(value)

    return check


def text(what: str, pattern: str, hint: str, limit: int = 1024, example: str = "", numeric: bool = False) -> Reads:
    """Texts that match `pattern` whole and have at most `limit` characters."""
    compiled, as_text = re.compile(pattern), string(what)

    def check(value: Any) -> str:
        found = as_text(value)
        if len(found) > limit:  # first: it also bounds the work of the pattern
            raise wrong(f"{what} may have {limit} characters; this has {len(found)}")
        if not compiled.fullmatch(found):
            raise wrong(f'"{shown(found)[:80]}" is not {what}', hint)
        return found

    schema: dict[str, Any] = {
        "type": ["string", "number"] if numeric else "string",
        "pattern": f"^(?:{pattern})$",
        "maxLength": limit,
    }
    if example:
        schema["examples"] = [example]
    return Reads(check, schema)
