# ruff: noqa: E501 - a line of the table is one saying
"""What two objects claim for themselves: hosts and paths, node ports, secrets, disks; and modes that contradict one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from difflib import get_close_matches

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.between import out, tell_of
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.reading import items, mapping, strings, text
from seatrial.rules.written.replicas import count
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.once import once
from seatrial.world.world import World


def _ingress(name: str, service: str = "api", path: str = "/") -> str:
    return manifest(
        "networking.k8s.io/v1",
        "Ingress",
        f"spec: {{ingressClassName: nginx, tls: [{{hosts: [a.example], secretName: t}}], rules: [{{host: a.example, http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}]}}}}]}}",
        name=name,
    )


def _external(name: str, target: str) -> str:
    return manifest(
        "external-secrets.io/v1",
        "ExternalSecret",
        f"spec: {{refreshInterval: 1h, secretStoreRef: {{name: aws, kind: ClusterSecretStore}}, target: {{name: {target}}}, data: [{{secretKey: a, remoteRef: {{key: b}}}}]}}",
        name=name,
    )


def _claim(mode: str) -> str:
    return manifest(
        "v1", "PersistentVolumeClaim", f"spec: {{accessModes: [{mode}], resources: {{requests: {{storage: 1Gi}}}}}}", name="data"
    )


_MOUNT = "volumeMounts: [{name: data, mountPath: /data}]"
_VOLUME = "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]"
_STRICT = manifest("security.istio.io/v1", "PeerAuthentication", "spec: {mtls: {mode: STRICT}}", name="default")

RULES = (
    Rule("path-claimed-twice", "warning", "serves a host and path that another one serves", "The controller takes one of them (the older, or neither): requests reach the wrong service, or change sides with a release.",
         "Keep one of them.",
         together(_ingress("api"), _ingress("web", "web")), together(_ingress("api"), _ingress("web", "web", "/web"))),
    Rule("route-claimed-twice", "warning", "is for a host that another VirtualService has", "Inside of the mesh only one of them counts, and it is not told which.",
         "Put the routes into one VirtualService, or delegate.",
         together(*(manifest("networking.istio.io/v1", "VirtualService", "spec: {hosts: [api], http: [{route: [{destination: {host: api}}]}]}", name=name) for name in ("api", "api-2"))),
         manifest("networking.istio.io/v1", "VirtualService", "spec: {hosts: [api], http: [{route: [{destination: {host: api}}]}]}")),
    Rule("node-port-twice", "error", "takes a node port that another Service has", "The API server refuses the second of the two.",
         "Leave nodePort out, and the cluster chooses a free one.",
         together(*(manifest("v1", "Service", "spec: {type: NodePort, selector: {app: api}, ports: [{port: 80, nodePort: 30080}]}", name=name) for name in ("api", "web"))),
         manifest("v1", "Service", "spec: {type: NodePort, selector: {app: api}, ports: [{port: 80, nodePort: 30080}]}")),
    Rule("secret-written-twice", "error", "writes a Secret that another object writes", "Each takes out what the other has put in: keys come and go with every refresh.",
         "Put the keys into one, or give the targets different names.",
         together(_external("a", "db"), _external("b", "db")), together(_external("a", "db"), _external("b", "cache"))),
    Rule("disk-shared", "warning", "has several replicas on a disk for one node", "ReadWriteOnce attaches to one node: replicas elsewhere wait in ContainerCreating (Multi-Attach), and those on one node write into the same files.",
         "Use a StatefulSet with volumeClaimTemplates, or a ReadWriteMany volume.",
         together(container(_MOUNT, pod=_VOLUME, spec="replicas: 3"), _claim("ReadWriteOnce")), together(container(_MOUNT, pod=_VOLUME, spec="replicas: 3"), _claim("ReadWriteMany"))),
    Rule("disk-in-the-way", "warning", "starts its new pod while the old one holds the disk", "A rolling update brings the new pod up first, perhaps on another node: it waits for a disk that the old pod only gives up when the new one is ready.",
         "Use strategy Recreate for a single replica with a disk of its own.",
         together(container(_MOUNT, pod=_VOLUME, spec="replicas: 1"), _claim("ReadWriteOnce")),
         together(container(_MOUNT, pod=_VOLUME, spec="replicas: 1\nstrategy: {type: Recreate}"), _claim("ReadWriteOnce"))),
    Rule("mutual-tls-contradiction", "error", "sends plain text to who asks for mutual TLS", "Every call ends with `connection reset`, or 503 with UF in Envoy's log.",
         "Take trafficPolicy.tls out of the DestinationRule (Istio chooses mutual TLS by itself), or set ISTIO_MUTUAL.",
         together(_STRICT, manifest("networking.istio.io/v1", "DestinationRule", "spec: {host: api, trafficPolicy: {tls: {mode: DISABLE}}}")),
         together(_STRICT, manifest("networking.istio.io/v1", "DestinationRule", "spec: {host: api, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}"))),
    Rule("subset-selects-nobody", "error", "defines a subset that no pod is in", "Every request sent to the subset is answered with 503 (no healthy upstream).",
         "Give the pods' template the label, or the subset one that they have.",
         together(container("ports: [{name: http, containerPort: 8080}]"), manifest("v1", "Service", "spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: http}]}"), manifest("networking.istio.io/v1", "DestinationRule", "spec: {host: api, subsets: [{name: canary, labels: {version: v2}}]}")),
         together(container("ports: [{name: http, containerPort: 8080}]"), manifest("v1", "Service", "spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: http}]}"), manifest("networking.istio.io/v1", "DestinationRule", "spec: {host: api, subsets: [{name: stable, labels: {app: api}}]}"))),
    Rule("custom-kind-missing", "error", "is of a kind that the cluster does not know", "It is refused (`no matches for kind`): its operator's CustomResourceDefinition is not installed, or not in this version.",
         "Install the operator first, or take the object out.",
         together(manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", "spec: {group: shop.example, scope: Namespaced, names: {kind: Basket, plural: baskets}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}", name="baskets.shop.example", namespace=""), manifest("shop.example/v2", "Basket", "spec: {}")),
         together(manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", "spec: {group: shop.example, scope: Namespaced, names: {kind: Basket, plural: baskets}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}", name="baskets.shop.example", namespace=""), manifest("shop.example/v1", "Basket", "spec: {}"))),
    Rule("governing-service", "note", "has a governing Service that gives its pods no names", "Pods of a StatefulSet have names of their own (api-0.api) by a headless Service that selects them: clustered software does not find its members.",
         "Make a Service of that name with clusterIP: None, in the same namespace.",
         together(container("", kind="StatefulSet", spec="serviceName: api"), manifest("v1", "Service", "spec: {selector: {app: api}, ports: [{port: 80}]}")),
         together(container("", kind="StatefulSet", spec="serviceName: api"), manifest("v1", "Service", "spec: {clusterIP: None, selector: {app: api}, ports: [{port: 80}]}"))),
)  # fmt: skip


@check("Ingress", rules=RULES[:1])
def paths(world: World, obj: Obj) -> Iterator[Finding]:
    """Hosts and paths of Ingresses of one class."""
    ref, told = ref_of(obj), set()
    for key, path in _served(obj):
        for other, there in once(world, _paths)[key]:
            if other > ref and other not in told and not _is_canary(obj) and not _is_canary(world.get(other) or {}):
                told.add(other)
                yield tell_of(
                    world, "path-claimed-twice", obj, path, f"{key[1]}{key[2]}", also=[(other, there, f"{other} serves it too")]
                )


def _paths(world: World) -> dict[tuple[str, str, str, str], list[tuple[Ref, str]]]:
    found: dict[tuple[str, str, str, str], list[tuple[Ref, str]]] = defaultdict(list)
    for ingress in world.of("Ingress"):
        for key, path in _served(ingress):
            found[key].append((ref_of(ingress), path))
    return found


def _served(obj: Obj) -> Iterator[tuple[tuple[str, str, str, str], str]]:
    """(class, host, path, type) of each path, with where it stands; paths of every host are left out."""
    for place, rule in enumerate(items(obj, "spec", "rules")):
        for nth, each in enumerate(items(rule, "http", "paths")):
            if text(rule, "host"):
                key = (text(obj, "spec", "ingressClassName"), text(rule, "host"), text(each, "path"), text(each, "pathType"))
                yield key, f"spec.rules[{place}].http.paths[{nth}]"


def _is_canary(obj: Obj) -> bool:
    """Whether an Ingress is ingress-nginx's second one for a share of the requests, which is meant to be the same."""
    return mapping(obj, "metadata", "annotations").get("nginx.ingress.kubernetes.io/canary") == "true"


