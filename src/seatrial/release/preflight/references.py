"""What pods and the objects around them refer to by name, and whether it will be there: in the release, or live.

A hook that runs before the others sees only what is live, and hooks that run before it.  What a controller makes of something in
the release (ExternalSecret, Certificate, …) counts as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.release.findings import found, listed
from seatrial.release.plan import Plan
from seatrial.release.preflight.pods import HOOK, containers_of, every_template
from seatrial.rules.alive.config import MAKERS
from seatrial.rules.finding import Fact, Finding
from seatrial.world.objects import Obj, Ref, annotations_of, dig, group_of, name_of, ref_of

if TYPE_CHECKING:
    from seatrial.release.preflight.target import Target

_GROUPS = {
    "PriorityClass": "scheduling.k8s.io", "RuntimeClass": "node.k8s.io", "StorageClass": "storage.k8s.io",
    "IngressClass": "networking.k8s.io", "Deployment": "apps", "StatefulSet": "apps", "Rollout": "argoproj.io",
    "ReplicaSet": "apps",
}  # fmt: skip
_CLUSTER = frozenset({"PriorityClass", "RuntimeClass", "StorageClass", "IngressClass"})
#: Made in every namespace, or cluster, by the control plane itself or by what runs it.
_GIVEN = frozenset({
    ("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt"), ("PriorityClass", "system-node-critical"),
    ("PriorityClass", "system-cluster-critical"), ("ConfigMap", "istio-ca-root-cert"), ("ConfigMap", "openshift-service-ca.crt"),
})  # fmt: skip
#: Places that are shown of one name that is missing in many.
MOST_SHOWN = 5
#: Paths of references without which nothing of the release stops.
_SOFT = frozenset({"spec.tls", "spec.ingressClassName", "spec.rules", "scaleTargetRef"})


@dataclass(frozen=True, slots=True)
class Reference:
    """`by` names something of `kind`; `key` in it, where one is named; `at` is the path. Not `hard`: nothing stops without it."""

    by: Ref
    kind: str
    name: str
    key: str = ""
    at: str = ""
    hard: bool = True

    @property
    def ref(self) -> Ref:
        namespace = "" if self.kind in _CLUSTER else self.by.namespace
        return Ref(_GROUPS.get(self.kind, ""), self.kind, namespace, self.name)


def references(plan: Plan) -> Iterator[Reference]:
    """Everything that objects and hooks of a plan need by name; what is optional is left out."""
    for obj in (*plan.objects, *plan.hooks):
        yield from of_object(obj)


def of_object(obj: Obj) -> Iterator[Reference]:
    by = ref_of(obj)
    template = every_template(obj)
    for reference in _of_pod(by, template.get("spec") or {}) if template else ():
        if reference.name and (reference.kind, reference.name) not in _GIVEN and not _own_claim(obj, reference):
            yield reference
    for kind, name, at in _AROUND.get(obj["kind"], _nothing)(obj):
        if name and (kind, name) not in _GIVEN:
            yield Reference(by, kind, name, "", at, not any(word in at for word in _SOFT))


def _own_claim(obj: Obj, reference: Reference) -> bool:
    """Claims of a StatefulSet's own templates have the names of its volumes."""
    templates = {name_of(one) for one in dig(obj, "spec.volumeClaimTemplates", [])}
    return reference.kind == "PersistentVolumeClaim" and reference.name in templates


def _of_pod(by: Ref, spec: Obj) -> Iterator[Reference]:
    for kind, name, at in (
        ("ServiceAccount", spec.get("serviceAccountName") or spec.get("serviceAccount"), "serviceAccountName"),
        ("PriorityClass", spec.get("priorityClassName"), "priorityClassName"),
        ("RuntimeClass", spec.get("runtimeClassName"), "runtimeClassName"),
    ):
        yield Reference(by, kind, name or "", "", at)
    for one in spec.get("imagePullSecrets") or ():
        yield Reference(by, "Secret", one.get("name") or "", "", "imagePullSecrets", hard=False)
    for _, container in containers_of(spec):
        yield from _of_environment(by, container)
    for volume in spec.get("volumes") or ():
        yield from _of_volume(by, volume)


def _of_environment(by: Ref, container: Obj) -> Iterator[Reference]:
    at = f"container {container.get('name', '')}"
    for one in container.get("env") or ():
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            said = dig(one, f"valueFrom.{field}")
            if said and not said.get("optional"):
                yield Reference(by, kind, said.get("name", ""), said.get("key", ""), f"{at}, env {one.get('name', '')}")
    for one in container.get("envFrom") or ():
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            said = one.get(field)
            if said and not said.get("optional"):
                yield Reference(by, kind, said.get("name", ""), "", f"{at}, envFrom")


def _of_volume(by: Ref, volume: Obj) -> Iterator[Reference]:
    at = f"volume {volume.get('name', '')}"
    sources = [volume, *dig(volume, "projected.sources", [])]
    for source in sources:
        for field, kind, key in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
            said = source.get(field)
            if not said or said.get("optional"):
                continue
            name = said.get(key) or said.get("name") or ""
            items: list[Obj] = said.get("items") or [{}]
            for item in items:
                yield Reference(by, kind, name, item.get("key", ""), at)
    claim = dig(volume, "persistentVolumeClaim.claimName")
    if claim:
        yield Reference(by, "PersistentVolumeClaim", claim, "", at)


