"""PromQL, parsed: what a query in an alert, an analysis or a trigger cannot mean.

The grammar is promql-parser's.  Metrics are known by the habits of their names (`_total`, `_bucket`), which Prometheus' own
naming rules set; values are not known, so nothing is said about thresholds that may be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from seatrial.world.patterns import pattern

#: Labels that tell whose series these are.
OWNERS = frozenset(
    [
        "job",
        "instance",
        "namespace",
        "kubernetes_namespace",
        "exported_namespace",
        "app",
        "app_kubernetes_io_name",
        "service",
        "service_name",
        "pod",
        "pod_name",
        "container",
        "deployment",
        "statefulset",
        "daemonset",
        "name",
        "cluster",
        "component",
        "workload",
        "destination_service",
        "destination_service_name",
        "destination_workload",
        "destination_app",
        "exported_job",
        "exported_service",
        "host",
        "ingress",
        "le",
        "phase",
        "condition",
        "release",
        "application",
        "team",
        "node",
        "device",
        "cluster_id",
        "alertname",
        "horizontalpodautoscaler",
        "persistentvolumeclaim",
        "rollouts_pod_template_hash",
        "scaledObject",
    ]
)
COUNTERS = pattern(r"_(?:total|count|sum|bucket)$")
RATES = frozenset({"rate", "irate", "increase", "resets", "changes", "delta", "idelta", "deriv"})
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
#: Metrics of cAdvisor, which has a series for each container, one for the pause container and one for the whole pod.
_CADVISOR = pattern(r"container_(?:memory|cpu|fs|spec)_\w+")
_PLACEHOLDER = pattern(r"\{\{[^{}]*\}\}")


class Slip(NamedTuple):
    """Something a query cannot mean: the rule, and what stands there."""

    rule: str
    says: str


@lru_cache(maxsize=4096)
def slips(query: str, scoped: bool) -> tuple[Slip, ...]:
    """What is wrong with a query. `scoped`: it should name whose series it means (alerts and analyses do)."""
    tree = _tree(query)
    if isinstance(tree, str):
        return (Slip("promql-syntax", tree),)
    return tuple(dict.fromkeys(_all(tree, scoped)))


def parsed(query: str) -> Any:
    """The tree of a query; None where it cannot be read."""
    tree = _tree(query)
    return None if isinstance(tree, str) else tree


@lru_cache(maxsize=4096)
def _tree(query: str) -> Any:
    """The tree of a query, or in words why it cannot be read."""
    import promql_parser  # only worlds with queries pay for it

    try:
        return promql_parser.parse(_PLACEHOLDER.sub("placeholder", query))
    except ValueError as error:
        return str(error).split("\n")[0]


def inner(node: Any) -> list[Any]:
    """The parts of an expression."""
    kind = type(node).__name__
    if kind == "BinaryExpr":
        return [node.lhs, node.rhs]
    if kind == "Call":
        return list(node.args)
    if kind == "MatrixSelector":
        return [node.vector_selector]
    if kind == "AggregateExpr":
        return [node.expr] + ([node.param] if node.param is not None else [])
    return [node.expr] if hasattr(node, "expr") else []


def every(node: Any) -> Iterator[Any]:
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(inner(here))


def bare(node: Any) -> Any:
    while type(node).__name__ == "ParenExpr":
        node = node.expr
    return node


def matchers(selector: Any) -> dict[str, str]:
    """label -> operator and value, as written: `=~"5.."`."""
    found = {}
    for each in [
        *selector.matchers.matchers,
        *(one for group in getattr(selector.matchers, "or_matchers", None) or () for one in group),
    ]:
        found[each.name] = f"{_operator(each.op)}{each.value}"
    return found


def _operator(op: Any) -> str:
    name = str(op).rpartition(".")[2]
    return {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}.get(name, name)


def metric(selector: Any) -> str:
    return str(selector.name or matchers(selector).get("__name__", "").lstrip("=~!"))


def selectors(node: Any) -> list[Any]:
    return [each for each in every(node) if type(each).__name__ == "VectorSelector"]


def is_comparison(node: Any) -> bool:
    return type(node).__name__ == "BinaryExpr" and str(node.op) in COMPARISONS


def _all(tree: Any, scoped: bool) -> Iterator[Slip]:
    yield from _rates(tree)
    yield from _ratios(tree)
    yield from _pairs(tree)
    yield from _quantiles(tree)
    yield from _limits(tree)
    if scoped:
        for each in selectors(tree):
            if metric(each) and not _is_own(each, tree):
                yield Slip("promql-unscoped", f"{metric(each)}{{{', '.join(k + v for k, v in matchers(each).items())}}}")


def _is_own(selector: Any, tree: Any) -> bool:
    """Whether a selector says whose series it means, by a label or by a name that only one application has."""
    own = matchers(selector)
    generic = re.match(
        r"(?:http|https|grpc|rpc|request|requests|response|container|process|jvm|go|python|nodejs|istio|envoy|nginx|db|sql)_",
        metric(selector),
    )
    return bool(OWNERS & own.keys()) or generic is None


def _rates(tree: Any) -> Iterator[Slip]:
    under_rate: set[int] = set()
    for node in every(tree):
        if type(node).__name__ != "Call":
            continue
        name = str(node.func.name)
        argument: Any = bare(node.args[0]) if node.args else None
        if name in ("rate", "irate", "increase"):
            if type(argument).__name__ == "SubqueryExpr":
                aggregate = bare(argument.expr)
                if type(aggregate).__name__ == "AggregateExpr" and str(aggregate.op).lower() in ("sum", "avg"):
                    yield Slip("promql-rate-of-sum", f"{name}({aggregate.op}(…)[…])")
            elif type(argument).__name__ == "MatrixSelector":
                of = metric(argument.vector_selector)
                if of and _is_gauge(of):
                    yield Slip("promql-rate-of-gauge", f"{name}({of}[…])")
        if name in RATES or name.endswith("_over_time"):
            under_rate |= {id(each) for each in every(node)}
    names = {
        metric(each)
        for node in every(tree)
        if type(node).__name__ == "Call" and str(node.func.name) in RATES
        for each in selectors(node)
    }
    for node in every(tree):
        if is_comparison(node) and type(bare(node.rhs)).__name__ == "NumberLiteral":
            left = bare(node.lhs)
            while type(left).__name__ == "AggregateExpr":
                left = bare(left.expr)
            if (
                type(left).__name__ == "VectorSelector"
                and metric(left).endswith("_total")
                and metric(left) not in names
                and float(bare(node.rhs).val) > 0
            ):
                yield Slip("promql-counter-bare", f"{metric(left)} {node.op} {bare(node.rhs).val:g}")


#: Words that a gauge has in its name; what has none of them may be a counter without its suffix.
_GAUGE = pattern(
    r"(?:_bytes|_ratio|_percent|_celsius|_info|_current|_limit|_size|_available|_replicas|_ready|_connections|_usage|_utilization)$"
)


def _is_gauge(name: str) -> bool:
    return not COUNTERS.search(name) and bool(_GAUGE.search(name)) and not name.startswith("node_network")


def _ratios(tree: Any) -> Iterator[Slip]:
    for node in every(tree):
        if (
            type(node).__name__ != "BinaryExpr"
            or str(node.op) != "/"
            or (node.modifier is not None and getattr(node.modifier, "matching", None))
        ):
            continue
        left, right = _rated(node.lhs), _rated(node.rhs)
        if left and right and matchers(left).keys() - matchers(right).keys() and metric(left) == metric(right):
            more = sorted(matchers(left).keys() - matchers(right).keys())
            yield Slip(
                "promql-ratio-unsummed", f"{metric(left)} with {', '.join(more)} over {metric(right)} without, series by series"
            )


def _pairs(tree: Any) -> Iterator[Slip]:
    """A grouping whose side of one series is as many as the other, being the same series: it is refused when it is evaluated."""
    for node in every(tree):
        modifier = getattr(node, "modifier", None)
        if type(node).__name__ != "BinaryExpr" or modifier is None or str(modifier.card) not in _GROUPINGS:
            continue
        left, right = bare(node.lhs), bare(node.rhs)
        one = type(left).__name__ == type(right).__name__ == "VectorSelector"
        if one and metric(left) == metric(right) and matchers(left) == matchers(right):
            yield Slip(
                "promql-many-to-many",
                f"{metric(left)} on both sides of {_GROUPINGS[str(modifier.card)]}, matched {modifier.matching}",
            )


#: How several series of one side are matched with one of the other.
_GROUPINGS = {"VectorMatchCardinality.ManyToOne": "group_left", "VectorMatchCardinality.OneToMany": "group_right"}


def _rated(node: Any) -> Any:
    """The selector of a bare rate, which no sum goes over."""
    node = bare(node)
    if type(node).__name__ == "Call" and str(node.func.name) in ("rate", "irate", "increase"):
        inside = bare(node.args[0])
        return inside.vector_selector if type(inside).__name__ == "MatrixSelector" else None
    return None


def _quantiles(tree: Any) -> Iterator[Slip]:
    for node in every(tree):
        if type(node).__name__ == "Call" and str(node.func.name) == "histogram_quantile" and len(node.args) == 2:
            inside = bare(node.args[1])
            buckets = any(metric(each).endswith("_bucket") for each in selectors(inside))
            if type(inside).__name__ == "AggregateExpr" and buckets and not _keeps_le(inside):
                yield Slip("promql-quantile-le", f"histogram_quantile over a {str(inside.op).lower()} that drops le")


def _keeps_le(aggregate: Any) -> bool:
    modifier = aggregate.modifier
    if modifier is None:
        return False
    without = str(modifier.type).endswith("Without")
    return ("le" in modifier.labels) is not without


def _limits(tree: Any) -> Iterator[Slip]:
    for node in every(tree):
        if type(node).__name__ != "BinaryExpr" or str(node.op) != "/":
            continue
        under = bare(node.rhs)
        if type(under).__name__ == "VectorSelector" and metric(under).startswith("container_spec_memory_limit"):
            yield Slip("promql-limit-zero", f"… / {metric(under)}")
        for side in (bare(node.lhs), under):
            if (
                type(side).__name__ == "VectorSelector"
                and _CADVISOR.fullmatch(metric(side))
                and "container" not in matchers(side)
            ):
                yield Slip("promql-cadvisor", f'{metric(side)} without container!=""')
                return


def may_be_empty(tree: Any) -> bool:
    """Whether a query can have no result at all: nothing in it makes one when no series matches."""
    node = bare(tree)
    kind = type(node).__name__
    if kind in ("NumberLiteral", "StringLiteral"):
        return False
    if kind == "Call":
        name = str(node.func.name)
        return name not in ("vector", "time", "scalar", "absent", "absent_over_time") and any(
            may_be_empty(each) for each in node.args
        )
    if kind == "BinaryExpr":
        if str(node.op) == "or":
            return may_be_empty(node.lhs) and may_be_empty(node.rhs)
        return may_be_empty(node.lhs) or may_be_empty(node.rhs)
    return True


def divides(tree: Any) -> bool:
    return any(type(node).__name__ == "BinaryExpr" and str(node.op) == "/" for node in every(tree))


def compares(tree: Any) -> bool:
    """Whether something in a query decides: a comparison, or what is there or absent."""
    for node in every(tree):
        if is_comparison(node) or (type(node).__name__ == "Call" and str(node.func.name) in ("absent", "absent_over_time")):
            return True
        if type(node).__name__ == "BinaryExpr" and str(node.op) in ("and", "unless", "or"):
            return True
    return False
