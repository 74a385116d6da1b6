"""How a plan is shown: object by object, field by field, with who manages what would be taken over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

#: action of an object, or change of a field -> the sign before it.
SIGNS = {"add": "+", "change": "~", "remove": "-", "added": "+", "changed": "~", "removed": "-"}
#: Fields of one object that a release shows; `seatrial diff` shows all of them.
SHOWN = 8
#: Characters of a value in one line.
WIDTH = 90


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """A plan as `seatrial diff` prints it."""
    against = f"revision {document['revision']}" if document.get("revision") else "nothing: it was never released"
    yield f"{document.get('source', '')} to {document['release']} in {document['namespace']}, against {against}"
    yield from changes(document["changes"], None)
    yield summary(document["summary"])


def changes(found: Sequence[Mapping[str, Any]], most: int | None = SHOWN) -> Iterator[str]:
    """The objects that change, with at most so many fields of each (None: all)."""
    for change in found:
        ref, fields = change["ref"], change.get("fields", ())
        rolls = any(field["path"].startswith("spec.template") for field in fields) and change["action"] == "change"
        yield f"  {SIGNS[change['action']]} {ref['kind']} {ref['name']}" + ("  (rolls its pods)" if rolls else "")
        if change["action"] == "add" and most is not None:
            continue
        for field in fields[:most]:
            yield from _field(field)
        if most is not None and len(fields) > most:
            yield f"      … and {len(fields) - most} fields more: seatrial diff shows them"


def _field(field: Mapping[str, Any]) -> Iterator[str]:
    owner = f"  (managed by {field['owner']}, would be taken over)" if field.get("owner") else ""
    before, after = field.get("before"), field.get("after")
    if field["change"] == "changed":
        yield from _told(f"      ~ {field['path']}: ", f"{_value(before)} → {_value(after)}{owner}")
    else:
        value = after if field["change"] == "added" else before
        if isinstance(value, (dict, list)) and len(_value(value)) > WIDTH:
            yield f"      {SIGNS[field['change']]} {field['path']}:{owner}"
            yield from (f"          {line}" for line in _yaml(value))
        else:
            yield from _told(f"      {SIGNS[field['change']]} {field['path']}: ", f"{_value(value)}{owner}")


def _told(before: str, text: str) -> Iterator[str]:
    first, *rest = text.split("\n")
    yield f"{before}{first}"
    yield from (f"          {line}" for line in rest)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value and "\n" not in value else _quoted(value)
    if isinstance(value, (dict, list)):
        import json

        return json.dumps(value, ensure_ascii=False)
    return (
        {True: "true", False: "false", None: "nothing"}.get(value, str(value)) if isinstance(value, bool | None) else str(value)
    )


def _quoted(value: str) -> str:
    """An empty text, or one of several lines: the lines, one below the other."""
    return "\n".join(["|", *(f"  {line}" for line in value.rstrip("\n").split("\n"))]) if value else '""'


def _yaml(value: Any) -> list[str]:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=WIDTH)).rstrip("\n").split("\n")


def summary(counts: Mapping[str, int]) -> str:
    """`2 added, 1 changed, 30 unchanged`; `no difference` where there is none."""
    said = [f"{counts.get(key, 0)} {key}" for key in ("added", "changed", "removed") if counts.get(key)]
    unchanged = counts.get("unchanged", 0)
    if not said:
        return f"no difference: {unchanged} objects are as they should be"
    return ", ".join([*said, f"{unchanged} unchanged"] if unchanged else said)


def styled(line: str) -> str:
    """A line as it is coloured in a terminal, by its sign."""
    colours = {"+": "green", "~": "yellow", "-": "red"}
    sign = line.strip()[:1]
    return click.style(line, fg=colours[sign]) if sign in colours and line.startswith("  ") else line
