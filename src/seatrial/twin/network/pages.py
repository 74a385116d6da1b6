"""What the ingress answers when it has nothing to pass on: which Ingress, which Service, and why, as text or as a page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from seatrial.twin.network.routing import Rule
from seatrial.twin.store import Store
from seatrial.world.objects import Obj, dig, labels_of, name_of
from seatrial.world.selectors import matches_labels

#: Pods that are named in an answer; the rest are counted.
NAMED_PODS = 5


@dataclass(frozen=True)
class Page:
    """`facts` are sentences; `links` are pairs of what to show and where it leads."""

    status: int
    title: str
    facts: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = field(default=())

    def render(self, accept: bytes) -> tuple[bytes, bytes]:
        """Content type and body, in what the client says it accepts."""
        if b"text/html" in accept:
            return b"text/html; charset=utf-8", self._html().encode()
        return b"text/plain; charset=utf-8", self._text().encode()

    @property
    def _head(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}: {self.title}"

    def _text(self) -> str:
        links = [f"  {text}  {address}" for text, address in self.links]
        return "\n".join([self._head, "", *(f"- {fact}" for fact in self.facts), *links]).rstrip() + "\n"

    def _html(self) -> str:
        facts = "".join(f"<li>{html.escape(fact)}</li>" for fact in self.facts)
        links = "".join(f'<li><a href="{html.escape(address)}">{html.escape(text)}</a></li>' for text, address in self.links)
        return _TEMPLATE.format(status=self.status, title=html.escape(self.title), facts=facts, links=links)


_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{status} {title}</title>
<style>:root {{ color-scheme: light dark }} body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 12vh auto;
padding: 0 1.5rem }} h1 {{ font-size: 1.3rem }} h1 span {{ opacity: .55; font-weight: 400 }} li {{ margin: .3rem 0 }}
footer {{ opacity: .55; font-size: .85rem; margin-top: 3rem }}</style>
<h1><span>{status}</span> {title}</h1><ul>{facts}</ul><ul>{links}</ul>
<footer>Answered by the embedded cluster's ingress, not by the application.</footer></html>
"""


def refused(status: int, why: str) -> Page:
    return Page(status, why)


def unknown_host(host: str, links: Sequence[tuple[str, str]]) -> Page:
    if not links:
        return Page(404, "nothing is exposed here yet", ["No Ingress of this cluster has a rule."])
    return Page(404, f"no Ingress has the host {host or '(none)'}", ["These are served:"], links)


def unknown_path(host: str, path: str) -> Page:
    return Page(404, f"no Ingress rule of {host or 'any host'} matches {path}")


def behind(rule: Rule) -> str:
    host = rule.host or "any host"
    return f"Ingress {rule.ingress} in {rule.namespace} sends {host}{rule.path} to Service {rule.service}, port {rule.port}."


def no_endpoints(store: Store, rule: Rule) -> Page:
    """503: nobody stands behind the Service, and why that is."""
    service = store.get("services", rule.namespace, rule.service)
    if service is None:
        why = [f"There is no Service {rule.service} in namespace {rule.namespace}."]
    elif port_name(service, rule.port) is None:
        why = [f"Service {rule.service} has no port {rule.port}; it has {_ports(service)}."]
    else:
        why = _why_not_ready(store, service)
    return Page(503, f"Service {rule.service} has nobody to answer", [behind(rule), *why])


def failed(status: int, rule: Rule, title: str, attempts: Sequence[str]) -> Page:
    """502 and 504: somebody was there and did not answer; `attempts` are sentences."""
    return Page(status, title, [behind(rule), *attempts])


def port_name(service: Obj, port: int | str) -> str | None:
    """The name of a Service's port that an Ingress gives by name or number; None when there is no such port."""
    for entry in (service.get("spec") or {}).get("ports") or ():
        if port in (entry.get("name"), entry.get("port")):
            return entry.get("name") or ""
    return None


def _ports(service: Obj) -> str:
    ports = (service.get("spec") or {}).get("ports") or ()
    return (
        ", ".join(f"{entry['name']} ({entry['port']})" if entry.get("name") else str(entry["port"]) for entry in ports) or "none"
    )


def _why_not_ready(store: Store, service: Obj) -> list[str]:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return [f"It stands for {spec.get('externalName')}, outside of this cluster, where this ingress sends nothing."]
    selector = spec.get("selector")
    if not selector:
        return ["It has no selector, and no EndpointSlice of its own with a ready endpoint."]
    wanted = ", ".join(f"{key}={value}" for key, value in selector.items())
    namespace = service["metadata"].get("namespace", "")
    pods = [pod for pod in store.list("pods", namespace) if matches_labels(selector, labels_of(pod))]
    if not pods:
        return [f"No pod in {namespace} has the labels it selects: {wanted}."]
    reasons = [f"Pod {name_of(pod)} is not ready: {why_not_ready(pod)}." for pod in pods if not _is_ready(pod)]
    more = [f"{len(reasons) - NAMED_PODS} more pods are not ready."] if len(reasons) > NAMED_PODS else []
    return (reasons[:NAMED_PODS] + more) or [f"Its {len(pods)} pods are ready, and not yet in an EndpointSlice."]


def _is_ready(pod: Obj) -> bool:
    conditions = dig(pod, "status.conditions", [])
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def why_not_ready(pod: Obj) -> str:
    """The nearest reason that a pod's status gives, as the end of a sentence."""
    if pod["metadata"].get("deletionTimestamp"):
        return "it is terminating"
    for condition in dig(pod, "status.conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return f"it has no node: {condition.get('message') or condition.get('reason') or 'not scheduled yet'}".rstrip(".")
    statuses = dig(pod, "status.initContainerStatuses", []) + dig(pod, "status.containerStatuses", [])
    for status in statuses:
        reason = _container_reason(status)
        if reason:
            return reason
    return f"its phase is {dig(pod, 'status.phase', 'Pending')}"


def _container_reason(status: Obj) -> str:
    state = status.get("state") or {}
    if waiting := state.get("waiting"):
        said = waiting.get("reason") or "waiting"
        return f"container {status['name']} waits: {said}" + (f", {waiting['message']}" if waiting.get("message") else "")
    if (terminated := state.get("terminated")) and terminated.get("exitCode"):
        return f"container {status['name']} ended with exit code {terminated['exitCode']}"
    if "running" in state and not status.get("ready"):
        return f"container {status['name']} runs, and its readiness probe has not succeeded"
    return ""
