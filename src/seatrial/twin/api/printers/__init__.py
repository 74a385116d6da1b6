"""The columns of `kubectl get`, kind by kind (pkg/printers/internalversion/printers.go).

A printer is a list of `Column`s: name, type, and a function of an object and the time.  Columns of priority 1 show with
`-o wide` alone.  Custom resources bring their own (`custom`); what has none gets its name and age.
"""

from __future__ import annotations

from seatrial.twin.api.printers import cluster, config, network, pods, workloads
from seatrial.twin.api.printers import custom as custom_columns
from seatrial.twin.api.printers.columns import Column, age, name
from seatrial.twin.registry.resources import Resource

__all__ = ["Column", "columns_of"]

_DEFAULT = (name(), age())

_PRINTERS: dict[str, tuple[Column, ...]] = {
    **pods.PRINTERS,
    **workloads.PRINTERS,
    **network.PRINTERS,
    **config.PRINTERS,
    **cluster.PRINTERS,
}


def columns_of(kind: Resource) -> tuple[Column, ...]:
    if kind.custom is not None:
        return custom_columns.columns(kind.custom)
    return _PRINTERS.get(kind.id, _DEFAULT)