@check("VirtualService", rules=RULES[1:2])
def routes(world: World, obj: Obj) -> Iterator[Finding]:
    """Hosts of VirtualServices of the mesh."""
    ref = ref_of(obj)
    for place, name in enumerate(strings(obj, "spec", "hosts")):
        for other in once(world, _routes)[ref.namespace, name] if not strings(obj, "spec", "gateways") else ():
            if other > ref:
                yield tell_of(
                    world,
                    "route-claimed-twice",
                    obj,
                    f"spec.hosts[{place}]",
                    f"hosts: {name}",
                    also=[(other, "spec.hosts", f"{other} has it too")],
                )


def _routes(world: World) -> dict[tuple[str, str], list[Ref]]:
    found: dict[tuple[str, str], list[Ref]] = defaultdict(list)
    for virtual in world.of("VirtualService"):
        if not strings(virtual, "spec", "gateways"):
            for name in strings(virtual, "spec", "hosts"):
                found[ref_of(virtual).namespace, name].append(ref_of(virtual))
    return found


@check("Service", rules=RULES[2:3])
def node_ports(world: World, obj: Obj) -> Iterator[Finding]:
    """Node ports, which are one for the whole cluster."""
    ref = ref_of(obj)
    for place, port in enumerate(items(obj, "spec", "ports")):
        if not isinstance(port.get("nodePort"), int):
            continue
        key = (port["nodePort"], str(port.get("protocol") or "TCP"))
        for other in once(world, _node_ports).get(key, ()):
            if other > ref:
                yield tell_of(
                    world,
                    "node-port-twice",
                    obj,
                    f"spec.ports[{place}].nodePort",
                    f"nodePort: {key[0]}",
                    also=[(other, "spec.ports", f"{other} has it too")],
                    severity=None if _chart(world, ref_of(obj)) == _chart(world, other) else "warning",
                )


