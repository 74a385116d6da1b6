"""A docker-compose file with what its services extend laid below them, and what of it runs once and ends.

`compose` reads the result as if it had been written so.  A file that is extended must lie in the folder of the first one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seatrial.app import AppFileErrors
from seatrial.importing.draft import Draft
from seatrial.importing.source import Node, read

DEPTH = 10  # services that extend services that extend …


def extended(node: Node, draft: Draft) -> Node:
    """The document with its services complete; what they extend and cannot be read is noted."""
    data = node.data
    services = {name: _complete(node, name, draft, 0) for name, part in data["services"].items() if isinstance(part, dict)}
    return Node(node.document, {**data, "services": {**data["services"], **services}}, node.path, node.offset)


def _complete(node: Node, name: str, draft: Draft, depth: int) -> dict[str, Any]:
    """A service of a file, laid over what it extends."""
    service = node["services"][name]
    own: dict[str, Any] = {key: value for key, value in service.data.items() if key != "extends"}
    if not service["extends"]:
        return own
    there, wanted = service["extends"]["file"].text, service["extends"]["service"].text or service["extends"].text
    other = _file(node, there) if there else node
    if other is None or not isinstance(other["services"][wanted].data, dict) or depth == DEPTH:
        where = f"`{wanted}` of {there}" if there else f"`{wanted}`"
        hint = "give the file that `docker compose config` prints"
        draft.note(service["extends"].place, f"`{name}` extends {where}, which was not found in this folder; {hint}")
        return own
    return _laid(_complete(other, wanted, draft, depth + 1), own)


def _file(node: Node, name: str) -> Node | None:
    """Another docker-compose file of the same folder."""
    here = Path(node.document.file).parent
    path = here / name
    if not path.is_file() or not path.resolve().is_relative_to(here.resolve()):
        return None
    try:
        found = read(path, "a docker-compose file")
    except AppFileErrors:
        return None
    return found[0] if len(found) == 1 and isinstance(found[0]["services"].data, dict) else None


def _laid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    return {**below, **{key: _over(below[key], value) if key in below else value for key, value in above.items()}}


def _over(below: Any, above: Any) -> Any:
    """Maps key by key, lists one after the other, and environments by the names of their variables."""
    if isinstance(below, dict) and isinstance(above, dict):
        return _laid(below, above)
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *(item for item in above if item not in below)]
    if isinstance(below, (dict, list)) and isinstance(above, (dict, list)):
        return _over(_mapped(below), _mapped(above))
    return above


def _mapped(value: Any) -> dict[str, Any]:
    """`[A=1, B]` as a map."""
    if isinstance(value, dict):
        return value
    pairs = (str(item).partition("=") for item in value)
    return {name: text if equals else None for name, equals, text in pairs}


_MIGRATES = re.compile(r"(?i)migrat|alembic|flyway|liquibase|prisma|schema|db[:_-](?:push|setup|upgrade)")


def one_offs(node: Node) -> dict[str, list[str]]:
    """Services that run once and end, and which services wait for each: those whose end is waited for, or that nothing starts
    again and nobody asks anything. For one that brings a store up to date, all others wait."""
    found: dict[str, list[str]] = {}
    for name, service in node["services"].items():
        for called, how in service["depends_on"].items():
            if how["condition"].text == "service_completed_successfully":
                found.setdefault(called, []).append(name)
        once = service["restart"].text == "no" or service["restart"].text.startswith("on-failure")
        asked = any(service[key].data for key in ("ports", "expose", "healthcheck"))
        if once and not asked and (service["profiles"] or service["command"] or service["entrypoint"]):
            words = " ".join([name, service["command"].text, *service["command"].words])
            others = [other for other, _ in node["services"].items() if other != name] if _MIGRATES.search(words) else []
            found.setdefault(name, others)
    return found


def built_for(node: Node) -> dict[str, str]:
    """Services that are built as an earlier one is, and start something else of it: which one that is."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for name, service in node["services"].items():
        build = service["build"]
        how = str(build.data if isinstance(build.data, dict) else {"context": build.text})
        if not build or service["image"]:
            continue
        if how in first and (service["command"] or service["entrypoint"]):
            found[name] = first[how]
        first.setdefault(how, name)
    return found


def sharing(node: Node, name: str, others: list[str]) -> Iterator[str]:
    """Those of the other services that run the same image as this one."""

    def image(service: Node) -> Any:
        build = service["build"]
        return build.text or build["context"].text or service["image"].text

    return (other for other in others if image(node["services"][other]) == image(node["services"][name]))
