"""Whether the cluster serves the kinds that are to be made, in versions that stay, and whether it takes the objects.

An object that the cluster refused in a dry run is told in the cluster's own words, unless a table here knows better: fields that
cannot be changed, each with the way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.release.findings import found, listed
from seatrial.release.plan import Change
from seatrial.release.preflight.asking import definition
from seatrial.release.preflight.target import Target
from seatrial.rules.finding import Fact, Finding
from seatrial.rules.gone import GONE
from seatrial.world.objects import Obj, Ref, annotations_of, dig, group_of, labels_of, name_of, ref_of


def served(target: Target) -> Iterator[Finding]:
    objects = (*target.plan.objects, *target.plan.hooks)
    own = {
        (dig(obj, "spec.group", ""), dig(obj, "spec.names.kind", ""))
        for obj in objects
        if obj["kind"] == "CustomResourceDefinition"
    }
    missing: dict[tuple[str, str], list[Obj]] = {}
    for obj in objects:
        if target.served.of(obj) is None and (group_of(obj), obj["kind"]) not in own:
            # a kind that is served in another version is a mistake of its own; the others want one thing installed
            other = obj["kind"] if target.served.versions_of(group_of(obj), obj["kind"]) else ""
            missing.setdefault((obj["apiVersion"], other), []).append(obj)
    for (api_version, _), several in missing.items():
        yield _not_served(target, api_version, several)


#: What brings the kinds of a group, by the end of its name.
BROUGHT_BY = {
    "argoproj.io": "Argo Rollouts", "istio.io": "Istio", "monitoring.coreos.com": "the Prometheus operator", "keda.sh": "KEDA",
    "external-secrets.io": "External Secrets", "cert-manager.io": "cert-manager", "gateway.networking.k8s.io": "the Gateway API",
    "autoscaling.k8s.io": "the Vertical Pod Autoscaler", "cnpg.io": "CloudNativePG", "x-k8s.io": "the driver of that name",
    "opentelemetry.io": "the OpenTelemetry operator", "bitnami.com": "Sealed Secrets", "karpenter.sh": "Karpenter",
}  # fmt: skip


def _not_served(target: Target, api_version: str, several: list[Obj]) -> Finding:
    kinds = list(dict.fromkeys(obj["kind"] for obj in several))
    group, kind = group_of(several[0]), ", ".join(kinds)
    versions = target.served.versions_of(group, kinds[0])
    bringer = next((one for end, one in BROUGHT_BY.items() if group == end or group.endswith(f".{end}")), f"what brings {kind}")
    fix = f"write it as {versions[0]}" if versions else f"install {bringer}, or leave {'them' if several[1:] else 'it'} out"
    cause = f"it serves {kind} as {', '.join(versions)}" if versions else "its custom resource definition is not installed"
    if any(one.removeprefix("/apis/") == api_version for one in target.served.unread):
        cause, fix = f"{api_version} is registered, and the server behind it does not answer", "bring that server up"
    names = [f"{one} {listed(name_of(obj) for obj in several if obj['kind'] == one)}" for one in kinds]
    return found(
        "kind-not-served",
        f"the cluster does not serve {api_version}: {'; '.join(names)}",
        refs=[ref_of(obj) for obj in several],
        cause=cause,
        fix=fix,
    )


def deprecated(target: Target) -> Iterator[Finding]:
    several: dict[tuple[str, str], list[Obj]] = {}
    for obj in (*target.plan.objects, *target.plan.hooks):
        if target.served.of(obj) is not None:  # one that is not served is told as that
            several.setdefault((obj["apiVersion"], obj["kind"]), []).append(obj)
    for (api_version, kind), objects in several.items():
        when, instead = _on_its_way_out(target, objects[0])
        if when:
            names = listed(name_of(obj) for obj in objects)
            title = f"{kind} {names} {'are' if objects[1:] else 'is'} written as {api_version}: {when}"
            yield found("api-deprecated", title, refs=[ref_of(obj) for obj in objects], fix=f"write {instead}")


def _on_its_way_out(target: Target, obj: Obj) -> tuple[str, str]:
    """When an object's version goes, and what to write instead: by the table, or by the definition of a custom resource."""
    api_version, kind = obj["apiVersion"], obj["kind"]
    gone = GONE.get((api_version, kind))
    if gone is not None:
        when = f"Kubernetes {gone.since[0]}.{gone.since[1]} serves it no more" if gone.since else "it is deprecated"
        return when, gone.now or "what replaces it"
    resource = target.served.of(obj)
    known = target.named.get(definition(f"{resource.plural}.{resource.group}")) if resource else None
    versions: list[Obj] = dig(known, "spec.versions", [])
    mine = next((one for one in versions if f"{group_of(obj)}/{one['name']}" == api_version), {})
    if not mine.get("deprecated"):
        return "", ""
    others = [f"{group_of(obj)}/{one['name']}" for one in versions if one.get("served") and not one.get("deprecated")]
    said = str(mine.get("deprecationWarning") or "its definition calls it deprecated")
    return said, others[-1] if others else "what its makers say"


# what the cluster does not take


