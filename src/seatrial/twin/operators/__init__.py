"""Operators: controllers over custom resources, each switched on by name, each a module that touches nothing else.

An operator brings its CustomResourceDefinitions, which the cluster installs before anything starts, and a function that
makes its parts for one cluster: controllers of the shape of `controllers.base`, what its admission webhooks refuse, and the
metrics it serves to autoscalers.  To add one, write its module with an `OPERATOR` and name it in `OPERATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from seatrial.twin.admission.chain import Step
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import Controller
from seatrial.twin.controllers.hpa_metrics import Values
from seatrial.twin.registry.custom import DEFINITIONS
from seatrial.world.objects import Obj, name_of

#: Name -> the module that holds its `OPERATOR`; it is imported when the operator is switched on.
OPERATORS = {"keda": "seatrial.twin.operators.keda"}


class UnknownOperator(Exception):  # noqa: N818 - reads as what is wrong
    """There is no operator of this name."""


@dataclass(frozen=True)
class Parts:
    """What an operator runs in one cluster.

    `checks` are its validating webhooks: they see every write after the API server's own admission. `values` is its
    metrics API: the values of a metric of type Pods, Object or External, None for a metric of somebody else.
    """

    controllers: Sequence[Controller]
    checks: Sequence[Step] = ()
    values: Values | None = None


@dataclass(frozen=True)
class Operator:
    """`definitions` gives the CustomResourceDefinitions; `make` the parts, from the cluster and what gives it metrics."""

    name: str
    definitions: Callable[[], Sequence[Obj]]
    make: Callable[[Context, Values | None], Parts]


def load(name: str) -> Operator:
    """The operator of this name. Raises UnknownOperator."""
    if name not in OPERATORS:
        raise UnknownOperator(f"there is no operator {name!r}; there are {', '.join(sorted(OPERATORS))}")
    operator: Operator = import_module(OPERATORS[name]).OPERATOR
    return operator


def install(context: Context, operator: Operator) -> None:
    """Create the operator's CustomResourceDefinitions, or bring those that are there to this version."""
    registry = context.registry
    for definition in operator.definitions():
        found = registry.find(DEFINITIONS, "", name_of(definition))
        if found is None:
            registry.create(DEFINITIONS, definition)
        else:
            registry.update(DEFINITIONS, {**found, "metadata": dict(found["metadata"]), "spec": definition["spec"]})


def first_of(sources: Sequence[Values]) -> Values | None:
    """One metrics API over several: the first that knows a metric answers. None when there is none at all."""
    if not sources:
        return None

    def values(namespace: str, metric: Obj) -> Sequence[float] | None:
        for source in sources:
            found = source(namespace, metric)
            if found is not None:
                return found
        return None

    return values
