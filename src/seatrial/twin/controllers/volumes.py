"""Persistent volumes: finds or provisions a volume for each claim, binds the two, and frees volumes and claims that may go.

It follows pkg/controller/volume/persistentvolume (pv_controller.go) and pkg/controller/volume/pvcprotection. Every
provisioner is played by the twin, except kubernetes.io/no-provisioner, which has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.pods import is_finished
from seatrial.twin.store import Change, Key
from seatrial.world import quantity
from seatrial.world.objects import Obj, annotations_of, clone, dig, labels_of, name_of, namespace_of
from seatrial.world.selectors import matches

CLAIMS, VOLUMES, CLASSES = "persistentvolumeclaims", "persistentvolumes", "storageclasses.storage.k8s.io"
COMPONENT = "persistentvolume-controller"
CLAIM_PROTECTION, VOLUME_PROTECTION = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
BOUND_BY_US, BOUND = "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/bind-completed"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


class VolumeController:
    name = "persistentvolume-binder"
    pace = 0.0  # a claim is bound before the kubelet of its first pod looks for it

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        context.store.add_index("pods", "claim", _claims_of)
        self.watches: Sequence[Watch] = (
            Watch(CLAIMS, self._of_claim),
            Watch(VOLUMES, self._of_volume),
            Watch("pods", self._of_pod),
            Watch(CLASSES, self._of_class),
        )

    # what is worth a look: keys are of claims, and ("", name) of volumes

    def _of_claim(self, change: Change) -> Iterable[Key]:
        claim = change.object
        if change.type != "DELETED":
            return own_key(change)
        volume = claim["spec"].get("volumeName")
        return (("", volume),) if volume else ()

    def _of_volume(self, change: Change) -> Iterable[Key]:
        keys: list[Key] = [("", name_of(change.object))]
        if not change.object["spec"].get("claimRef"):
            keys += self._pending(dig(change.object, "spec.storageClassName", ""))
        return keys

    def _of_class(self, change: Change) -> Iterable[Key]:
        return self._pending(name_of(change.object)) if change.type == "ADDED" else ()

    def _pending(self, class_name: str) -> list[Key]:
        claims = self._context.store.list(CLAIMS)
        return [
            (namespace_of(claim), name_of(claim))
            for claim in claims
            if not claim["spec"].get("volumeName") and dig(claim, "spec.storageClassName", "") == class_name
        ]

    def _of_pod(self, change: Change) -> Iterable[Key]:
        """A new pod may be the first consumer of its claims, one that ends the last."""
        pod, old = change.object, change.old
        same = change.type == "MODIFIED" and old is not None and is_finished(pod) == is_finished(old)
        return () if same else [_key(claim) for claim in _claims_of(pod)]

    def reconcile(self, key: Key) -> float | None:
        if not key[0]:
            volume = self._registry.find(VOLUMES, *key)
            if volume is not None:
                self._tend(volume)
            return None
        claim = self._registry.find(CLAIMS, *key)
        if claim is not None:
            self._serve(claim)
        return None

    # claims

    def _serve(self, claim: Obj) -> None:
        if is_deleting(claim):
            self._let_go(claim)
        elif claim["spec"].get("volumeName"):
            volume = self._registry.find(VOLUMES, "", claim["spec"]["volumeName"])
            if volume is not None and _is_for(volume, claim):
                self._bind(claim, volume)
            elif (claim.get("status") or {}).get("phase") == "Bound":
                self._lose(claim, volume)
        else:
            volume = self._match(claim)
            if volume is not None:
                self._bind(claim, volume)
            else:
                self._provision_if_due(claim)

    def _match(self, claim: Obj) -> Obj | None:
        """The smallest free volume that has what a claim asks for."""
        fitting = [volume for volume in self._context.store.list(VOLUMES) if _fits(volume, claim)]
        reserved = [volume for volume in fitting if volume["spec"].get("claimRef")]
        return min(reserved or fitting, key=lambda volume: (_size(volume), name_of(volume)), default=None)

    def _provision_if_due(self, claim: Obj) -> None:
        class_name = claim["spec"].get("storageClassName")
        if not class_name:
            message = "no persistent volumes available for this claim and no storage class is set"
            self._tell(claim, "Normal", "FailedBinding", message)
            return
        storage_class = self._registry.find(CLASSES, "", class_name)
        if storage_class is None:
            self._tell(claim, "Warning", "ProvisioningFailed", f'storageclass.storage.k8s.io "{class_name}" not found')
        elif storage_class.get("volumeBindingMode") == "WaitForFirstConsumer" and not self._has_consumer(claim):
            self._tell(claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
        elif storage_class["provisioner"] != NO_PROVISIONER:
            self._provision(claim, storage_class)

    def _has_consumer(self, claim: Obj) -> bool:
        """Whether a pod uses the claim. Our volumes can be had on every node, so it need not have one yet."""
        pods = self._context.store.by_index("pods", "claim", f"{namespace_of(claim)}/{name_of(claim)}")
        return SELECTED_NODE in annotations_of(claim) or not all(is_finished(pod) for pod in pods)

    def _provision(self, claim: Obj, storage_class: Obj) -> None:
        provisioner, name = storage_class["provisioner"], f"pvc-{claim['metadata']['uid']}"
        if self._registry.find(VOLUMES, "", name) is not None:
            return
        spec: Obj = {
            "capacity": {"storage": dig(claim, "spec.resources.requests.storage", "0")},
            "accessModes": list(claim["spec"].get("accessModes") or ["ReadWriteOnce"]),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": name_of(storage_class),
            "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
            "claimRef": _reference(claim),
            "csi": {"driver": provisioner, "volumeHandle": name},
        }
        if storage_class.get("mountOptions"):
            spec["mountOptions"] = clone({"": storage_class["mountOptions"]})[""]
        volume = self._registry.create(
            VOLUMES,
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": name, "annotations": {PROVISIONED_BY: provisioner}},
                "spec": spec,
            },
            OPTIONS,
        )
        self._tell(claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
        self._annotate_and_bind(claim, volume, {PROVISIONER: provisioner})

    def _bind(self, claim: Obj, volume: Obj) -> None:
        if volume["spec"].get("claimRef", {}).get("uid") != claim["metadata"]["uid"]:
            metadata = {**volume["metadata"], "annotations": {**annotations_of(volume), BOUND_BY_US: "yes"}}
            spec = {**volume["spec"], "claimRef": _reference(claim)}
            volume = self._registry.update(VOLUMES, {**volume, "metadata": metadata, "spec": spec}, OPTIONS)
        volume = self._phase(volume, "Bound")
        self._annotate_and_bind(claim, volume, {})

    def _annotate_and_bind(self, claim: Obj, volume: Obj, more: dict[str, str]) -> None:
        annotations = {**annotations_of(claim), **more, BOUND: "yes"}
        if not claim["spec"].get("volumeName"):
            annotations[BOUND_BY_US] = "yes"
        if annotations != annotations_of(claim) or not claim["spec"].get("volumeName"):
            metadata = {**claim["metadata"], "annotations": annotations}
            spec = {**claim["spec"], "volumeName": name_of(volume)}
            claim = self._registry.update(CLAIMS, {**claim, "metadata": metadata, "spec": spec}, OPTIONS)
        self._write_bound(claim, self._grown(claim, volume))

    def _grown(self, claim: Obj, volume: Obj) -> Obj:
        """The volume, made as large as its claim asks by now."""
        asked = dig(claim, "spec.resources.requests.storage", "0")
        if PROVISIONED_BY not in annotations_of(volume) or quantity.parse(asked) <= _size(volume):
            return volume
        spec = {**volume["spec"], "capacity": {**volume["spec"]["capacity"], "storage": asked}}
        return self._registry.update(VOLUMES, {**volume, "metadata": {**volume["metadata"]}, "spec": spec}, OPTIONS)

    def _write_bound(self, claim: Obj, volume: Obj) -> None:
        status = {
            **(claim.get("status") or {}),
            "phase": "Bound",
            "accessModes": volume["spec"]["accessModes"],
            "capacity": volume["spec"]["capacity"],
        }
        self._write_claim(claim, status)

    def _lose(self, claim: Obj, volume: Obj | None) -> None:
        why = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        if volume is not None:
            why = f"{why} Volume {name_of(volume)} is bound to another claim"
        self._tell(claim, "Warning", "ClaimLost", why)
        self._write_claim(claim, {**(claim.get("status") or {}), "phase": "Lost"})

    def _write_claim(self, claim: Obj, status: Obj) -> None:
        if status != claim.get("status"):
            written = {**claim, "metadata": {**claim["metadata"]}, "status": status}
            self._registry.update_status(CLAIMS, written, OPTIONS)

    def _let_go(self, claim: Obj) -> None:
        """A claim that is deleted goes once no pod uses it."""
        finalizers = claim["metadata"].get("finalizers") or []
        pods = self._context.store.by_index("pods", "claim", f"{namespace_of(claim)}/{name_of(claim)}")
        if CLAIM_PROTECTION in finalizers and all(is_finished(pod) for pod in pods):
            self._unprotect(CLAIMS, claim, CLAIM_PROTECTION)

    def _unprotect(self, resource: str, obj: Obj, finalizer: str) -> None:
        left = [each for each in obj["metadata"].get("finalizers") or () if each != finalizer]
        self._registry.update(resource, {**obj, "metadata": {**obj["metadata"], "finalizers": left}}, OPTIONS)

    # volumes

    def _tend(self, volume: Obj) -> None:
        """Bring a volume's phase up to its claim, and free one whose claim is gone."""
        reference = volume["spec"].get("claimRef")
        claim = self._registry.find(CLAIMS, reference["namespace"], reference["name"]) if reference else None
        gone = bool(reference and reference.get("uid")) and (claim is None or claim["metadata"]["uid"] != reference["uid"])
        if is_deleting(volume):
            bound = reference is not None and not gone
            if not bound and VOLUME_PROTECTION in (volume["metadata"].get("finalizers") or ()):
                self._unprotect(VOLUMES, volume, VOLUME_PROTECTION)
        elif gone:
            volume = self._phase(volume, "Released")
            if volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
                self._registry.delete(VOLUMES, "", name_of(volume), options=OPTIONS)
        elif claim is not None:
            if reference["uid"] if reference else False:
                self._phase(volume, "Bound")
        else:
            self._phase(volume, "Available")

    def _phase(self, volume: Obj, phase: str) -> Obj:
        if (volume.get("status") or {}).get("phase") == phase:
            return volume
        written = {**volume, "metadata": {**volume["metadata"]}, "status": {**(volume.get("status") or {}), "phase": phase}}
        return self._registry.update_status(VOLUMES, written, OPTIONS)

    def _tell(self, claim: Obj, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(claim, type_, reason, message, COMPONENT)


def _claims_of(pod: Obj) -> list[str]:
    """The claims a pod mounts, as `<namespace>/<name>`: its own, and those of its ephemeral volumes."""
    found = []
    for volume in pod["spec"].get("volumes") or ():
        claim = volume.get("persistentVolumeClaim")
        if claim:
            found.append(f"{namespace_of(pod)}/{claim['claimName']}")
        elif volume.get("ephemeral"):
            found.append(f"{namespace_of(pod)}/{name_of(pod)}-{volume['name']}")
    return found


def _key(claim: str) -> Key:
    namespace, _, name = claim.partition("/")
    return namespace, name


def _reference(claim: Obj) -> Obj:
    metadata = claim["metadata"]
    parts = {part: metadata[part] for part in ("namespace", "name", "uid", "resourceVersion")}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **parts}


