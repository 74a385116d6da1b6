"""Which services and stores a variable names, and the same variable with the names and ports that they have now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Names:
    """What services and stores were called, and what they are called in the app file."""

    ours: dict[str, str] = field(default_factory=dict)  # old name -> new one
    left_out: set[str] = field(default_factory=set)
    ports: dict[str, dict[int, int]] = field(default_factory=dict)  # old name -> the port callers knew -> the one it has


_HOST = re.compile(r"(?:^|//|@|[\s,])([A-Za-z0-9][A-Za-z0-9_.-]*)(?=(:[0-9]+)?(?:[/,\s]|$))")
_ADDRESS = re.compile(r"(?i)host|addr|url|uri|server|endpoint|broker|service|dsn|upstream")
_IMPLIED = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def hosts(name: str, value: str | None, names: Names) -> list[str]:
    """The services that a variable names: in a URL, with a port, or alone in a variable that is called like an address."""
    return [known for known, _ in _found(name, (value or "")[:2000], names)]


def _found(name: str, value: str, names: Names) -> Iterator[tuple[str, re.Match[str]]]:
    plain = "//" in value or bool(_ADDRESS.search(name))
    for match in _HOST.finditer(value):
        host, port = match[1], match[2]
        first = host.split(".", 1)[0]
        known = host if host in names.ours else first
        if known in names.ours and (plain or port) and (known == host or ".svc" in host or host.count(".") == 1):
            yield known, match


def as_now(name: str, value: str, names: Names) -> str:
    """The value of a variable with every host by its name of now, at its port of now."""
    pieces, end = [], 0
    for known, match in _found(name, value, names):
        ports, ours = names.ports.get(known, {}), names.ours[known]
        scheme = re.search(r"([a-z]+)://$", value[: match.start(1)])
        asked = int(match[2][1:]) if match[2] else _IMPLIED.get(scheme[1] if scheme else "", 0)
        now = ports.get(asked, asked)
        shown = f":{now}" if match[2] or now != asked else ""
        pieces += [value[end : match.start(1)], ours, shown]
        end = match.end(1) + len(match[2] or "")
    return "".join([*pieces, value[end:]])
