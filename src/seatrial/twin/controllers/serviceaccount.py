"""What every namespace has from the start: the service account `default`, and the certificate of the API in `kube-root-ca.crt`.

They follow pkg/controller/serviceaccount and pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.errors import ApiError
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, name_of, namespace_of

ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal "
    "service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)


class ServiceAccountController:
    """Keeps `default` in every namespace that is not on its way out."""

    name = "serviceaccount"

    def __init__(self, context: Context) -> None:
        self._registry = context.registry
        self.watches: Sequence[Watch] = (
            Watch("namespaces", own_key),
            Watch("serviceaccounts", _of_lost("default")),
        )

    def reconcile(self, key: Key) -> float | None:
        namespace = self._registry.find("namespaces", *key)
        if namespace is None or is_deleting(namespace):
            return None
        if self._registry.find("serviceaccounts", key[1], "default") is None:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": key[1]}}
            _create(lambda: self._registry.create("serviceaccounts", account, OPTIONS))
        return None


class RootCAController:
    """Publishes the API server's certificate authority (PEM) in every namespace."""

    name = "root-ca-certificate-publisher"

    def __init__(self, context: Context, certificate: str = "") -> None:
        self._registry, self._certificate = context.registry, certificate
        self.watches: Sequence[Watch] = (Watch("namespaces", own_key), Watch("configmaps", _of_changed(ROOT_CA)))

    def reconcile(self, key: Key) -> float | None:
        namespace = self._registry.find("namespaces", *key)
        if namespace is None or is_deleting(namespace):
            return None
        data = {"ca.crt": self._certificate}
        old = self._registry.find("configmaps", key[1], ROOT_CA)
        if old is None:
            annotations = {"kubernetes.io/description": _DESCRIPTION}
            metadata = {"name": ROOT_CA, "namespace": key[1], "annotations": annotations}
            made: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            _create(lambda: self._registry.create("configmaps", made, OPTIONS))
        elif old.get("data") != data:
            self._registry.update("configmaps", {**old, "metadata": {**old["metadata"]}, "data": data}, OPTIONS)
        return None


def _create(create: Callable[[], object]) -> None:
    """A namespace that is deleted meanwhile refuses; that is no failure to try again."""
    try:
        create()
    except ApiError as error:
        if error.code not in (403, 404, 409):
            raise


def _of_lost(name: str) -> Callable[[Change], Iterable[Key]]:
    """The namespace that has lost the object of this name."""
    return lambda change: _of_changed(name)(change) if change.type == "DELETED" else ()


def _of_changed(name: str) -> Callable[[Change], Iterable[Key]]:
    return lambda change: (("", namespace_of(change.object)),) if name_of(change.object) == name else ()
