"""Label selectors, in their three forms: a map, a LabelSelector object, and the query string of kubectl's `-l`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from seatrial.world.patterns import pattern

Labels = Mapping[str, str]
Predicate = Callable[[Labels], bool]


def matches_labels(wanted: Labels, labels: Labels) -> bool:
    """Whether `labels` carries every pair of `wanted`; an empty map matches everything."""
    return all(labels.get(key) == value for key, value in wanted.items())


def matches(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """A LabelSelector against labels. None selects nothing, an empty selector everything (apimachinery, meta/v1 helpers)."""
    if selector is None:
        return False
    if not matches_labels(selector.get("matchLabels") or {}, labels):
        return False
    return all(_expression(rule, labels) for rule in selector.get("matchExpressions") or ())


def _expression(rule: Mapping[str, Any], labels: Labels) -> bool:
    key: str = rule["key"]
    values: list[str] = rule.get("values") or []
    match rule["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "Gt" | "Lt":
            have, bound = _number(labels.get(key)), _number(values[0])
            if have is None or bound is None:
                return False
            return have > bound if rule["operator"] == "Gt" else have < bound
    raise ValueError(f"{rule['operator']!r} is not a label selector operator")


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


_TERM = pattern(
    r"\s*(?:"
    r"(?P<absent>!)\s*(?P<nokey>[\w./-]+)"
    r"|(?P<key>[\w./-]+)\s*(?:"
    r"(?P<set>in|notin)\s*\((?P<values>[^)]*)\)"
    r"|(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)"
    r")?"
    r")\s*(?:,|$)"
)


def parse(query: str) -> Predicate:
    """The predicate of a selector string such as `app in (web,api),!legacy`. Raises ValueError when it cannot be read."""
    rules: list[dict[str, Any]] = []
    position = 0
    while position < len(query):
        term = _TERM.match(query, position)
        if term is None or term.end() == position:
            raise ValueError(f"unable to parse requirement: found {query[position:]!r}")
        position = term.end()
        if term["absent"]:
            rules.append({"key": term["nokey"], "operator": "DoesNotExist"})
        elif term["set"]:
            values = [value.strip() for value in term["values"].split(",")]
            rules.append({"key": term["key"], "operator": "In" if term["set"] == "in" else "NotIn", "values": values})
        elif term["op"]:
            operator = "NotIn" if term["op"] == "!=" else "In"
            rules.append({"key": term["key"], "operator": operator, "values": [term["value"]]})
        else:
            rules.append({"key": term["key"], "operator": "Exists"})
    return lambda labels: all(_expression(rule, labels) for rule in rules)
