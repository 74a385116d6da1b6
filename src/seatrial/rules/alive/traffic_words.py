# ruff: noqa: E501 - a line of the table is one saying
"""How programs say that a call failed: whom they called, and whether no address, no answer, or a refusal came back.

One table of sayings, of resolvers, runtimes and command line tools; what stands behind an address is for `traffic`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

How = Literal["name", "refused", "silent", "cut"]


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that failed: `name` found no address, `refused` nobody listens, `silent` nobody answers, `cut` the
    connection is ended by the other end. `host` may be unknown."""

    how: How
    host: str
    port: int
    line: str


_HOST = r"(?P<host>(?!\d+[:.,-]|\d+\b(?!\.\d))[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?|\d+\.\d+\.\d+\.\d+)"
#: The time at the beginning of a line, whose parts look like hosts and ports.
_STAMP = re.compile(r"^[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?[\])]?\s*")
_PORT = r"(?P<port>\d{2,5})"
_REFUSED, _SILENT = (
    r"refused|ECONNREFUSED|no response",
    r"tim(?:ed|e) ?-?out|timeout|ETIMEDOUT|no route to host|unreachable|EHOSTUNREACH|deadline exceeded",
)
_CUT = r"reset by peer|ECONNRESET|socket hang up|server closed the connection unexpectedly"
#: The first that matches a line counts; what has no `how` of its own is told by the words in it.
_SAYINGS: tuple[tuple[How | None, re.Pattern[str]], ...] = tuple(
    (how, re.compile(pattern, re.IGNORECASE))  # type: ignore[misc]  # the words of the rows below
    for how, pattern in (
        ("name", rf"could not resolve host:? '?{_HOST}"),
        ("name", rf"bad address '{_HOST}(?::{_PORT})?'"),
        ("name", rf"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) {_HOST}"),
        ("name", rf"lookup {_HOST}(?: on \S+)?: (?:no such host|temporary failure|server misbehaving|.*i/o timeout|.*connection refused)"),
        ("name", rf"could not translate host name \"{_HOST}\""),
        ("name", rf"UnknownHost(?:Exception)?:? {_HOST}"),
        ("name", rf"can't (?:resolve|find) '?{_HOST}'?(?::|$)"),
        ("name", rf"(?:failed to|cannot|could not|unable to) resolve (?:host(?:name)? )?(?:address )?['\"‘]?{_HOST}(?::{_PORT})?"),
        ("name", rf"host not found in upstream \"{_HOST}(?::{_PORT})?"),
        ("name", rf"(?:host=|//|address )'?{_HOST}'?(?:[:,] ?(?:port=)?{_PORT})?.{{0,200}}(?:Name or service not known|nodename nor servname|Temporary failure in name resolution|NXDOMAIN)"),
        ("name", r"Name or service not known|Temporary failure in name resolution|Could not resolve hostname"),
        (None, rf"(?:failed to connect to|connect to) (?:host )?{_HOST} port {_PORT}.*(?:{_REFUSED}|{_SILENT}|couldn't connect)"),
        (None, rf"server at \"{_HOST}\"(?: \([\d.]+\))?, port {_PORT}.*(?:{_REFUSED}|{_SILENT})"),
        (None, rf"running on host \"{_HOST}\"(?:.*port {_PORT})?"),
        (None, rf"(?:can't connect to remote host|unable to connect to)[ (]+{_HOST}\)?(?::{_PORT})?.*(?:{_REFUSED}|{_SILENT})"),
        (None, rf"(?:dial tcp|ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|tried:)[ (]+(?:tcp:)?{_HOST}:{_PORT}"),
        (None, rf"\b{_HOST}:{_PORT}\b.{{0,80}}?(?:{_REFUSED}|{_SILENT})"),
        (None, rf"(?:{_REFUSED}|{_SILENT}).{{0,60}}?[ (/@\"']{_HOST}:{_PORT}\b"),
        (None, rf"(?:failed|unable|could not|couldn't) to (?:connect|reach)(?: to)? (?:\w+ )?(?:at )?{_HOST}:{_PORT}"),
        (None, rf"\w+://(?:[^\s@/]*@)?{_HOST}(?::{_PORT})?[^\s\"']*[\"']?:? .{{0,80}}?(?:{_REFUSED}|{_SILENT}|awaiting headers)"),
        ("cut", rf"{_HOST}:{_PORT}\b.{{0,80}}?(?:{_CUT}|EOF$)"),
        ("cut", rf"^(?!.*\bclient\b).*(?:{_CUT})"),
        ("silent", r"download timed out|Connection timed out|connect(?:ion)? timeout|Timeout was reached"),
        ("refused", r"Connection refused"),
    )
)  # fmt: skip


#: An address anywhere in a line.
_ADDRESS = re.compile(rf"\b{_HOST}:{_PORT}\b")


def addresses(line: str) -> list[tuple[str, int]]:
    """Every host:port in a line, whatever it says of them."""
    return [(found["host"], int(found["port"])) for found in _ADDRESS.finditer(_STAMP.sub("", line.strip()))]


def failed(line: str) -> Failed | None:
    """What a line says of a call that failed; None where it says nothing of one."""
    line = _STAMP.sub("", line.strip())
    for how, pattern in _SAYINGS:
        found = pattern.search(line)
        if found:
            parts = found.groupdict()
            told: How = how or ("silent" if re.search(_SILENT, line, re.IGNORECASE) else "refused")
            return Failed(told, parts.get("host") or "", int(parts.get("port") or 0), line)
    return None
