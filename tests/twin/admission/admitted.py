"""A registry with the API server's admission, and objects put through it as the server would be asked."""

from __future__ import annotations

from typing import Any

from seatrial.twin.admission.chain import standard
from seatrial.twin.api.bodies import undecodable, wrong_kind
from seatrial.twin.clock import VirtualClock
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.options import Options
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource, ResourceTable, builtin_resources
from seatrial.twin.store import Store
from seatrial.world import schema
from seatrial.world.objects import Obj, clone

RESOURCES = ResourceTable(builtin_resources())


def registry(*namespaces: str) -> Registry:
    made = Registry(Store(), VirtualClock(), RESOURCES, seed=1, admission=standard(), service_cidr="10.0.0.0/16")
    for name in ("default", *namespaces):
        made.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return made


def send(to: Registry, obj: Obj, resource: Resource | None = None, **options: Any) -> Obj:
    """Create an object as the HTTP server does: decode, normalise, admit. Raises ApiError."""
    served = resource or RESOURCES.of_kind(obj["apiVersion"], obj["kind"])
    assert served is not None
    refusal = wrong_kind(obj, served.api_version, served.kind) or undecodable(schema.check(obj))
    if refusal is not None:
        raise refusal
    obj = schema.normalise(clone(obj))
    if served.namespaced:
        obj["metadata"].setdefault("namespace", "default")
    return to.create(served.id, obj, Options(**options))


def refused(to: Registry, obj: Obj, **options: Any) -> str:
    """The words with which an object is refused; fails when it is not."""
    try:
        send(to, obj, **options)
    except ApiError as error:
        return error.message
    raise AssertionError("it was accepted")


def pod(name: str = "web", namespace: str = "default", **spec: Any) -> Obj:
    spec.setdefault("containers", [{"name": "c", "image": "busybox"}])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def container(name: str = "c", **more: Any) -> Obj:
    return {"name": name, "image": "busybox", **more}
