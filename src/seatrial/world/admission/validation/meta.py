"""Metadata, labels, annotations, owners and label selectors (apimachinery, pkg/api/validation/objectmeta.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import names
from seatrial.world.objects import Obj

#: Bytes that annotations may hold together.
ANNOTATION_BYTES = 256 * 1024
#: Finalizers without a domain that Kubernetes itself knows.
FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
IN_VALUES = "must be specified when `operator` is 'In' or 'NotIn'"
NO_VALUES = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"


def check(obj: Obj, rule: names.NameRule, causes: Causes, namespaced: bool | None = None, *, any_finalizer: bool = False) -> None:
    """The metadata of a new object; `namespaced` None leaves the namespace alone.

    `any_finalizer`: names without a path are allowed, as they are for custom resources (`finalizer.keda.sh`).
    """
    metadata = obj.get("metadata") or {}
    prefix, name = metadata.get("generateName"), metadata.get("name")
    if prefix:
        causes.each("metadata.generateName", prefix, names.as_prefix(rule, prefix))
    if not name:
        causes.required("metadata.name", "name or generateName is required")
    else:
        causes.each("metadata.name", name, rule(name))
    namespace = metadata.get("namespace")
    if namespaced and namespace:
        causes.each("metadata.namespace", namespace, names.dns_label(namespace))
    common(metadata, causes)
    _finalizers(metadata, causes, any_finalizer)


def check_update(obj: Obj, old: Obj, causes: Causes, *, any_finalizer: bool = False) -> None:
    """The metadata of a changed object; what no update can change is the registry's care."""
    metadata, before = obj.get("metadata") or {}, old.get("metadata") or {}
    if before.get("deletionTimestamp"):
        added = sorted(set(metadata.get("finalizers") or ()) - set(before.get("finalizers") or ()))
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            causes.forbidden(
                "metadata.finalizers",
                f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}",
            )
    common(metadata, causes)
    if metadata.get("finalizers") != before.get("finalizers"):
        _finalizers(metadata, causes, any_finalizer)


def common(metadata: Obj, causes: Causes) -> None:
    if metadata.get("labels"):
        check_labels(metadata["labels"], "metadata.labels", causes)
    if metadata.get("annotations"):
        check_annotations(metadata["annotations"], "metadata.annotations", causes)
    if metadata.get("ownerReferences"):
        _owners(metadata["ownerReferences"], causes)


def check_labels(pairs: Mapping[str, str], field: str, causes: Causes) -> None:
    for key, value in pairs.items():
        for why in names.qualified(key):
            causes.invalid(field, key, why)
        for why in names.label_value(value):
            causes.invalid(field, value, why)


def check_annotations(pairs: Mapping[str, str], field: str, causes: Causes) -> None:
    size = 0
    for key, value in pairs.items():
        size += len(key) + len(value)
        for why in names.qualified(key.lower()):
            causes.invalid(field, key, why)
    if size > ANNOTATION_BYTES:
        causes.too_long(field, ANNOTATION_BYTES)


def _owners(owners: list[Obj], causes: Causes) -> None:
    controller = ""
    for number, owner in enumerate(owners):
        field = f"metadata.ownerReferences[{number}]"
        version = owner.get("apiVersion")
        if not version:
            causes.required(f"{field}.apiVersion", "must not be empty")
        elif version.count("/") > 1 or version.endswith("/"):
            causes.invalid(f"{field}.apiVersion", version, "must be <group>/<version> or <version>")
        for key in ("kind", "name", "uid"):
            if not owner.get(key):
                causes.required(f"{field}.{key}", "must not be empty")
        if version == "v1" and owner.get("kind") == "Event":
            causes.invalid(field, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller"):
            this = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                why = 'Only one reference can have Controller set to true. Found "true" in references for'
                causes.invalid("metadata.ownerReferences", owners, f"{why} {controller} and {this}")
            controller = controller or this


def _finalizers(metadata: Obj, causes: Causes, any_name: bool) -> None:
    finalizers = metadata.get("finalizers") or []
    for name in finalizers:
        causes.each("metadata.finalizers", name, names.qualified(name))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        why = "finalizer orphan and foregroundDeletion cannot be both set"
        causes.invalid("metadata.finalizers", finalizers, why)
    for number, name in enumerate(finalizers):
        if not any_name and "/" not in name and name not in FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            causes.invalid(f"metadata.finalizers[{number}]", name, why)


# selectors


def label_selector(selector: Mapping[str, Any] | None, field: str, causes: Causes) -> None:
    if not selector:
        return
    check_labels(selector.get("matchLabels") or {}, f"{field}.matchLabels", causes)
    for number, rule in enumerate(selector.get("matchExpressions") or ()):
        _requirement(rule, f"{field}.matchExpressions[{number}]", causes)


def _requirement(rule: Obj, field: str, causes: Causes) -> None:
    operator, values = rule.get("operator", ""), rule.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            causes.required(f"{field}.values", IN_VALUES)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            causes.forbidden(f"{field}.values", NO_VALUES)
    else:
        causes.invalid(f"{field}.operator", operator, "not a valid selector operator")
    causes.each(f"{field}.key", rule.get("key", ""), names.qualified(rule.get("key", "")))
    for number, value in enumerate(values):
        causes.each(f"{field}.values[{number}]", value, names.label_value(value))


def is_empty(selector: Mapping[str, Any]) -> bool:
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def shown_selector(selector: Mapping[str, Any]) -> Obj:
    """A selector with its parts in Go's order."""
    return {key: selector[key] for key in ("matchLabels", "matchExpressions") if selector.get(key)}
