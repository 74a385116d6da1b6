"""What every module of `render` works from: the resolved app, the images and secret values of this release, and naming.

Names and labels are decided here alone.  An object is named after its service or store; its kind tells it apart.  Selectors
use three labels that never change over the life of a service; the version stands on workloads only, never on pods, so that a
release rolls only what it changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from seatrial.app.model import ServiceKeys
from seatrial.app.resolve import ResolvedApp
from seatrial.world.objects import Obj

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"

#: The values of the component label: what a pod is to its app.
SERVICE, STORE, JOB, MIGRATION = "service", "store", "job", "migration"

#: The label of a node's zone.
ZONE = "topology.kubernetes.io/zone"
#: What a workload calls, for whoever draws, orders or explains it.
CALLS = "seatrial.dev/calls"
#: The migration that a Deployment's version needs, by the name of its Job.
MIGRATION_NAME = "seatrial.dev/migration"

Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class Scope:
    """`images` replaces the image of a service, `secrets` holds the values of secret variables by service or store."""

    app: ResolvedApp
    images: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, question: Callable[[Scope], Known]) -> Known:
        """What a function of the scope answers, asked once: for what is about the whole app and asked for each service."""
        if question not in self._known:
            self._known[question] = question(self)
        found: Known = self._known[question]
        return found

    def selector(self, name: str, component: str) -> dict[str, str]:
        """The labels that select the pods of a service, store or job."""
        return {NAME: name, INSTANCE: self.app.name, COMPONENT: component}

    def labels(self, name: str, component: str) -> dict[str, str]:
        """The labels of an object: its selector's, and those for people."""
        labels = self.selector(name, component)
        if self.app.version:
            labels["app.kubernetes.io/version"] = self.app.version
        return labels | self.common()

    def common(self) -> dict[str, str]:
        """The labels of everything in the app."""
        labels = {"app.kubernetes.io/part-of": self.app.name, "app.kubernetes.io/managed-by": "seatrial"}
        if self.app.team:
            labels["seatrial.dev/team"] = self.app.team
        return labels

    def meta(self, name: str, of: str, component: str, **annotations: str) -> Obj:
        """Metadata of an object called `name` that belongs to the service or store `of`."""
        metadata: Obj = {"name": name, "namespace": self.app.namespace, "labels": self.labels(of, component)}
        if annotations:
            metadata["annotations"] = {key.replace("__", "/"): value for key, value in annotations.items()}
        return metadata

    def image(self, name: str, service: ServiceKeys) -> str:
        """The image a service runs: as passed in, or as the file says, with the app's version where it has no tag."""
        if name in self.images:
            return self.images[name]
        image = service.image or ""
        return image if is_tagged(image) else f"{image}:{self.app.version}"


def is_tagged(image: str) -> bool:
    return "@" in image or ":" in image.rsplit("/", 1)[-1]


def canonical(data: Any) -> str:
    """JSON with sorted keys, byte for byte as Go's `toJson` in a Helm template writes it."""
    text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode()
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return text


#: What encoding/json escapes for the sake of HTML, and what for JavaScript.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def checksum(data: Any) -> str:
    """The SHA-256 of data, in hexadecimal."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def without_empty(obj: Obj) -> Obj:
    """A map without what is None or empty, at its first level."""
    return {key: value for key, value in obj.items() if value is not None and value != {} and value != [] and value != ""}