def _nothing(obj: Obj) -> Iterable[tuple[str, str, str]]:
    return ()


def _ingress(obj: Obj) -> Iterator[tuple[str, str, str]]:
    yield "IngressClass", dig(obj, "spec.ingressClassName", ""), "spec.ingressClassName"
    for index, one in enumerate(dig(obj, "spec.tls", [])):
        yield "Secret", one.get("secretName", ""), f"spec.tls[{index}].secretName"
    backends = [dig(obj, "spec.defaultBackend")]
    backends += [path.get("backend") for rule in dig(obj, "spec.rules", []) for path in dig(rule, "http.paths", [])]
    for backend in backends:
        yield "Service", dig(backend, "service.name", ""), "spec.rules[].http.paths[].backend.service.name"


def _scaler(obj: Obj) -> Iterator[tuple[str, str, str]]:
    said = dig(obj, "spec.scaleTargetRef", {})
    if said.get("kind", "Deployment") in ("Deployment", "StatefulSet", "Rollout", "ReplicaSet"):
        yield said.get("kind", "Deployment"), said.get("name", ""), "spec.scaleTargetRef"


def _claim(obj: Obj) -> Iterator[tuple[str, str, str]]:
    yield "StorageClass", dig(obj, "spec.storageClassName", ""), "spec.storageClassName"


def _claims(obj: Obj) -> Iterator[tuple[str, str, str]]:
    for one in dig(obj, "spec.volumeClaimTemplates", []):
        yield "StorageClass", dig(one, "spec.storageClassName", ""), f"volumeClaimTemplates {name_of(one)}"


def _rollout(obj: Obj) -> Iterator[tuple[str, str, str]]:
    for path in ("canary.stableService", "canary.canaryService", "blueGreen.activeService", "blueGreen.previewService"):
        yield "Service", dig(obj, f"spec.strategy.{path}", ""), f"spec.strategy.{path}"


_AROUND: dict[str, Any] = {
    "Ingress": _ingress, "HorizontalPodAutoscaler": _scaler, "ScaledObject": _scaler, "PersistentVolumeClaim": _claim,
    "StatefulSet": _claims, "Rollout": _rollout,
}  # fmt: skip


# whether they will be there


def check(target: Target) -> Iterator[Finding]:
    shelf = _Shelf(target)
    told: dict[tuple[str, Ref, str], tuple[list[Reference], str]] = {}
    for obj in (*target.plan.objects, *(hook for hook in target.plan.hooks if runs(hook, target.last is not None))):
        for reference in of_object(obj):
            rule, why = shelf.judge(obj, reference)
            if rule:
                several, _ = told.setdefault((rule, reference.ref, reference.key), ([], why))
                several.append(reference)
    for (rule, ref, key), (several, why) in told.items():
        who = sorted({f"{one.by.kind} {one.by.name}" for one in several})
        need = "needs" if len(who) == 1 else "need"
        what = f"key {key} of {ref.kind} {ref.name}" if rule == "reference-key-missing" else f"{ref.kind} {ref.name}"
        where = f" in {ref.namespace}" if ref.namespace else ""
        made = shelf.may_be_made(ref) if rule != "hook-too-early" else ""
        yield found(
            rule,
            f"{listed(who)} {need} {what}{where}, {why}",
            refs=tuple(dict.fromkeys(one.by for one in several)),
            evidence=[Fact(one.at, str(one.by)) for one in several[:MOST_SHOWN]],
            severity=None if any(one.hard for one in several) and not made else "warning",
            cause=f"{made} speaks of it, and may make it" if made else "",
        )


def summary(target: Target) -> str:
    """How much was looked up: `12 names in 4 objects`."""
    every = list(references(target.plan))
    names, objects = len({one.ref for one in every}), len({one.by for one in every})
    if not every:
        return "none"
    return f"{names} name{'s' if names > 1 else ''} in {objects} object{'s' if objects > 1 else ''}"


def reads(target: Target) -> list[str]:
    """What has to be read for the references, as it is called where it could not be: `secrets keys`."""
    keys = []
    for one in references(target.plan):
        resource = target.served.of_ref(one.ref)
        key = _LISTS.get(one.kind) or (f"{resource.plural} {one.name}" if resource else "")
        keys.append(key)
    return list(dict.fromkeys(keys))