def _chart(world: World, ref: Ref) -> str:
    """The folder of the chart that an object comes from, "" for none: what is beside a chart may be another way to install it."""
    before, inside, _ = world.source(ref).rpartition("/templates/")
    return before if inside else ""


def _node_ports(world: World) -> dict[tuple[object, object], list[Ref]]:
    found: dict[tuple[object, object], list[Ref]] = defaultdict(list)
    for service in world.of("Service"):
        for port in items(service, "spec", "ports"):
            if isinstance(port.get("nodePort"), int) and port["nodePort"]:
                found[port["nodePort"], str(port.get("protocol") or "TCP")].append(ref_of(service))
    return found


@check("ExternalSecret", "Certificate", "SealedSecret", rules=RULES[3:4])
def secrets(world: World, obj: Obj) -> Iterator[Finding]:
    """Secrets that two objects write."""
    ref = ref_of(obj)
    target = once(world, _written_by)
    for secret, writers in target.items():
        if ref in writers and writers[0] == ref and len(writers) > 1:
            for other in writers[1:]:
                words = f"target: {secret.name}"
                yield tell_of(
                    world,
                    "secret-written-twice",
                    obj,
                    "spec",
                    words,
                    also=[(other, "spec", f"{other} writes it too")],
                    severity="warning" if _are_ways(world, ref, other) else None,
                    title=f"writes Secret {secret.name}, which {other.kind} {other.name} writes too",
                )


def _are_ways(world: World, one: Ref, other: Ref) -> bool:
    """Whether two files may be two ways to the same Secret, sealed or from a store, of which somebody applies one."""
    files = {world.source(each).rpartition(":")[0] for each in (one, other)}
    return len(files) > 1 and {one.kind, other.kind} == {"ExternalSecret", "SealedSecret"}


def _written_by(world: World) -> dict[Ref, list[Ref]]:
    """The Secrets of which the makers are known, and more than one."""
    found: dict[Ref, list[Ref]] = defaultdict(list)
    for obj in world.of("ExternalSecret", "Certificate", "SealedSecret"):
        spec, ref = mapping(obj, "spec"), ref_of(obj)
        if text(spec, "target", "creationPolicy") in ("Merge", "None"):
            continue
        name = text(spec, "secretName") if ref.kind == "Certificate" else text(spec, "target", "name") or ref.name
        found[Ref("", "Secret", ref.namespace, name)].append(ref)
    return {secret: sorted(writers) for secret, writers in found.items() if len(writers) > 1}


@check("Deployment", "Rollout", rules=RULES[4:6])
def disks(world: World, obj: Obj) -> Iterator[Finding]:
    """Claims for one node under workloads whose pods may be on several."""
    for reference in out(world, obj, "volume"):
        claim = world.get(reference.target)
        if reference.target.kind != "PersistentVolumeClaim" or claim is None:
            continue
        modes = strings(claim, "spec", "accessModes")
        if not modes or not set(modes) <= {"ReadWriteOnce", "ReadWriteOncePod"}:
            continue
        pods = count(world, ref_of(obj))
        also = [(reference.target, "spec.accessModes", f"accessModes: {', '.join(modes)}")]
        if pods.most > 1:
            yield tell_of(
                world,
                "disk-shared",
                obj,
                reference.path,
                f"replicas: up to {pods.most}, claim {reference.target.name}",
                also=also,
            )
        elif text(obj, "spec", "strategy", "type") != "Recreate" and mapping(obj, "spec", "strategy", "rollingUpdate").get(
            "maxSurge"
        ) not in (0, "0", "0%"):
            yield tell_of(
                world,
                "disk-in-the-way",
                obj,
                reference.path,
                f"strategy: RollingUpdate, claim {reference.target.name}",
                also=also,
            )


