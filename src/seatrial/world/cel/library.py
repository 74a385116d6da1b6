"""Functions that Kubernetes adds to CEL (apiserver, pkg/cel/library): lists, sets, quantities, addresses.

A quantity is a map with one key here, which equals another one of the same amount.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

from seatrial.world import quantity as quantities

Table = tuple[tuple[str, bool, str, str, Callable[..., Any]], ...]  # name, member, parameters, result, function

#: Numbers that would take long to be written out.
_LONGEST, _HUGE = 64, re.compile(r"[eE][+-]?\d{4}")


def _amount(text: str) -> Fraction:
    if len(text) > _LONGEST or _HUGE.search(text):
        raise ValueError("no quantity that anybody needs")
    return quantities.parse(text)


def _quantity(text: str) -> dict[str, str]:
    return {"quantity": str(_amount(text))}


def _parses(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def can(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return can


def _compare(one: dict[str, str], other: dict[str, str]) -> int:
    a, b = Fraction(one["quantity"]), Fraction(other["quantity"])
    return int(a > b) - int(a < b)


def _url(text: str) -> None:
    parts = urlsplit(text)
    if not (parts.scheme and parts.netloc) and not text.startswith("/"):
        raise ValueError("no absolute URL")


def _cidr(text: str) -> None:
    if "/" not in text:
        raise ValueError("no prefix")
    ipaddress.ip_network(text, strict=False)


_TABLE: Table = (
    ("isSorted", True, "LIST", "BOOL", lambda values: values == sorted(values)),
    ("sum", True, "LIST", "DYN", sum),
    ("min", True, "LIST", "DYN", min),
    ("max", True, "LIST", "DYN", max),
    ("sets.contains", False, "LIST LIST", "BOOL", lambda one, other: all(each in one for each in other)),
    ("sets.intersects", False, "LIST LIST", "BOOL", lambda one, other: any(each in one for each in other)),
    (
        "sets.equivalent",
        False,
        "LIST LIST",
        "BOOL",
        lambda one, other: all(each in one for each in other) and all(each in other for each in one),
    ),
    ("isQuantity", False, "STRING", "BOOL", _parses(_amount)),
    ("quantity", False, "STRING", "MAP", _quantity),
    ("compareTo", True, "MAP MAP", "INT", _compare),
    ("isGreaterThan", True, "MAP MAP", "BOOL", lambda one, other: _compare(one, other) > 0),
    ("isLessThan", True, "MAP MAP", "BOOL", lambda one, other: _compare(one, other) < 0),
    ("isIP", False, "STRING", "BOOL", _parses(ipaddress.ip_address)),
    ("isCIDR", False, "STRING", "BOOL", _parses(_cidr)),
    ("isURL", False, "STRING", "BOOL", _parses(_url)),
)


def functions(cel: Any) -> list[Any]:
    """The functions, declared for an environment of the module `cel`."""
    made = []
    for name, member, parameters, result, function in _TABLE:
        types = [getattr(cel.Type, each) for each in parameters.split()]
        identity = f"kubernetes_{name.replace('.', '_')}"
        overload = cel.Overload(
            identity, return_type=getattr(cel.Type, result), parameters=types, is_member=member, impl=function
        )
        made.append(cel.FunctionDecl(name, [overload]))
    return made
