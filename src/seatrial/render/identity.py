"""A ServiceAccount for each service and store, with nothing mounted: a process that never asks the API gets no token for it."""

from __future__ import annotations

from seatrial.render.scope import SERVICE, STORE, Scope
from seatrial.world.objects import Obj


def service_account(scope: Scope, name: str) -> Obj:
    component = SERVICE if name in scope.app.services else STORE
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": scope.meta(name, name, component),
        "automountServiceAccountToken": False,
    }