@check("DestinationRule", rules=RULES[6:8])
def destinations(world: World, obj: Obj) -> Iterator[Finding]:
    """A DestinationRule against the mesh's mode and the pods of its host."""
    ref = ref_of(obj)
    mode = text(obj, "spec", "trafficPolicy", "tls", "mode")
    if mode == "DISABLE":
        for strict in world.of("PeerAuthentication"):
            there = ref_of(strict)
            if (
                text(strict, "spec", "mtls", "mode") == "STRICT"
                and there.namespace in (ref.namespace, "istio-system")
                and not mapping(strict, "spec", "selector")
            ):
                also = [(there, "spec.mtls.mode", "mode: STRICT")]
                yield tell_of(world, "mutual-tls-contradiction", obj, "spec.trafficPolicy.tls.mode", "mode: DISABLE", also=also)
    for reference in out(world, obj, "host"):
        pods = [template for template in world.graph.pods(reference.target) if template.ref.kind != "Job"]
        if any(template.ref.kind == "Rollout" for template in pods):
            continue  # the controller labels the pods of each version itself
        for place, subset in enumerate(items(obj, "spec", "subsets")):
            labels = mapping(subset, "labels")
            if pods and labels and not any(labels.items() <= template.labels.items() for template in pods):
                said = ", ".join(f"{key}: {value}" for key, value in labels.items())
                also = [
                    (pods[0].written, pods[0].labels_path, f"labels: {', '.join(f'{k}: {v}' for k, v in pods[0].labels.items())}")
                ]
                yield tell_of(
                    world,
                    "subset-selects-nobody",
                    obj,
                    f"spec.subsets[{place}].labels",
                    f"subset {text(subset, 'name')}: {said}",
                    also=also,
                )


@check("StatefulSet", rules=RULES[9:])
def governed(world: World, obj: Obj) -> Iterator[Finding]:
    """A StatefulSet's Service, which names its pods."""
    for reference in out(world, obj, "governing-service"):
        service = world.get(reference.target)
        if service is not None and text(service, "spec", "clusterIP") != "None":
            also = [(reference.target, "spec.clusterIP", "clusterIP: not None")]
            words = f"serviceName: {reference.target.name}, which is not headless"
            yield tell_of(world, "governing-service", obj, reference.path, words, also=also)
        elif service is None and any(ref_of(each).namespace == ref_of(obj).namespace for each in world.of("Service")):
            words = f"serviceName: {reference.target.name}, which is not there"
            yield tell_of(world, "governing-service", obj, reference.path, words)


@check("*", rules=RULES[8:9])
def kinds(world: World, obj: Obj) -> Iterator[Finding]:
    """Custom resources against the CustomResourceDefinitions of the world. What a cluster serves, the preflight of a release
    asks it.
    """
    version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    group, slash, name = version.partition("/")
    known = once(world, _definitions).get(group) if slash else None
    definition = known.get(kind) if known else None
    if definition is not None:
        ref, versions = definition
        if name not in versions:
            also = [(ref, "spec.versions", f"serves {', '.join(versions)}")]
            yield tell_of(
                world,
                "custom-kind-missing",
                obj,
                "apiVersion",
                f"apiVersion: {version}; {group} is served as {', '.join(versions)}",
                also=also,
            )
    elif known:  # the group is defined here, so this kind should be too; or its definition is elsewhere
        near = get_close_matches(kind, known, n=1, cutoff=0.8)
        words = f"kind: {kind}; {group} has {', '.join(sorted(known)[:6])}" + (f"; {near[0]} was meant?" if near else "")
        severity: Severity = "warning" if near else "note"
        yield tell_of(world, "custom-kind-missing", obj, "kind", words, severity=severity)


def _definitions(world: World) -> dict[str, dict[str, tuple[Ref, list[str]]]]:
    """group -> kind -> its definition, and the versions that are served."""
    found: dict[str, dict[str, tuple[Ref, list[str]]]] = defaultdict(dict)
    for definition in world.of("CustomResourceDefinition"):
        versions = [text(each, "name") for each in items(definition, "spec", "versions") if each.get("served") is True]
        found[text(definition, "spec", "group")][text(definition, "spec", "names", "kind")] = (ref_of(definition), versions)
    return found
