"""What a client is warned of although its object is accepted: `WarningsOnCreate` and `WarningsOnUpdate` of Kubernetes.

A function a kind, yielding the words; `warn` is the step of the chain. Nobody is warned of a status, nor is anything
looked at for a writer that does not listen (`Options.warnings` None: the controllers and the kubelet of the twin).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from seatrial.twin.admission.warnings import definitions, networking, pods, storage, workloads
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

#: What to say of an object, given the stored one on update.
Warner = Callable[[Obj, Obj | None], Iterator[str]]

TABLE: dict[str, Warner] = {
    "pods": pods.pod,
    "podtemplates": workloads.pod_template,
    "replicationcontrollers": workloads.named_and_templated,
    "deployments.apps": workloads.named_and_templated,
    "replicasets.apps": workloads.named_and_templated,
    "daemonsets.apps": workloads.templated,
    "statefulsets.apps": workloads.stateful_set,
    "jobs.batch": workloads.job,
    "cronjobs.batch": workloads.cron_job,
    "services": networking.service,
    "ingresses.networking.k8s.io": networking.ingress,
    "networkpolicies.networking.k8s.io": networking.network_policy,
    "endpointslices.discovery.k8s.io": networking.endpoint_slice,
    "serviceaccounts": pods.service_account,
    "persistentvolumeclaims": storage.claim,
    "persistentvolumes": storage.volume,
    "storageclasses.storage.k8s.io": storage.storage_class,
    "runtimeclasses.node.k8s.io": pods.runtime_class,
    "customresourcedefinitions.apiextensions.k8s.io": definitions.definition,
}


def warn(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    warner = TABLE.get(resource)
    if options.warnings is None or warner is None or _only_status(obj, old):
        return
    for words in warner(obj, old):
        options.warn(words)


def _only_status(obj: Obj, old: Obj | None) -> bool:
    """Writes of a status are made of the stored object (Registry.update)."""
    return old is not None and "spec" in old and obj.get("spec") is old["spec"]
