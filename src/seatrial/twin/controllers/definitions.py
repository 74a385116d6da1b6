"""The controller of CustomResourceDefinitions: accepts their names, establishes them, and empties those that are deleted.

It follows apiextensions-apiserver's controllers for naming, establishing and finalizing.  That an established definition
is served is the registry's part (`registry.custom`).
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.twin.clock import timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import Watch, own_key
from seatrial.twin.registry.custom import DEFINITIONS, is_established
from seatrial.twin.registry.deletion import CLEANUP
from seatrial.twin.store import Key
from seatrial.world.objects import Obj, clone, dig


class DefinitionController:
    name = "customresourcedefinition"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (Watch(DEFINITIONS, own_key),)

    def reconcile(self, key: Key) -> float | None:
        definition = self._registry.find(DEFINITIONS, "", key[1])
        if definition is None:
            return None
        if "deletionTimestamp" in definition["metadata"]:
            return self._empty(definition)
        if not is_established(definition) or dig(definition, "status.acceptedNames") != _accepted(definition):
            self._registry.update_status(DEFINITIONS, self._established(definition))
        return None

    def _established(self, definition: Obj) -> Obj:
        new = clone(definition)
        now = timestamp(self._context.clock.now())
        taken = self._taken(definition)
        if taken:
            conditions = [
                ("NamesAccepted", "False", "PluralConflict", f'"{taken}" is already in use'),
                ("Established", "False", "NotAccepted", "not all names are accepted"),
            ]
        else:
            new["status"]["acceptedNames"] = _accepted(definition)
            conditions = [
                ("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
                ("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
            ]
        new["status"]["conditions"] = [
            {"lastTransitionTime": now, "message": message, "observedGeneration": _generation(definition)}
            | {"reason": reason, "status": status, "type": type_}
            for type_, status, reason, message in conditions
        ]
        return new

    def _taken(self, definition: Obj) -> str:
        """The plural, when another resource of the group has it already."""
        spec, name = definition["spec"], definition["metadata"]["name"]
        plural, kind = spec["names"]["plural"], spec["names"]["kind"]
        for other in self._registry.list(DEFINITIONS):
            names = dig(other, "status.acceptedNames") or {}
            if other["metadata"]["name"] != name and other["spec"]["group"] == spec["group"]:
                if names.get("plural") == plural:
                    return str(plural)
                if names.get("kind") == kind:
                    return str(kind)
        return ""

    def _empty(self, definition: Obj) -> float | None:
        """Delete every object of the kind; when none is left, let the definition go."""
        spec = definition["spec"]
        resource = f"{spec['names']['plural']}.{spec['group']}"
        store = self._context.store
        if is_established(definition):
            self._registry.delete_collection(resource, None, lambda obj: "deletionTimestamp" not in obj["metadata"])
            if store.count(resource):
                return 1.0
        metadata = dict(definition["metadata"])
        left = [finalizer for finalizer in metadata.get("finalizers") or () if finalizer != CLEANUP]
        if left == (metadata.get("finalizers") or []):
            return None
        metadata["finalizers"] = left
        self._registry.update(DEFINITIONS, {**definition, "metadata": metadata})
        return None


def _accepted(definition: Obj) -> Obj:
    names = dict(definition["spec"]["names"])
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    return names


def _generation(definition: Obj) -> int:
    return int(definition["metadata"].get("generation", 0))
