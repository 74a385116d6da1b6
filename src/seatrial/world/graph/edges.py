"""The small types of the reference graph: a reference, a maker, a pod template and a port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seatrial.world.objects import Obj, Ref


class Reference(NamedTuple):
    """One place in an object that names (or selects) another.

    `path` is where the name stands (`spec.template.spec.volumes[0].configMap.name`), `target` what it means: the object as it
    is in the world where there is one, else as it would be called.  `key` is a key in a ConfigMap or Secret (or a subset, or a
    listener of a gateway), `port` a port of the target by number or name.  `optional`: it may be missing, because the object
    says so, or because such targets are often not in what was loaded (the kind's habit, an address in a text, a namespace).
    """

    source: Ref
    path: str
    target: Ref
    relation: str
    optional: bool = False
    key: str = ""
    port: int | str | None = None


class Maker(NamedTuple):
    """An object whose controller makes another one. `keys` of a ConfigMap or Secret, None where nobody can know them from
    here.
    """

    source: Ref
    path: str
    target: Ref
    keys: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """A pod as an object writes it. `path` is where it stands in the object `written`, which for a Rollout with a workloadRef is
    another than `ref`, the workload that runs it; it is "" for a Pod."""

    ref: Ref
    path: str
    template: Obj = field(hash=False, compare=False)
    written: Ref

    @property
    def spec(self) -> Obj:
        return _map(self.template.get("spec"))

    @property
    def labels(self) -> dict[str, str]:
        return _map(_map(self.template.get("metadata")).get("labels"))

    @property
    def annotations(self) -> dict[str, str]:
        return _map(_map(self.template.get("metadata")).get("annotations"))

    @property
    def spec_path(self) -> str:
        """Where the spec of the pod stands: `spec.template.spec`."""
        return f"{self.path}.spec" if self.path else "spec"

    @property
    def labels_path(self) -> str:
        return f"{self.path}.metadata.labels" if self.path else "metadata.labels"


class Port(NamedTuple):
    """A port as an object declares it: of a container (then `container` names it), of a Service, or of a listener.

    `target` is a Service's targetPort (its port where there is none); `path` where it is declared.
    """

    ref: Ref
    path: str
    number: int | None
    name: str = ""
    protocol: str = "TCP"
    target: int | str | None = None
    container: str = ""


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else dict(value) if isinstance(value, Mapping) else {}
