"""Manifests as a set of objects, and what stands around workloads: Services that lead to them, Ingresses, autoscalers, jobs.

`manifests` makes services and stores of the workloads; here they get the keys that other objects give them.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.app.document import Path_
from seatrial.importing.draft import Draft, name
from seatrial.importing.hosts import Names
from seatrial.importing.parts import put_command
from seatrial.importing.servers import base
from seatrial.importing.source import Node

WORKLOADS = ("Deployment", "StatefulSet", "Rollout")


class Objects:
    """All objects of the source, by kind."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def of(self, *kinds: str) -> Iterator[Node]:
        return (node for node in self.nodes if node["kind"].text in kinds)

    def named(self, kind: str, wanted: str) -> Node | None:
        return next((node for node in self.of(kind) if called(node) == wanted), None)


def called(node: Node) -> str:
    return node.at("metadata", "name").text


def all_selecting(workload: Node, objects: Objects) -> list[Node]:
    labels = {key: value.text for key, value in workload.at("spec", "template", "metadata", "labels").items()}
    found = []
    for service in objects.of("Service"):
        selector = {key: value.text for key, value in service.at("spec", "selector").items()}
        if selector and selector.items() <= labels.items():
            found.append(service)
    return found


def selecting(workload: Node, objects: Objects) -> Node | None:
    """The Service that selects the workload's pods: one that is called like it, or one with a cluster address."""
    found, own = all_selecting(workload, objects), called(workload)
    return min(found, key=lambda one: (called(one) != own, one.at("spec", "clusterIP").text == "None"), default=None)


def around(draft: Draft, objects: Objects, names: Names) -> None:
    for ingress in objects.of("Ingress"):
        for rule in ingress.at("spec", "rules").each():
            for path in rule.at("http", "paths").each():
                _exposed(draft, names.ours.get(path.at("backend", "service", "name").text, ""), rule, path)
    for hpa in objects.of("HorizontalPodAutoscaler"):
        _scaled(draft, names.ours.get(hpa.at("spec", "scaleTargetRef", "name").text, ""), hpa)
    for job in objects.of("CronJob"):
        _job(draft, job)
    for monitor in objects.of("ServiceMonitor", "PodMonitor"):
        _monitored(draft, monitor, objects, names)


def _monitored(draft: Draft, monitor: Node, objects: Objects, names: Names) -> None:
    """The path of metrics of the workloads whose pods, or whose Service, a monitor selects."""
    wanted = {key: value.text for key, value in monitor.at("spec", "selector", "matchLabels").items()}
    end = monitor.at("spec", "endpoints", 0) or monitor.at("spec", "podMetricsEndpoints", 0)
    for workload in objects.of(*WORKLOADS):
        service = selecting(workload, objects) if monitor["kind"].text == "ServiceMonitor" else None
        labels = (service or workload.at("spec", "template")).at("metadata", "labels")
        ours = names.ours.get(called(workload), "")
        if wanted and ours in draft.data.get("services", {}) and wanted.items() <= {k: v.text for k, v in labels.items()}.items():
            draft.put(("services", ours, "metrics"), end["path"].text or "/metrics", end.place)


def _exposed(draft: Draft, ours: str, rule: Node, path: Node) -> None:
    if not draft.get("services", ours) or not rule["host"].text:
        draft.note(path.place, "Ingress: a rule without a host, or to what is no service here")
    elif draft.get("services", ours, "expose"):
        draft.note(path.place, f"Ingress: `{ours}` is exposed at one host and path")
    else:
        prefix = path["path"].text or "/"
        found = rule["host"].text if prefix == "/" else {"host": rule["host"].text, "path": prefix}
        draft.put(("services", ours, "expose"), found, rule["host"].place)


def _scaled(draft: Draft, ours: str, hpa: Node) -> None:
    if not draft.get("services", ours):
        draft.note(hpa["kind"].place, f"HorizontalPodAutoscaler {called(hpa)}: what it scales is no service here")
        return
    scale: dict[str, object] = {}
    for key, source in (("min", "minReplicas"), ("max", "maxReplicas")):
        if hpa["spec"][source].text.isdecimal():
            scale[key] = int(hpa["spec"][source].text)
    for metric in hpa.at("spec", "metrics").each():
        what, share = metric["resource"]["name"].text, metric.at("resource", "target", "averageUtilization").text
        if what in ("cpu", "memory") and share:
            scale[what] = f"{share}%"
        else:
            draft.note(metric.place, f"a metric of `{ours}` that is not a share of CPU or memory: see `scale.on`")
    draft.data["services"][ours].pop("replicas", None)
    draft.put(("services", ours, "scale"), scale, hpa["spec"].place)


def _job(draft: Draft, job: Node) -> None:
    """A CronJob becomes a job of the service that has its image."""
    container = job.at("spec", "jobTemplate", "spec", "template", "spec", "containers", 0)
    image = container["image"].text
    services = draft.data.get("services", {})
    ours = next((key for key, part in services.items() if base(part.get("image", "")) == base(image)), "")
    words = [*container["command"].words, *container["args"].words]
    if not ours or not words:
        draft.note(job["kind"].place, f"CronJob {called(job)}: it runs in no service's image, or says no command")
        return
    at: Path_ = ("services", ours, "jobs", name(called(job), "job"))
    if put_command(draft, (*at, "run"), words, container.place):
        run = draft.get(*map(str, at), "run")
        draft.put(at, {"schedule": job.at("spec", "schedule").text, "run": run}, job["kind"].place)


def platform(draft: Draft, objects: Objects) -> None:
    """What the objects say about the cluster they were written for."""
    spaces = {node.at("metadata", "namespace").text for node in objects.of(*WORKLOADS)} - {"", "default"}
    draft.put(("environments", "production"), {"namespace": spaces.pop()} if len(spaces) == 1 else {})
    classes = {node.at("spec", "ingressClassName").text for node in objects.of("Ingress")}
    found = {
        "ingress": "traefik" if "traefik" in classes else "nginx",
        "secrets": "external-secrets" if any(objects.of("ExternalSecret")) else "kubernetes",
    }
    if any(objects.of("ServiceMonitor", "PodMonitor")):
        found["monitoring"] = "prometheus-operator"
    draft.put(("platform",), found)
