"""Labels of nodes that have newer names (pkg/api/node/util.go)."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.world.admission.validation import names
from seatrial.world.objects import Obj

DEPRECATED = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}


def node_term(term: Obj, at: str, values: bool = False) -> Iterator[str]:
    """Of a term of a node selector; `values` are looked at where validation does not."""
    for index, rule in enumerate(term.get("matchExpressions") or ()):
        key = rule.get("key", "")
        if key in DEPRECATED:
            yield f"{at}.matchExpressions[{index}].key: {key} is {DEPRECATED[key]}"
        for number, value in enumerate((rule.get("values") or ()) if values else ()):
            for why in names.label_value(value):
                yield f"{at}.matchExpressions[{index}].values[{number}]: {value} is invalid, {why}"
