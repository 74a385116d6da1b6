"""A StatefulSet's pods and their claims: names, labels, host names, volumes, and whose the claims are.

The rules are those of pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS
from seatrial.twin.controllers.ownership import owner_reference
from seatrial.twin.controllers.pods import new_pod
from seatrial.twin.controllers.revisions import REVISION_LABEL
from seatrial.twin.errors import ApiError
from seatrial.world.objects import Obj, clone, controller_of, name_of, namespace_of

CLAIMS = "persistentvolumeclaims"
POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


def ordinal_of(pod: Obj) -> int | None:
    """The number at the end of a pod's name, None when its owner's name does not stand before it."""
    owner = controller_of(pod)
    parent, _, number = name_of(pod).rpartition("-")
    return int(number) if owner and parent == owner["name"] and number.isdigit() else None


class Identity:
    """What sets the pods of one StatefulSet apart."""

    def __init__(self, context: Context, stateful_set: Obj) -> None:
        self._context, self._registry, self._set = context, context.registry, stateful_set
        self._templates: list[Obj] = stateful_set["spec"].get("volumeClaimTemplates") or []

    def name(self, ordinal: int) -> str:
        return f"{name_of(self._set)}-{ordinal}"

    def claim_name(self, template: Obj, ordinal: int) -> str:
        return f"{name_of(template)}-{self.name(ordinal)}"

    def pod(self, ordinal: int, template: Obj, revision: str) -> Obj:
        name = self.name(ordinal)
        pod = new_pod(template, self._set, name)
        labels = pod["metadata"].setdefault("labels", {})
        labels |= {POD_NAME: name, POD_INDEX: str(ordinal), REVISION_LABEL: revision}
        spec = pod["spec"]
        spec["hostname"] = name
        if self._set["spec"].get("serviceName"):
            spec["subdomain"] = self._set["spec"]["serviceName"]
        ours = {name_of(each): self.claim_name(each, ordinal) for each in self._templates}
        volumes = [volume for volume in spec.get("volumes") or () if volume["name"] not in ours]
        volumes += [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in ours.items()]
        if volumes:
            spec["volumes"] = volumes
        return pod

    # claims

    def create_claims(self, ordinal: int) -> None:
        """Make the claims that a pod still lacks. Raises ApiError after an Event that says so."""
        namespace = namespace_of(self._set)
        for template in self._templates:
            name = self.claim_name(template, ordinal)
            if self._registry.find(CLAIMS, namespace, name) is not None:
                continue
            about = f"Claim {name} Pod {self.name(ordinal)} in StatefulSet {name_of(self._set)}"
            try:
                self._registry.create(CLAIMS, self._claim(template, name), OPTIONS)
            except ApiError as error:
                self._tell("Warning", "FailedCreate", f"create {about} failed error: {error.message}")
                raise
            self._tell("Normal", "SuccessfulCreate", f"create {about} success")

    def _claim(self, template: Obj, name: str) -> Obj:
        given = template.get("metadata") or {}
        labels = {**(given.get("labels") or {}), **(self._set["spec"]["selector"].get("matchLabels") or {})}
        metadata: Obj = {"name": name, "namespace": namespace_of(self._set), "labels": labels}
        if given.get("annotations"):
            metadata["annotations"] = dict(given["annotations"])
        if self._retention("whenDeleted") == "Delete":
            metadata["ownerReferences"] = [owner_reference(self._set)]
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": clone(template["spec"])}

    def keep_claims(self, kept: Iterable[Obj], condemned: Iterable[Obj]) -> None:
        """Give claims the owners with which they go, as persistentVolumeClaimRetentionPolicy asks (Retain: none of ours)."""
        if not self._templates or not self._set["spec"].get("persistentVolumeClaimRetentionPolicy"):
            return
        deleted, scaled = self._retention("whenDeleted") == "Delete", self._retention("whenScaled") == "Delete"
        for pod in kept:
            self._own_claims(pod, self._set if deleted else None)
        for pod in condemned:
            self._own_claims(pod, pod if scaled else self._set if deleted else None)

    def _retention(self, when: str) -> str:
        policy = self._set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
        return str(policy.get(when, "Retain"))

    def _own_claims(self, pod: Obj, owner: Obj | None) -> None:
        ordinal, ours = ordinal_of(pod), {self._set["metadata"]["uid"], pod["metadata"]["uid"]}
        for template in self._templates:
            found = self._registry.find(CLAIMS, namespace_of(self._set), self.claim_name(template, ordinal or 0))
            if found is None:
                continue
            old = found["metadata"].get("ownerReferences") or []
            new = [each for each in old if each["uid"] not in ours]
            new += [owner_reference(owner)] if owner is not None else []
            if new != old:
                metadata = {**found["metadata"], "ownerReferences": new}
                self._registry.update(CLAIMS, {**found, "metadata": metadata}, OPTIONS)

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(self._set, type_, reason, message, "statefulset-controller")
