"""The scale subresource: a workload's replica count behind one small object, whatever the kind.

For custom resources the CRD names the paths; built-in kinds have them in `spec.replicas` and `status.replicas`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.world.objects import Obj, dig


@dataclass(frozen=True, slots=True)
class ScalePaths:
    spec: str = "spec.replicas"
    status: str = "status.replicas"
    selector: str = "spec.selector"


BUILTIN = ScalePaths()


def scale_of(obj: Obj, paths: ScalePaths = BUILTIN) -> Obj:
    """The autoscaling/v1 Scale of an object."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if key in metadata}
    spec: Obj = {}
    replicas = dig(obj, paths.spec, 0)
    if replicas:
        spec["replicas"] = replicas
    status: Obj = {"replicas": dig(obj, paths.status, 0)}
    selector = dig(obj, paths.selector)
    if selector:
        status["selector"] = selector if isinstance(selector, str) else selector_text(selector)
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": kept, "spec": spec, "status": status}


def scaled(obj: Obj, replicas: int, paths: ScalePaths = BUILTIN) -> Obj:
    """A copy of the object, as deep as needed, with another number of replicas."""
    copy = here = {**obj, "metadata": {**obj["metadata"]}}
    *steps, last = paths.spec.split(".")
    for step in steps:
        here[step] = dict(here.get(step) or {})
        here = here[step]
    here[last] = replicas
    return copy


def selector_text(selector: Mapping[str, Any]) -> str:
    """A LabelSelector as a query string, in the order of metav1.FormatLabelSelector: by key."""
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        key, values = rule["key"], ",".join(sorted(rule.get("values") or ()))
        form = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}
        terms.append((key, form.get(rule["operator"], key)))
    return ",".join(text for _, text in sorted(terms))
