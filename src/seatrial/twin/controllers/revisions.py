"""ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, numbered (pkg/controller/history)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS
from seatrial.twin.controllers.hashing import hash_of
from seatrial.twin.controllers.ownership import claim, owner_reference
from seatrial.twin.errors import ApiError
from seatrial.world.objects import Obj, clone, labels_of, name_of, namespace_of

REVISIONS = "controllerrevisions.apps"
#: The label of a pod with the revision it was made from.
REVISION_LABEL = "controller-revision-hash"
HASH_LABEL = "controller.kubernetes.io/hash"
_MOST_COLLISIONS = 100


class History:
    """The revisions of one owner. `hash_label` is the label of a revision that carries its hash."""

    def __init__(self, context: Context, owner: Obj, hash_label: str = HASH_LABEL) -> None:
        self._context, self._owner, self._hash_label = context, owner, hash_label
        self.revisions: list[Obj] = sorted(claim(context, REVISIONS, owner, owner["spec"]["selector"]), key=_order)
        self.collisions: int = (owner.get("status") or {}).get("collisionCount") or 0

    def find(self, name: str) -> Obj | None:
        return next((revision for revision in self.revisions if name_of(revision) == name), None)

    def current(self) -> Obj:
        """The revision of the owner's template as it is now: known, raised to the newest number, or new."""
        content = {"spec": {"template": {**clone(self._owner["spec"]["template"]), "$patch": "replace"}}}
        number = self.revisions[-1]["revision"] + 1 if self.revisions else 1
        equal = [revision for revision in self.revisions if revision.get("data") == content]
        if not equal:
            return self._create(content, number)
        if equal[-1] is self.revisions[-1]:
            return equal[-1]
        raised = {**equal[-1], "metadata": {**equal[-1]["metadata"]}, "revision": number}
        written = self._context.registry.update(REVISIONS, raised, OPTIONS)
        self.revisions = sorted([each for each in self.revisions if each is not equal[-1]] + [written], key=_order)
        return written

    def _create(self, content: Obj, number: int) -> Obj:
        for _ in range(_MOST_COLLISIONS):
            try:
                made = self._context.registry.create(REVISIONS, self._revision(content, number), OPTIONS)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                self.collisions += 1
                continue
            self.revisions.append(made)
            return made
        raise RuntimeError(f"no free name for a revision of {name_of(self._owner)}")

    def _revision(self, content: Obj, number: int) -> Obj:
        owner, digest = self._owner, hash_of(content, self.collisions)
        metadata: Obj = {
            "name": f"{name_of(owner)}-{digest}",
            "namespace": namespace_of(owner),
            "labels": {**labels_of(owner["spec"]["template"]), self._hash_label: digest},
            "ownerReferences": [owner_reference(owner)],
        }
        if owner["metadata"].get("annotations"):
            metadata["annotations"] = dict(owner["metadata"]["annotations"])
        kind = {"apiVersion": "apps/v1", "kind": "ControllerRevision"}
        return {**kind, "metadata": metadata, "data": content, "revision": number}

    def digest(self, revision: Obj) -> str:
        return labels_of(revision).get(self._hash_label, "")

    def clean(self, live: Collection[str], in_use: Sequence[Obj | None]) -> None:
        """Delete the oldest revisions beyond revisionHistoryLimit that no pod has (`live`: their names) and nobody uses."""
        limit = self._owner["spec"].get("revisionHistoryLimit", 10)
        used = {name_of(revision) for revision in in_use if revision is not None} | set(live)
        idle = [revision for revision in self.revisions if name_of(revision) not in used]
        for revision in idle[: max(0, len(idle) - limit)]:
            self._context.registry.delete(REVISIONS, namespace_of(revision), name_of(revision), options=OPTIONS)


def template_of(revision: Obj) -> Obj:
    """The pod template that a revision holds."""
    template: Obj = clone(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


def _order(revision: Obj) -> tuple[int, str, str]:
    return revision["revision"], revision["metadata"]["creationTimestamp"], name_of(revision)
