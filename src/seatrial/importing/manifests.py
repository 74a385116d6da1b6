"""A draft from plain Kubernetes manifests: workloads become services or stores, and what is about them becomes their keys.

What the app file renders anew (policies, budgets, accounts, monitors) is not carried over but said; Secrets give names alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seatrial.app import AppFileErrors, Problem
from seatrial.app.document import Path_
from seatrial.importing.compose import LATEST, PUBLISHED, unique
from seatrial.importing.draft import Draft, name
from seatrial.importing.hosts import Names
from seatrial.importing.parts import (
    Setting,
    put_command,
    put_settings,
    put_size,
    put_store,
)
from seatrial.importing.servers import FOREIGN, PLATFORM, base, store_of, tag
from seatrial.importing.source import ENDINGS, Node, Place, read
from seatrial.importing.surroundings import WORKLOADS, Objects, all_selecting, around, called, platform, selecting

#: Kinds whose meaning is in other keys of the app file, so that nothing is lost with the object.
ANEW = {
    "Namespace": "environments",
    "ServiceAccount": "the service",
    "NetworkPolicy": "`calls`",
    "PodDisruptionBudget": "the replicas",
    "ServiceMonitor": "`metrics`",
    "PodMonitor": "`metrics`",
    "ResourceQuota": "what the app can scale to",
    "LimitRange": "the sizes",
    "PersistentVolumeClaim": "`storage` of a store",
    "PrometheusRule": "`slo` and `metrics`",
    "AnalysisTemplate": "`canary`",
    "ScaledObject": "`scale` and its triggers, `on`",
    "VerticalPodAutoscaler": "`platform.recommendations`",
    "SecretStore": "`platform.secretProvider`",
    "SecretProviderClass": "`platform.secretProvider`",
    **dict.fromkeys(("Gateway", "VirtualService", "HTTPRoute"), "`expose` and `platform.ingress`"),
    **dict.fromkeys(("DestinationRule", "PeerAuthentication", "AuthorizationPolicy"), "`calls` and `platform.mesh`"),
    **dict.fromkeys(("Role", "RoleBinding"), "`permissions`"),
}
#: Kinds that are read together with the workloads they are about.
READ = (*WORKLOADS, "Service", "Ingress", "ConfigMap", "Secret", "HorizontalPodAutoscaler", "CronJob", "ExternalSecret")


_CHART = "of a chart, give what `helm template` prints"

#: What a folder is when it holds a file of this name, and how it is given instead.
TREES = {
    "Chart.yaml": ("a Helm chart", "helm template APP {folder} > all.yaml && seatrial init all.yaml"),
    "kustomization.yaml": ("a Kustomize tree", "kubectl kustomize {folder} > all.yaml && seatrial init all.yaml"),
    "kustomization.yml": ("a Kustomize tree", "kubectl kustomize {folder} > all.yaml && seatrial init all.yaml"),
}


def gather(paths: list[Path], draft: Draft) -> Objects:
    """The objects of files and folders. In a folder, a file that is no YAML (a template) is noted and passed over."""
    nodes: list[Node] = []
    for path in paths:
        inside = path.is_dir()
        _refuse_tree(path)
        files = [file for file in path.rglob("*") if file.suffix in ENDINGS and file.is_file()] if inside else [path]
        for file in sorted(files):
            try:
                found = read(file, "a manifest")
            except AppFileErrors as errors:
                if not inside:
                    raise
                first = errors.problems[0]
                draft.note(Place(first.file, first.line), f"the file is passed over: {first.message}; {_CHART}")
                continue
            for node in found:
                nodes.extend(node["items"].each() if node["kind"].text.endswith("List") else [node])
    return Objects(nodes)


def _refuse_tree(folder: Path) -> None:
    """A chart or a Kustomize tree is not what it becomes: its files are templates and patches."""
    inner = sorted(folder.glob("overlays/*"), key=lambda path: (path.name != "production", path)) if folder.is_dir() else []
    for where in (folder, *inner):
        for name_, (what, hint) in TREES.items():
            if (where / name_).is_file():
                raise AppFileErrors([Problem(str(folder), 0, 0, f"is {what}: give what it becomes", hint.format(folder=where))])


def draft_of(paths: list[Path], app: str = "") -> Draft:
    """The draft of manifests in files and folders. Raises AppFileErrors."""
    draft = Draft(paths[0].name or "manifests")
    objects = gather(paths, draft)
    draft.put(("app",), name(app or paths[0].resolve().stem))
    draft.put(("version",), "0.1.0", comment="The tag of images that have none.")
    names = _names(objects, draft)
    for workload in objects.of(*WORKLOADS):
        ours = names.ours.get(called(workload))
        if not ours:
            continue
        image = _main(workload)["image"].text
        if store_of(image):
            claim = workload.at("spec", "volumeClaimTemplates", 0, "spec", "resources", "requests", "storage")
            kept = any(volume["persistentVolumeClaim"] for volume in _pod(workload)["volumes"].each())
            put_store(draft, ours, image, claim.text, _settings(_main(workload), objects), workload.place, kept=kept)
        else:
            _service(draft, ours, workload, objects, names)
    around(draft, objects, names)
    platform(draft, objects)
    for node in objects.nodes:
        kind = node["kind"].text
        if kind in ANEW:
            draft.note(node["kind"].place, f"{kind} {called(node)}: it is rendered anew, from {ANEW[kind]}")
        elif kind == "Job":
            draft.note(node["kind"].place, f"Job {called(node)}: if it brings a store up to date, it is `migrate` of a service")
        elif kind not in READ:
            draft.note(
                node["kind"].place, f"{kind or 'an object without a kind'} {called(node)}: the app file has no place for it"
            )
    return draft


def _pod(workload: Node) -> Node:
    return workload.at("spec", "template", "spec")


def _main(workload: Node) -> Node:
    return _pod(workload).at("containers", 0)


def _names(objects: Objects, draft: Draft) -> Names:
    names = Names()
    for workload in objects.of(*WORKLOADS):
        old, image = called(workload), _main(workload)["image"].text
        service = selecting(workload, objects)
        if base(image) in FOREIGN:
            names.left_out |= {old, called(service) if service else old}
            draft.note(
                workload["kind"].place,
                f"{old} ({base(image)}): the app file knows postgres and redis; go on applying it by itself",
            )
            continue
        if base(image) in PLATFORM:
            names.left_out |= {old, called(service) if service else old}
            draft.note(
                workload["kind"].place, f"{old} ({base(image)}) is not of the app but of the cluster: {PLATFORM[base(image)]}"
            )
            continue
        wanted = called(service) if service else old
        ours = unique(name(wanted, "service"), set(names.ours.values()))
        names.ours[old] = names.ours[wanted] = ours
        _known_as(workload, ours, objects, names)
        if ours != old:
            draft.note(workload["kind"].place, f"{workload['kind'].text} {old} is called `{ours}` here, as callers know it")
    return names


def _known_as(workload: Node, ours: str, objects: Objects, names: Names) -> None:
    """Every name and port at which callers know a workload: all Services that lead to it."""
    numbers = {port["name"].text: port["containerPort"].text for port in _main(workload)["ports"].each()}
    for service in all_selecting(workload, objects):
        names.ours.setdefault(called(service), ours)
        for port in service.at("spec", "ports").each():
            there = port["targetPort"].text or port["port"].text
            number = numbers.get(there, there)
            if port["port"].text.isdecimal() and number.isdecimal() and port["port"].text != number:
                names.ports.setdefault(called(service), {})[int(port["port"].text)] = int(number)


def _service(draft: Draft, ours: str, workload: Node, objects: Objects, names: Names) -> None:
    at: Path_ = ("services", ours)
    main, spec = _main(workload), workload["spec"]
    draft.put(at, {}, workload["metadata"].place)
    image = main["image"].text
    untagged = image and not tag(image) and "@" not in image
    latest = LATEST if untagged or tag(image) == "latest" else ""
    draft.put((*at, "image"), f"{image}:latest" if untagged else image, main["image"].place, latest)
    words = [*main["command"].words, *main["args"].words]
    put_command(draft, (*at, "run"), words, (main["command"] or main["args"]).place)
    _port(draft, ours, workload, objects)
    _health(draft, ours, main)
    put_settings(draft, ours, _settings(main, objects), names)
    if spec["replicas"].text.isdecimal() and int(spec["replicas"].text):
        draft.put((*at, "replicas"), int(spec["replicas"].text), spec["replicas"].place)
    resources = main["resources"]
    asked, most = ({k: v.text for k, v in resources[part].items()} for part in ("requests", "limits"))
    put_size(draft, ours, asked, most, resources.place)
    _rest(draft, ours, workload)


def _port(draft: Draft, ours: str, workload: Node, objects: Objects) -> None:
    for node in _main(workload)["ports"].each():
        number = node["containerPort"]
        if draft.get("services", ours, "port") is None and number.text.isdecimal():
            draft.put(("services", ours, "port"), int(number.text), number.place)
        elif draft.get("services", ours, "port") is not None:
            draft.note(node.place, f"port {number.text} of `{ours}`: a service has one port (and `metrics.port`)")
    service = selecting(workload, objects)
    offered = service.at("spec", "ports", 0, "port") if service else None
    there = (service.at("spec", "ports", 0, "targetPort") or offered) if service else None
    if there and there.text.isdecimal() and draft.get("services", ours, "port") is None:  # ports of containers need not be named
        draft.put(("services", ours, "port"), int(there.text), there.place)
    for outer in all_selecting(workload, objects):
        kind = outer.at("spec", "type").text
        if kind in ("LoadBalancer", "NodePort") and draft.get("services", ours, "port"):
            draft.comments.setdefault(("services", ours, "port"), [PUBLISHED])
            hint = "`expose` lets the world in, by a host name"
            draft.note(outer["kind"].place, f"Service {called(outer)} is a {kind}, which opens `{ours}` to the world: {hint}")
    if service and offered and offered.text != str(draft.get("services", ours, "port") or offered.text):
        draft.note(offered.place, f"Service {called(service)}: callers reach it at the container's port now, not {offered.text}")


def _health(draft: Draft, ours: str, main: Node) -> None:
    found: dict[str, object] = {}
    for probe, key in (("livenessProbe", "live"), ("readinessProbe", "ready")):
        path = main[probe]["httpGet"]["path"].text
        if path:
            found[key] = path
        elif main[probe] and not main[probe]["tcpSocket"]:
            draft.note(main[probe].place, f"{probe} of `{ours}`: it is no HTTP request; the port is tried instead")
    startup = main["startupProbe"]
    counts = startup["failureThreshold"].text or "3", startup["periodSeconds"].text or "10"
    if startup and all(text.isdecimal() for text in counts):
        found["startup"] = f"{int(counts[0]) * int(counts[1])}s"
    if found:
        draft.put(("services", ours, "health"), found, (main["readinessProbe"] or main["livenessProbe"] or startup).place)


def _rest(draft: Draft, ours: str, workload: Node) -> None:
    """The smaller keys of a pod, and what it has that services do not."""
    at, pod, main = ("services", ours), _pod(workload), _main(workload)
    user = main.at("securityContext", "runAsUser") or pod.at("securityContext", "runAsUser")
    if user.text.isdecimal() and int(user.text):
        draft.put((*at, "user"), int(user.text), user.place)
    for label, value in pod["nodeSelector"].items():
        draft.put((*at, "nodes", label), value.text, value.place)
    grace, pause = pod["terminationGracePeriodSeconds"], main.at("lifecycle", "preStop", "sleep", "seconds")
    if pause.text.isdecimal():
        draft.put((*at, "drain"), f"{pause.text}s", pause.place)
    if grace.text.isdecimal():  # Kubernetes counts the pause before SIGTERM as well
        left = int(grace.text) - (int(pause.text) if pause.text.isdecimal() else 0)
        draft.put((*at, "grace"), f"{max(left, 1)}s", grace.place)
    for mount in main["volumeMounts"].each():
        volume = pod["volumes"].named(mount["name"].text)
        if volume["emptyDir"].path and "emptyDir" in (volume.data or {}):
            if mount["mountPath"].text != "/tmp":  # noqa: S108 - it is writable anyway
                draft.add((*at, "writable"), mount["mountPath"].text, mount.place)
        else:
            draft.note(mount.place, f"volume {mount['mountPath'].text} of `{ours}`: only empty folders are carried over")
    for index, container in enumerate(pod["containers"].each()):
        if index:
            draft.note(container.place, f"container {container['name'].text} of `{ours}`: a service is one container")
    for container in pod["initContainers"].each():
        draft.note(container.place, f"init container {container['name'].text} of `{ours}`: `migrate` may be what it is for")
    if workload["kind"].text == "Rollout":
        draft.note(workload.at("spec", "strategy").place, f"strategy of `{ours}`: see `canary` and `platform.rollouts`")


def _settings(container: Node, objects: Objects) -> Iterator[Setting]:
    for source in container["envFrom"].each():
        kind = "ConfigMap" if source["configMapRef"] else "Secret"
        wanted = source["configMapRef" if kind == "ConfigMap" else "secretRef"]["name"].text
        yield from _all_of(kind, wanted, source, objects)
    for item in container["env"].each():
        variable, given = item["name"].text, item["valueFrom"]
        if given["secretKeyRef"]:
            yield Setting(variable, None, item.place, secret=True)
        elif given["configMapKeyRef"]:
            config = objects.named("ConfigMap", given.at("configMapKeyRef", "name").text)
            value = config["data"][given.at("configMapKeyRef", "key").text] if config else None
            yield Setting(variable, value.text if value else None, item.place)
        elif variable and not given["fieldRef"]:
            yield Setting(variable, item["value"].text, item.place)


def _all_of(kind: str, wanted: str, source: Node, objects: Objects) -> Iterator[Setting]:
    """Every key of a ConfigMap with its value, or of a Secret or ExternalSecret without."""
    if kind == "ConfigMap":
        found = objects.named("ConfigMap", wanted)
        for key, value in found["data"].items() if found else ():
            yield Setting(key, value.text, value.place)
    else:
        found = objects.named("Secret", wanted)
        for part in ("data", "stringData"):
            for key, value in found[part].items() if found else ():
                yield Setting(key, None, value.place, secret=True)
        external = objects.named("ExternalSecret", wanted)
        for item in external["spec"]["data"].each() if external else ():
            yield Setting(item["secretKey"].text, None, item.place, secret=True)
    if not found and not (kind == "Secret" and objects.named("ExternalSecret", wanted)):
        yield Setting(wanted, None, source.place)  # noted: it is not in these files
