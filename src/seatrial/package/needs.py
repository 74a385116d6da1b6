"""What objects count on and do not bring: the stores of secrets, issuers and Gateways that somebody else keeps in the cluster.

Operators and their kinds are not among them: that those are served is for whoever applies to ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from seatrial.world.objects import Obj, dig, name_of

#: A kind, a name, what for, and the items of that.
Need = tuple[str, str, str, Sequence[str]]

ISSUER = "cert-manager.io/cluster-issuer"


def needs(objects: Sequence[Obj]) -> list[str]:
    """What must be in the cluster, each as `Kind name` and what for, in the order in which it is first met."""
    there = {(obj["kind"], name_of(obj)) for obj in objects} | {("Secret", name) for obj in objects for name in _made(obj)}
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for kind, name, why, of in _referred(objects):
        if (kind, name.rpartition("/")[2]) not in there:
            found.setdefault((kind, name, why), {}).update(dict.fromkeys(of))
    return [f"{kind} {name}, {' '.join([why, ', '.join(of)]).strip()}" for (kind, name, why), of in found.items()]


def _referred(objects: Iterable[Obj]) -> Iterator[Need]:
    for obj in objects:
        for need in OF_KIND.get(obj["kind"], _nothing)(obj):
            if need[1]:
                yield need


def _made(obj: Obj) -> Iterator[str]:
    """The Secrets that operators make of an object."""
    if obj["kind"] == "ExternalSecret":
        yield dig(obj, "spec.target.name") or name_of(obj)
    elif obj["kind"] == "SecretProviderClass":
        yield from (made["secretName"] for made in dig(obj, "spec.secretObjects") or [])


def _nothing(obj: Obj) -> Iterator[Need]:
    yield from ()


def _external_secret(obj: Obj) -> Iterator[Need]:
    reference: Any = dig(obj, "spec.secretStoreRef") or {}
    keys = dict.fromkeys(item["remoteRef"]["key"] for item in dig(obj, "spec.data") or [])
    yield str(reference.get("kind") or "SecretStore"), str(reference.get("name") or ""), "which finds", list(keys)


def _secret_store(obj: Obj) -> Iterator[Need]:
    for name in dict.fromkeys(_secrets(dig(obj, "spec.provider"))):
        yield "Secret", name, f"with the keys by which the SecretStore {name_of(obj)} asks", ()


def _secrets(part: Any) -> Iterator[str]:
    """The Secrets that the credentials of a provider are in."""
    for key, value in part.items() if isinstance(part, dict) else ():
        if isinstance(value, dict) and {"name", "key"} <= value.keys():
            yield str(value["name"])
        elif key != "serviceAccountRef":
            yield from _secrets(value)


def _ingress(obj: Obj) -> Iterator[Need]:
    issuer = (obj["metadata"].get("annotations") or {}).get(ISSUER)
    yield "ClusterIssuer", str(issuer or ""), "of cert-manager", ()


def _certificate(obj: Obj) -> Iterator[Need]:
    reference: Any = dig(obj, "spec.issuerRef") or {}
    yield str(reference.get("kind") or "Issuer"), str(reference.get("name") or ""), "of cert-manager", ()


def _route(obj: Obj) -> Iterator[Need]:
    for parent in dig(obj, "spec.parentRefs") or []:
        namespace = parent.get("namespace")
        yield "Gateway", f"{namespace}/{parent['name']}" if namespace else parent["name"], "which lets the world in", ()


def _workload(obj: Obj) -> Iterator[Need]:
    pod = dig(obj, "spec.template.spec") or dig(obj, "spec.jobTemplate.spec.template.spec") or {}
    keys: dict[str, list[str]] = {}
    for container in [*pod.get("initContainers", []), *pod.get("containers", [])]:
        for variable in container.get("env", []):
            reference = dig(variable, "valueFrom.secretKeyRef")
            if reference and not reference.get("optional"):
                keys.setdefault(reference["name"], []).append(reference["key"])
    for name, wanted in keys.items():
        yield "Secret", name, "with", list(dict.fromkeys(wanted))


OF_KIND = {
    **dict.fromkeys(("Deployment", "Rollout", "StatefulSet", "Job", "CronJob"), _workload),
    "ExternalSecret": _external_secret,
    "SecretStore": _secret_store,
    "Ingress": _ingress,
    "Certificate": _certificate,
    "HTTPRoute": _route,
}