class _Shelf:
    """What will be there when the release is applied, and what is there while a hook runs before it."""

    def __init__(self, target: Target) -> None:
        plan = target.plan
        self._target = target
        self._coming = {_key(ref_of(obj)): obj for obj in plan.objects}
        self._hooks = {_key(ref_of(obj)): obj for obj in plan.hooks}
        self._going = {_key(change.ref) for change in plan.changes if change.action == "remove"}
        self._made = {name for obj in (*plan.objects, *plan.live.values()) for name in _makes(obj)}
        self._makers = [obj for obj in plan.objects if obj["kind"] == "Cluster"]

    def judge(self, obj: Obj, reference: Reference) -> tuple[str, str]:
        """The rule that a reference breaks, and why; nothing where it is kept, or could not be looked up."""
        key = _key(reference.ref)
        live = self._live(reference)
        if live is ...:
            return "", ""
        if live is not None and key in self._going:
            return "reference-missing", "which this release takes away"
        early = _early(obj)
        hook = self._hooks.get(key)
        if early and hook is not None and _early(hook) and _weight(hook) < _weight(obj):
            return self._keyed(hook, reference)
        if early and live is None and (key in self._coming or key in self._hooks):
            return "hook-too-early", "which comes only after the hook has run"
        there = live if early else self._coming.get(key) or hook or live
        if there is None:
            return ("", "") if self._is_made(reference) else ("reference-missing", "which does not exist")
        return self._keyed(there, reference)

    def _keyed(self, there: Obj, reference: Reference) -> tuple[str, str]:
        if not reference.key or there["kind"] not in ("ConfigMap", "Secret"):
            return "", ""
        keys = {key for part in ("data", "stringData", "binaryData") for key in there.get(part) or {}}
        if reference.key in keys or self._is_made(reference):
            return "", ""
        return "reference-key-missing", "which it does not have"

    def _is_made(self, reference: Reference) -> bool:
        if reference.kind not in ("Secret", "ConfigMap"):
            return False
        return reference.name in self._made or any(reference.name.startswith(f"{name_of(one)}-") for one in self._makers)

    def may_be_made(self, ref: Ref) -> str:
        """What of the release speaks of a name, and may make what it names: a hook, a custom resource, an annotation."""
        if ref.kind not in ("Secret", "ConfigMap"):
            return ""
        plan = self._target.plan
        for obj in (*plan.objects, *plan.hooks):
            custom = "." in group_of(obj) and not group_of(obj).endswith(".k8s.io")
            said = obj if custom or (obj["kind"] == "Job" and obj in plan.hooks) else {"annotations": annotations_of(obj)}
            if _speaks_of(said, ref.name):
                return f"{obj['kind']} {name_of(obj)}"
        return ""

    def _live(self, reference: Reference) -> Any:
        """The live object, None where there is none, `...` where nobody could look."""
        ref, target = reference.ref, self._target
        found = target.plan.live.get(ref) or target.named.get(ref)
        if found is not None or ref in target.named:
            return found
        listed = target.lists.get(_LISTS.get(ref.kind, ""))
        if listed is not None:
            return next((obj for obj in listed if name_of(obj) == ref.name), None)
        return None if _key(ref) in self._coming or _key(ref) in self._hooks else ...


_LISTS = {"PriorityClass": "priorityclasses.scheduling.k8s.io", "StorageClass": "storageclasses.storage.k8s.io"}


def _speaks_of(value: Any, name: str) -> bool:
    """Whether a text in a document names something: alone, or as `--secret-name=NAME`; references of pods do not count."""
    if isinstance(value, dict):
        return any(_speaks_of(child, name) for key, child in value.items() if key not in _REFERRING)
    if isinstance(value, list):
        return any(_speaks_of(child, name) for child in value)
    return isinstance(value, str) and (value == name or value.endswith(f"={name}"))


#: Parts of objects that use a name and do not make what it names.
_REFERRING = frozenset({"envFrom", "valueFrom", "volumes", "imagePullSecrets", "metadata", "workloadRef"})


def _key(ref: Ref) -> tuple[str, str, str]:
    return ref.kind, ref.namespace, ref.name


def _makes(obj: Obj) -> Iterator[str]:
    """The names of what a controller makes of an object."""
    path = MAKERS.get(obj["kind"])
    if path is not None:
        yield str((dig(obj, path) if path else None) or name_of(obj))
    if obj["kind"] == "SecretProviderClass":  # the CSI driver writes it when the first pod mounts the class
        yield from (str(one.get("secretName", "")) for one in dig(obj, "spec.secretObjects", []))
    if obj["kind"] == "Ingress" and any("cert-manager.io" in key for key in annotations_of(obj)):
        yield from (one.get("secretName", "") for one in dig(obj, "spec.tls", []))


def _early(obj: Obj) -> bool:
    """Whether an object is a hook that runs before the others are applied, on an install or an upgrade."""
    return any(event.strip() in ("pre-install", "pre-upgrade") for event in annotations_of(obj).get(HOOK, "").split(","))


def runs(hook: Obj, upgrade: bool) -> bool:
    """Whether a hook has a part in an install, or in an upgrade."""
    events = {event.strip() for event in annotations_of(hook).get(HOOK, "").split(",")}
    return bool(events & ({"pre-upgrade", "post-upgrade"} if upgrade else {"pre-install", "post-install", "crd-install"}))


def _weight(obj: Obj) -> int:
    try:
        return int(annotations_of(obj).get("helm.sh/hook-weight", "0"))
    except ValueError:
        return 0
