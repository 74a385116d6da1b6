# ruff: noqa: E501 - a line of the table is one saying
"""Pods that nobody makes again, and pods that keep away from others that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.examples import IMAGE, manifest
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.pods import Pods, check_pods
from seatrial.rules.written.reading import items, mapping, strings, text, value
from seatrial.rules.written.telling import Path, brief, tell
from seatrial.world.objects import Obj, annotations_of
from seatrial.world.selectors import matches
from seatrial.world.world import World

_POD = manifest("v1", "Pod", "spec:\n%s  containers: [{name: api, " + IMAGE + "}]")
_APART = "affinity:\n  podAntiAffinity:\n    requiredDuringSchedulingIgnoredDuringExecution:\n      - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: %s}}}"

RULES = (
    Rule("pod-bare", "warning", "is a pod that nobody makes again", "When its node goes, is drained or is short of memory, it is gone for good; kubectl drain refuses to touch it without --force.",
         "Let a Deployment, a StatefulSet or a Job make it (restartPolicy: Never where it is meant to run once).",
         _POD % "", _POD % "  restartPolicy: Never\n"),
    Rule("anti-affinity-nobody", "warning", "keeps away from pods that nobody has", "The labels or namespaces of its podAntiAffinity fit no workload, its own replicas neither: they may all land on one node.",
         "Let labelSelector be the labels of its own pods, and leave namespaces out.",
         example("", pod=_APART % "backend"), example("", pod=_APART % "api")),
)  # fmt: skip

_WHEN = ("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution")
#: Who else looks after a pod: a node that reads it from a file, Helm that runs it as a test, Argo CD as a hook.
_KEEPERS = ("kubernetes.io/config.mirror", "kubernetes.io/config.source", "helm.sh/hook", "argocd.argoproj.io/hook")


@check("Pod", rules=RULES[:1])
def bare(world: World, obj: Obj) -> Iterator[Finding]:
    """A pod that is meant to last, and has no owner."""
    metadata, spec = mapping(obj, "metadata"), mapping(obj, "spec")
    kept = metadata.get("ownerReferences") or any(key in annotations_of(obj) for key in _KEEPERS)
    if not kept and spec.get("restartPolicy", "Always") == "Always" and metadata.get("namespace") != "kube-system":
        yield tell(world, "pod-bare", obj, ("kind",), "kind: Pod, without an owner")


@check_pods(rules=RULES[1:])
def apart(world: World, pods: Pods) -> Iterator[Finding]:
    """The terms of a podAntiAffinity that fit neither its own pods nor anybody else's."""
    own = text(pods.obj, "metadata", "namespace")
    for at, term in _terms(pods):
        selector, spaces = term.get("labelSelector"), strings(term, "namespaces")
        if "namespaceSelector" in term or "matchLabelKeys" in term or (spaces and not own):
            continue
        itself = _fits(selector, pods.labels)
        if itself and own in (spaces or [own]):
            continue
        others = (each for each in world.graph.templates if not spaces or each.ref.namespace in ("", *spaces))
        if not any(_fits(selector, each.labels) for each in others if spaces or each.ref.namespace in ("", own) or not own):
            near = itself or bool(mapping(selector, "matchLabels").items() & pods.labels.items())
            severity: Severity | None = None if near else "note"  # they may be somebody's who is not here
            words = f"labelSelector: {brief(selector)}" + (f", namespaces: {', '.join(spaces)}" if spaces else "")
            words += f"; its pods have {brief(pods.labels)}" + (f" in {own}" if own else "")
            yield tell(world, "anti-affinity-nobody", pods.obj, (*at, "labelSelector"), words, severity=severity)


def _terms(pods: Pods) -> Iterator[tuple[Path, Obj]]:
    for when in _WHEN:
        at: Path = (*pods.spec_path, "affinity", "podAntiAffinity", when)
        for place, term in enumerate(items(pods.spec, "affinity", "podAntiAffinity", when)):
            weighted = value(term, "podAffinityTerm")
            if isinstance(weighted, dict):
                yield (*at, place, "podAffinityTerm"), weighted
            elif when == _WHEN[0]:
                yield (*at, place), term


def _fits(selector: object, labels: dict[str, str]) -> bool:
    """Whether labels fit; no selector fits nothing, and one that is none is for the rules of shapes."""
    if selector is None:
        return False
    try:
        return isinstance(selector, dict) and matches(selector, labels)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        return True