def _size(volume: Obj) -> float:
    return float(quantity.parse(dig(volume, "spec.capacity.storage", "0")))


def _is_for(volume: Obj, claim: Obj) -> bool:
    """Whether a volume is free or reserved for this claim."""
    reference = volume["spec"].get("claimRef")
    if not reference:
        return True
    if (reference.get("namespace"), reference.get("name")) != (namespace_of(claim), name_of(claim)):
        return False
    return reference.get("uid") in (None, "", claim["metadata"]["uid"])


def _fits(volume: Obj, claim: Obj) -> bool:
    """Whether a claim could be bound to a volume (pkg/controller/volume/persistentvolume/index.go)."""
    spec, wanted = volume["spec"], claim["spec"]
    if is_deleting(volume) or not _is_for(volume, claim) or (volume.get("status") or {}).get("phase") in ("Released", "Failed"):
        return False
    if (spec.get("storageClassName") or "") != (wanted.get("storageClassName") or ""):
        return False
    if spec.get("volumeMode", "Filesystem") != wanted.get("volumeMode", "Filesystem"):
        return False
    if not set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ()):
        return False
    if wanted.get("selector") is not None and not matches(wanted["selector"], labels_of(volume)):
        return False
    return _size(volume) >= float(quantity.parse(dig(wanted, "resources.requests.storage", "0")))
