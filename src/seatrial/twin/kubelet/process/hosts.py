"""/etc/hosts of containers: what the cluster's DNS would answer, as a file.  Pure: Services and endpoint slices in, text out.

The names follow the DNS specification of Kubernetes: a Service by its name in its own namespace, and by `name.namespace`,
`….svc` and `….svc.cluster.local` everywhere; a headless Service has the addresses of its endpoints, and a name for each
endpoint that has a hostname.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from seatrial.world.objects import Obj, dig, labels_of, name_of, namespace_of

DOMAIN = "cluster.local"

#: What the kubelet writes at the top of a pod's file (pkg/kubelet/kubelet_pods.go).
HEADER = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def pod_hosts(pod: Obj, address: str, hostname: str) -> str:
    """The part of the file that is the pod's own: itself, and its hostAliases."""
    spec = pod.get("spec") or {}
    names = [hostname]
    if spec.get("subdomain"):
        names.insert(0, f"{hostname}.{spec['subdomain']}.{namespace_of(pod)}.svc.{DOMAIN}")
    text = HEADER + _line(address, names)
    aliases = [_line(alias["ip"], alias.get("hostnames") or ()) for alias in spec.get("hostAliases") or ()]
    if aliases:
        text += "\n# Entries added by HostAliases.\n" + "".join(aliases)
    return text


def service_hosts(services: Iterable[Obj], slices: Iterable[Obj], namespace: str) -> str:
    """The lines for every Service as a pod in `namespace` names them: those of its own namespace first."""
    endpoints = defaultdict(list)
    for slice_ in slices:
        service = labels_of(slice_).get("kubernetes.io/service-name")
        if service and slice_.get("addressType", "IPv4") == "IPv4":
            endpoints[namespace_of(slice_), service].append(slice_)
    by_key = {(namespace_of(service), name_of(service)): service for service in services}
    ordered = sorted(by_key, key=lambda key: (key[0] != namespace, key))
    return "".join(line for key in ordered for line in _service(by_key, endpoints, key, namespace))


def _service(
    services: Mapping[tuple[str, str], Obj],
    endpoints: Mapping[tuple[str, str], Sequence[Obj]],
    key: tuple[str, str],
    namespace: str,
) -> Iterator[str]:
    names = _names(key[1], key[0], namespace)
    actual = _behind(services, key)
    if actual is None:
        return
    service = services[actual]
    addresses = [ip for ip in _cluster_ips(service) if "." in ip]
    for address in addresses:
        yield _line(address, names)
    if dig(service, "spec.clusterIP") != "None":
        return
    not_ready_too = bool(dig(service, "spec.publishNotReadyAddresses"))
    for endpoint in _sorted(slice_["endpoints"] for slice_ in endpoints.get(actual, ()) if slice_.get("endpoints")):
        if not_ready_too or dig(endpoint, "conditions.ready", True):
            hostname = endpoint.get("hostname")
            own = _names(f"{hostname}.{key[1]}", key[0], namespace) if hostname else []
            for address in endpoint.get("addresses") or ():
                yield _line(address, [*own, *names])


def _behind(services: Mapping[tuple[str, str], Obj], key: tuple[str, str]) -> tuple[str, str] | None:
    """The Service that an ExternalName leads to, when it leads to one of this cluster; any other is what it is."""
    for _ in range(8):
        service = services.get(key)
        if service is None:
            return None
        if dig(service, "spec.type") != "ExternalName":
            return key
        parts = str(dig(service, "spec.externalName", "")).removesuffix(".").split(".")
        if parts[2:] not in (["svc"], ["svc", *DOMAIN.split(".")]):
            return None  # a name of the world outside: the machine's resolver cannot be told
        key = (parts[1], parts[0])
    return None


def _cluster_ips(service: Obj) -> list[str]:
    found = dig(service, "spec.clusterIPs") or [dig(service, "spec.clusterIP", "")]
    return [ip for ip in found if ip and ip != "None"]


def _names(name: str, namespace: str, seen_from: str) -> list[str]:
    qualified = f"{name}.{namespace}"
    names = [qualified, f"{qualified}.svc", f"{qualified}.svc.{DOMAIN}"]
    return [name, *names] if namespace == seen_from else names


def _sorted(groups: Iterable[Iterable[Obj]]) -> list[Obj]:
    """Endpoints in an order that does not change from one writing to the next."""
    found = [endpoint for group in groups for endpoint in group]
    return sorted(found, key=lambda endpoint: (endpoint.get("hostname", ""), endpoint.get("addresses") or []))


def _line(address: str, names: Iterable[str]) -> str:
    return f"{address}\t{' '.join(names)}\n"
