"""The resources the API server serves: one row a resource, and the table that finds them by path, kind or name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from seatrial.twin.registry.custom_version import CustomVersion

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version, as discovery publishes it.

    `id` (`pods`, `deployments.apps`) is how the store and the controllers name it; versions of one resource share it.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()  # status, scale, eviction, binding, log, …
    verbs: tuple[str, ...] = VERBS
    singular: str = ""
    storage: str = ""  # the id under which the store keeps it, where it differs (events.k8s.io -> events)
    served: bool = field(default=True, compare=False)
    list_kind: str = ""  # where it is not the kind with List behind it
    custom: CustomVersion | None = field(default=None, compare=False, repr=False)  # of a custom resource
    id: str = field(init=False, compare=False)
    api_version: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        default = f"{self.plural}.{self.group}" if self.group else self.plural
        object.__setattr__(self, "id", self.storage or default)
        object.__setattr__(self, "list_kind", self.list_kind or f"{self.kind}List")
        object.__setattr__(self, "api_version", f"{self.group}/{self.version}" if self.group else self.version)

    @property
    def singular_name(self) -> str:
        return self.singular or self.kind.lower()


class ResourceTable:
    """The resources served now. Custom resources are added and removed while the server runs."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._by_id: dict[str, Resource] = {}
        #: Counts additions and removals: who keeps something made from the table compares it.
        self.revision = 0
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Add a resource; the first version added of an id is the one the store keeps."""
        self.revision += 1
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._by_kind[resource.api_version, resource.kind] = resource
        self._by_id.setdefault(resource.id, resource)

    def remove(self, resource: Resource) -> None:
        self.revision += 1
        self._by_path.pop((resource.group, resource.version, resource.plural), None)
        self._by_kind.pop((resource.api_version, resource.kind), None)
        if self._by_id.get(resource.id) == resource:
            del self._by_id[resource.id]

    def at(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_path.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        return self._by_kind.get((api_version, kind))

    def stored(self, resource_id: str) -> Resource:
        """The storage version of an id. Raises KeyError for an id nobody serves."""
        return self._by_id[resource_id]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_path.values())


_STATUS = ("status",)
_SCALED = ("scale", "status")
_CREATE = ("create",)
_CLUSTER = False


def _core() -> Iterator[Resource]:
    def row(kind: str, plural: str, short: str = "", namespaced: bool = True, **more: object) -> Resource:
        return Resource("", "v1", kind, plural, namespaced, tuple(short.split()), **more)  # type: ignore[arg-type]

    pod = ("attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "resize", "status")
    namespace_verbs = tuple(verb for verb in VERBS if verb != "deletecollection")
    yield row("Binding", "bindings", verbs=_CREATE)
    yield row("ComponentStatus", "componentstatuses", "cs", _CLUSTER, verbs=("get", "list"))
    yield row("ConfigMap", "configmaps", "cm")
    yield row("Endpoints", "endpoints", "ep", singular="endpoints")
    yield row("Event", "events", "ev")
    yield row("LimitRange", "limitranges", "limits")
    yield row("Namespace", "namespaces", "ns", _CLUSTER, subresources=("finalize", "status"), verbs=namespace_verbs)
    yield row("Node", "nodes", "no", _CLUSTER, subresources=_STATUS)
    yield row("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subresources=_STATUS)
    yield row("PersistentVolume", "persistentvolumes", "pv", _CLUSTER, subresources=_STATUS)
    yield row("Pod", "pods", "po", categories=("all",), subresources=pod)
    yield row("PodTemplate", "podtemplates")
    yield row("ReplicationController", "replicationcontrollers", "rc", categories=("all",), subresources=_SCALED)
    yield row("ResourceQuota", "resourcequotas", "quota", subresources=_STATUS)
    yield row("Secret", "secrets")
    yield row("ServiceAccount", "serviceaccounts", "sa", subresources=("token",))
    yield row("Service", "services", "svc", categories=("all",), subresources=_STATUS)


#: group/version, kind, plural, short names, flags (c: cluster-scoped, s: status, z: scale, a: category all, r: a review).
_GROUPED = """
apiregistration.k8s.io/v1 APIService apiservices - cse
apps/v1 ControllerRevision controllerrevisions - -
apps/v1 DaemonSet daemonsets ds as
apps/v1 Deployment deployments deploy asz
apps/v1 ReplicaSet replicasets rs asz
apps/v1 StatefulSet statefulsets sts asz
events.k8s.io/v1 Event events ev -
authentication.k8s.io/v1 SelfSubjectReview selfsubjectreviews - cr
authentication.k8s.io/v1 TokenReview tokenreviews - cr
authorization.k8s.io/v1 LocalSubjectAccessReview localsubjectaccessreviews - r
authorization.k8s.io/v1 SelfSubjectAccessReview selfsubjectaccessreviews - cr
authorization.k8s.io/v1 SelfSubjectRulesReview selfsubjectrulesreviews - cr
authorization.k8s.io/v1 SubjectAccessReview subjectaccessreviews - cr
autoscaling/v2 HorizontalPodAutoscaler horizontalpodautoscalers hpa as
autoscaling/v1 HorizontalPodAutoscaler horizontalpodautoscalers hpa as
batch/v1 CronJob cronjobs cj as
batch/v1 Job jobs - as
certificates.k8s.io/v1 CertificateSigningRequest certificatesigningrequests csr csp
networking.k8s.io/v1 IngressClass ingressclasses - c
networking.k8s.io/v1 Ingress ingresses ing s
networking.k8s.io/v1 IPAddress ipaddresses ip c
networking.k8s.io/v1 NetworkPolicy networkpolicies netpol -
networking.k8s.io/v1 ServiceCIDR servicecidrs - cs
policy/v1 PodDisruptionBudget poddisruptionbudgets pdb s
rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings - c
rbac.authorization.k8s.io/v1 ClusterRole clusterroles - c
rbac.authorization.k8s.io/v1 RoleBinding rolebindings - -
rbac.authorization.k8s.io/v1 Role roles - -
storage.k8s.io/v1 CSIDriver csidrivers - c
storage.k8s.io/v1 CSINode csinodes - c
storage.k8s.io/v1 CSIStorageCapacity csistoragecapacities - -
storage.k8s.io/v1 StorageClass storageclasses sc c
storage.k8s.io/v1 VolumeAttachment volumeattachments - cs
admissionregistration.k8s.io/v1 MutatingWebhookConfiguration mutatingwebhookconfigurations - cw
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy validatingadmissionpolicies - csw
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings - cw
admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration validatingwebhookconfigurations - cw
apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions crd,crds cse
scheduling.k8s.io/v1 PriorityClass priorityclasses pc c
coordination.k8s.io/v1 Lease leases - -
node.k8s.io/v1 RuntimeClass runtimeclasses - c
discovery.k8s.io/v1 EndpointSlice endpointslices - -
flowcontrol.apiserver.k8s.io/v1 FlowSchema flowschemas - cs
flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration prioritylevelconfigurations - cs
"""

#: Where one store of objects has two names.
_SHARED_STORAGE = {("events.k8s.io", "events"): "events"}


def _grouped() -> Iterator[Resource]:
    for line in _GROUPED.split("\n"):
        if not line:
            continue
        api_version, kind, plural, short, flags = line.split()
        group, _, version = api_version.partition("/")
        subresources = tuple(name for flag, name in (("p", "approval"), ("z", "scale"), ("s", "status")) if flag in flags)
        categories = ("all",) if "a" in flags else ("api-extensions",) if flags[-1] in "we" else ()
        yield Resource(
            group,
            version,
            kind,
            plural,
            namespaced="c" not in flags,
            short_names=() if short == "-" else tuple(short.split(",")),
            categories=categories,
            subresources=subresources,
            verbs=_CREATE if "r" in flags else VERBS,
            storage=_SHARED_STORAGE.get((group, plural), ""),
        )


def builtin_resources() -> list[Resource]:
    """Every resource that the twin serves as Kubernetes 1.36 does, groups and versions in the order of discovery."""
    return [*_core(), *_grouped()]