_STATEFUL = frozenset({
    "replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
    "revisionHistoryLimit",
})  # fmt: skip
_DELETE = "delete the object before the release: the release makes it anew"
_ORPHAN = (
    "kubectl delete {kind} {name} -n {namespace} --cascade=orphan before the release: the pods run on, and are taken up again"
)
#: kind -> fields that cannot be changed (patterns of their paths), and the way out (ValidateUpdate of pkg/registry/<group>).
IMMUTABLE: dict[str, tuple[str, str]] = {
    "Deployment": (r"spec\.selector\b.*", _DELETE),
    "ReplicaSet": (r"spec\.selector\b.*", _DELETE),
    "DaemonSet": (r"spec\.selector\b.*", _ORPHAN),
    "StatefulSet": (rf"spec\.(?!({'|'.join(sorted(_STATEFUL))})\b).*", _ORPHAN),
    "Job": (
        r"spec\.(template|selector|completionMode|podFailurePolicy|successPolicy)\b.*",
        _DELETE + "; or give it another name, or make it a hook",
    ),
    "Service": (r"spec\.(clusterIP|clusterIPs)\b.*", "leave spec.clusterIP out, or " + _DELETE),
    "PersistentVolumeClaim": (r"spec\.(?!(resources|volumeAttributesClassName)\b).*", "make another claim and move the data"),
    "StorageClass": (r"(provisioner|parameters|reclaimPolicy|volumeBindingMode)\b.*", "give the class another name"),
    "PriorityClass": (r"value", "give the class another name"),
    "RoleBinding": (r"roleRef\b.*", _DELETE),
    "ClusterRoleBinding": (r"roleRef\b.*", _DELETE),
    "Secret": (r"type", _DELETE),
    "IngressClass": (r"spec\.controller", _DELETE),
}  # fmt: skip
#: Kinds whose content cannot be changed where they say `immutable: true`.
_SEALED = re.compile(r"(data|binaryData|stringData|immutable)\b.*")


def taken(target: Target) -> Iterator[Finding]:
    """Objects that the cluster would refuse: by the fields that change, else by what it said in the dry run."""
    for change in target.plan.changes:
        fields = list(_fixed(target, change))
        if fields:
            yield _immutable(target, change, fields)
        elif change.refused and not _is_permission(change.refused) and not _too_early(target, change):
            title = f"the cluster refuses {change.ref.kind} {change.ref.name}: {_words(change.refused)}"
            yield found("object-refused", title, refs=(change.ref,), evidence=[Fact(change.refused, "dry run")])


def _fixed(target: Target, change: Change) -> Iterator[str]:
    live = target.plan.live.get(change.ref) or {}
    pattern, _ = IMMUTABLE.get(change.ref.kind, (None, ""))
    for field in change.fields:
        sealed = live.get("immutable") and _SEALED.fullmatch(field.path)
        if sealed or (pattern and re.fullmatch(pattern, field.path) and not _may_change(change.ref, field.path, live)):
            yield field.path


def _may_change(ref: Ref, path: str, live: Obj) -> bool:
    """A Service may take an address when it had none by its type, and lose it so."""
    return ref.kind == "Service" and dig(live, "spec.type") == "ExternalName"


def _immutable(target: Target, change: Change, fields: list[str]) -> Finding:
    kind, name = change.ref.kind, change.ref.name
    way = IMMUTABLE.get(kind, ("", _DELETE + ", or give it another name"))[1]
    values = [
        Fact(f"{one.path}: {one.before!r} now, {one.after!r} wanted", str(change.ref))
        for one in change.fields
        if one.path in fields
    ]
    return found(
        "field-immutable",
        f"{kind} {name}: {', '.join(fields)} cannot be changed",
        refs=(change.ref,),
        evidence=values,
        fix=way.format(kind=kind.lower(), name=name, namespace=target.plan.namespace),
    )


def _is_permission(words: str) -> bool:
    return bool(re.search(r"cannot (patch|create|get|update) resource", words))  # told by another check


def _too_early(target: Target, change: Change) -> bool:
    """Whether it was refused for want of something that the release itself brings, before it in Helm's order."""
    if not re.search(r"not found|does not exist", change.refused):
        return False
    coming = {one.ref.name for one in target.plan.changes if one.action == "add" and one.ref != change.ref}
    return any(name in coming for name in re.findall(r"[\"']([\w.:-]+)[\"']", change.refused))


def _words(refused: str) -> str:
    """Without the name of the object that the sentence has already: `Service "web" is invalid: spec.ports: …`."""
    return re.sub(r'^[\w.]+ "[^"]*" is (invalid|forbidden): ', "", refused)


def ours(target: Target) -> Iterator[Finding]:
    """Objects that are there and belong to somebody else: Helm refuses to adopt them (pkg/action/validate.go)."""
    release, namespace = target.plan.release, target.plan.namespace
    for obj in target.plan.objects:
        live = target.plan.live.get(ref_of(obj))
        if live is None or ref_of(obj) in target.plan.before:
            continue
        notes = annotations_of(live)
        owner = notes.get("meta.helm.sh/release-name"), notes.get("meta.helm.sh/release-namespace")
        if owner == (release, namespace) and labels_of(live).get("app.kubernetes.io/managed-by") == "Helm":
            continue
        whose = f"of release {owner[0]} in {owner[1]}" if owner[0] else "of no Helm release"
        title = f"{obj['kind']} {name_of(obj)} is there already, and is {whose}"
        yield found("not-ours", title, refs=(ref_of(obj),), evidence=[Fact(whose, f"{ref_of(obj)}, metadata.annotations")])
