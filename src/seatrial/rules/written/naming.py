# ruff: noqa: E501 - a line of the table is one saying
"""Names, labels and annotations of every object, which the API server checks before anything else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.examples import container, manifest
from seatrial.rules.written.pods import pods_of
from seatrial.rules.written.reading import mapping, text
from seatrial.rules.written.telling import Path, brief, put, tell
from seatrial.world.objects import Obj, group_of
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."


def _named(name: str, labels: str = "{}") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\n  labels: {labels}\n"


_FINE = _named("api", "{app.kubernetes.io/version: '1.4'}")

RULES = (
    Rule("name-missing", "error", "has no name", _REFUSED,
         "Set metadata.name.",
         "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  namespace: shop\n", _FINE),
    Rule("name-invalid", "error", "has a name that cannot be", _REFUSED,
         "Names have lower-case letters, digits, - and ., and begin and end with a letter or digit.",
         _named("Api_Server"), _FINE),
    Rule("name-too-long", "error", "has a name that is too long", _REFUSED + " (63 characters for a Service or Namespace, 52 for a CronJob, 253 for others.)",
         "Shorten it.",
         manifest("v1", "Namespace", "", name="the-shop-of-the-storefront-team-in-the-second-region-of-production", namespace=""),
         manifest("v1", "Namespace", "", name="shop-production", namespace="")),
    Rule("name-of-pods-long", "warning", "has a name that leaves no room for its pods'", "Labels and host names hold 63 characters: pods lose their label, or host names are cut.",
         "Keep names of workloads below 53 characters.",
         container("").replace("name: api\n  namespace", "name: a-name-of-a-deployment-that-is-far-too-long-for-its-pods\n  namespace"), container("")),
    Rule("label-invalid", "error", "has a label that cannot be", _REFUSED,
         "Values have at most 63 letters, digits, -, _ and ., and begin and end with a letter or digit (a + of a version becomes _ or -).",
         _named("api", "{app.kubernetes.io/version: 1.4.0+build.7}"), _FINE),
    Rule("label-not-text", "error", "has a label that is no text", _REFUSED + " YAML reads 1.0, 2024 and true as numbers and truth values.",
         "Put quotes around the value.",
         _named("api", "{app.kubernetes.io/version: 1.4}"), _FINE),
    Rule("annotation-invalid", "error", "has an annotation that cannot be", _REFUSED,
         "Annotations are texts with proper keys, 256 KiB together.",
         "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: api\n  namespace: shop\n  annotations: {checked: true}\n",
         "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: api\n  namespace: shop\n  annotations: {checked: 'true'}\n"),
    Rule("namespace-default", "note", "is in the default namespace", "Everything without a namespace ends up there: quotas, policies and rights cannot tell applications apart.",
         "Give the application a namespace of its own.",
         manifest("v1", "ConfigMap", "data: {a: b}", namespace="default"), _FINE),
)  # fmt: skip

_SUBDOMAIN = pattern(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = pattern(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SERVICE = pattern(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_VALUE = pattern(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_KEY = pattern(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
#: kind -> the form of its names, and their longest.
FORMS = {"Service": (_SERVICE, 63), "Namespace": (_LABEL, 63), "CronJob": (_SUBDOMAIN, 52)}
#: Kinds whose names may be anything that fits into a path.
FREE = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
LONG_POD = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})


@check("*", rules=RULES)
def names(world: World, obj: Obj) -> Iterator[Finding]:
    """The metadata of an object, and of the pods it makes."""
    metadata = mapping(obj, "metadata")
    name, kind = metadata.get("name"), str(obj.get("kind", ""))
    if not name:
        if not text(metadata, "generateName") and kind not in ("Kustomization", "Config") and not kind.endswith("List"):
            yield tell(world, "name-missing", obj, ("metadata", "name"), "name: not set")
    elif kind not in FREE:
        form, longest = FORMS.get(kind, (_SUBDOMAIN, 253))
        if not isinstance(name, str) or not form.fullmatch(name):
            # tools keep settings that look like objects, and are none; only who knows the kind knows better
            severity: Severity | None = "warning" if "." in group_of(obj) and not group_of(obj).endswith(".k8s.io") else None
            yield tell(world, "name-invalid", obj, ("metadata", "name"), f"name: {brief(name)}", severity=severity)
        elif len(name) > longest:
            yield tell(world, "name-too-long", obj, ("metadata", "name"), f"{len(name)} characters, at most {longest}")
        elif kind in LONG_POD and len(name) > 52:
            yield tell(world, "name-of-pods-long", obj, ("metadata", "name"), f"{len(name)} characters")
    if metadata.get("namespace") == "default" and name not in ("kubernetes", "kube-root-ca.crt", "default"):
        yield tell(world, "namespace-default", obj, ("metadata", "namespace"), "namespace: default")
    yield from _metadata(world, obj, ("metadata",), metadata)
    pods = pods_of(world, obj)
    if pods is not None and pods.path:
        yield from _metadata(world, obj, (*pods.path, "metadata"), mapping(pods.template, "metadata"))


def _metadata(world: World, obj: Obj, at: Path, metadata: Obj) -> Iterator[Finding]:
    for key, value in mapping(metadata, "labels").items():
        if not isinstance(value, str):
            if value is not None:
                there = (*at, "labels", str(key))
                written = str(value).lower() if isinstance(value, bool) else str(value)
                yield tell(world, "label-not-text", obj, there, f"{key}: {brief(written)}", ops=[put(obj, there, written)])
        elif not _is_value(value):
            there, better = (*at, "labels", str(key)), value.replace("+", "_")
            ops = [put(obj, there, better)] if "+" in value and _VALUE.fullmatch(better) else []
            yield tell(world, "label-invalid", obj, there, f"{key}: {brief(value)}", ops=ops)
        if not _is_key(key):
            yield tell(world, "label-invalid", obj, (*at, "labels", str(key)), f"key: {brief(key)}")
    size = 0
    for key, value in mapping(metadata, "annotations").items():
        there = (*at, "annotations", str(key))
        if value is not None and not isinstance(value, str):
            written = str(value).lower() if isinstance(value, bool) else str(value)
            ops = [put(obj, there, written)] if not isinstance(value, (dict, list)) else []
            yield tell(world, "annotation-invalid", obj, there, f"{key}: {brief(written)}", ops=ops)
            continue
        size += len(str(key)) + len(value or "")
        if not _is_key(str(key).lower()):
            yield tell(world, "annotation-invalid", obj, there, f"key: {brief(key)}")
    if size > 256 * 1024:
        yield tell(world, "annotation-invalid", obj, (*at, "annotations"), f"{size // 1024} KiB together")


@lru_cache(maxsize=8192)
def _is_value(value: str) -> bool:
    return len(value) <= 63 and _VALUE.fullmatch(value) is not None


@lru_cache(maxsize=8192)
def _is_key(key: object) -> bool:
    return isinstance(key, str) and len(key.rpartition("/")[2]) <= 63 and _KEY.fullmatch(key) is not None
