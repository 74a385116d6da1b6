"""Which nodes a DaemonSet wants a pod on, and how a pod is tied to one (pkg/controller/daemon/util/daemonset_util.go)."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.world.objects import Obj, dig, labels_of, name_of
from seatrial.world.selectors import matches, matches_labels

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
#: What daemons tolerate beyond their own template: a node's troubles.
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_ON_HOST_NETWORK = (("node.kubernetes.io/network-unavailable", "NoSchedule"),)


def with_tolerations(template: Obj) -> Obj:
    """The template with the tolerations of a daemon."""
    spec = template["spec"]
    tolerations = list(spec.get("tolerations") or ())
    for key, effect in _TOLERATED + (_ON_HOST_NETWORK if spec.get("hostNetwork") else ()):
        each = {"key": key, "operator": "Exists", "effect": effect}
        if each not in tolerations:
            tolerations.append(each)
    return {**template, "spec": {**spec, "tolerations": tolerations}}


def pin(spec: Obj, node: str) -> None:
    """Tie a pod to a node by its name; what it asks for otherwise was asked of the node already."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = spec.setdefault("affinity", {})
    affinity.setdefault("nodeAffinity", {})[_REQUIRED] = {"nodeSelectorTerms": [term]}


def target_of(pod: Obj) -> str:
    """The node a daemon is on or meant for, "" when there is none."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    for term in dig(pod, f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms", ()):
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("operator") == "In" and len(field.get("values", ())) == 1:
                return str(field["values"][0])
    return ""


def should_run(template: Obj, node: Obj) -> tuple[bool, bool]:
    """(a pod should start on the node, one that runs there may stay): NodeShouldRunDaemonPod."""
    spec = template["spec"]
    if spec.get("nodeName") and spec["nodeName"] != name_of(node):
        return False, False
    if not matches_labels(spec.get("nodeSelector") or {}, labels_of(node)):
        return False, False
    terms = dig(spec, f"affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms")
    if terms is not None and not any(_term(term, node) for term in terms):
        return False, False
    taints = (node.get("spec") or {}).get("taints") or ()
    unbearable = [taint for taint in taints if not _tolerates(spec.get("tolerations") or (), taint)]
    return (
        not any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in unbearable),
        not any(taint["effect"] == "NoExecute" for taint in unbearable),
    )


def _term(term: Obj, node: Obj) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    of_node = {"metadata.name": name_of(node)}
    return matches({"matchExpressions": expressions}, labels_of(node)) and matches({"matchExpressions": fields}, of_node)


def _tolerates(tolerations: Iterable[Obj], taint: Obj) -> bool:
    """Whether one of the tolerations bears a taint (k8s.io/component-helpers, scheduling/corev1)."""
    for each in tolerations:
        if each.get("effect") and each["effect"] != taint["effect"]:
            continue
        if each.get("key") and each["key"] != taint["key"]:
            continue
        if each.get("operator", "Equal") == "Exists" or each.get("value", "") == taint.get("value", ""):
            return True
    return False
