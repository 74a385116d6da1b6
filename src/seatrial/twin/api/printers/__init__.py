"""The columns of `kubectl get`, kind by kind (pkg/printers/internalversion/printers.go).

A printer is a list of `Column`s: name, type, and a function of an object and the time.  Columns of priority 1 show with
`-o wide` alone.  Custom resources bring their own (`custom`); what has none gets its name and age.
"""

from __future__ import annotations

from seatrial.twin.api.printers import cluster, config, network, pods, workloads
from seatrial.twin.api.printers.columns import Column, age, created, name
from seatrial.twin.registry.resources import Resource

__all__ = ["Column", "columns_of", "forget", "register"]

_DEFAULT = (name(), age())
_UNKNOWN = (name(), created())

_PRINTERS: dict[str, tuple[Column, ...]] = {
    **pods.PRINTERS,
    **workloads.PRINTERS,
    **network.PRINTERS,
    **config.PRINTERS,
    **cluster.PRINTERS,
}

#: Of custom resources, by id and version: made from their CRDs.
_CUSTOM: dict[tuple[str, str], tuple[Column, ...]] = {}


def columns_of(kind: Resource) -> tuple[Column, ...]:
    known = _PRINTERS.get(kind.id)
    if known is not None:
        return known
    return _CUSTOM.get((kind.id, kind.version), _DEFAULT if "." in kind.group else _UNKNOWN)


def register(kind: Resource, columns: tuple[Column, ...]) -> None:
    """Print a custom resource with these columns, after its name."""
    _CUSTOM[kind.id, kind.version] = (name(), *columns)


def forget(kind: Resource) -> None:
    _CUSTOM.pop((kind.id, kind.version), None)
