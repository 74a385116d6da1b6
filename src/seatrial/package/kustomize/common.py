"""What Kustomize's own transformers say once for every object: labels, images, the version. Taken out of the objects here.

Each function takes from the objects of all environments what a transformer puts back, and only if it puts back exactly that;
what does not fit stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.package.paths import NAME, Key
from seatrial.world.objects import Obj, dig, group_of, labels_of

VERSION = "app.kubernetes.io/version"
#: Where besides an object's own labels those of everything are found.
TEMPLATES = ("spec.template.metadata.labels", "spec.jobTemplate.spec.template.metadata.labels")

Worlds = Mapping[str, Mapping[Key, Obj]]


def take_labels(worlds: Worlds) -> list[Obj]:
    """The `labels` of a kustomization: those that all objects have, with the pod templates that have them too."""
    objects = [obj for world in worlds.values() for obj in world.values()]
    shared = set.intersection(*(set(labels_of(obj).items()) for obj in objects)) if objects else set()
    pairs = {key: value for key, value in labels_of(objects[0]).items() if (key, value) in shared} if objects else {}
    if not pairs:
        return []
    fields = []
    for obj in objects:
        _without(obj["metadata"], pairs)
    for kind in dict.fromkeys((group_of(obj), obj["kind"]) for obj in objects):
        alike = [obj for obj in objects if (group_of(obj), obj["kind"]) == kind]
        for path in TEMPLATES:
            holders = [dig(obj, path.removesuffix(".labels")) for obj in alike]
            if all(holder and pairs.items() <= (holder.get("labels") or {}).items() for holder in holders):
                fields.append(_field(kind, path))
                for holder in holders:
                    _without(holder, pairs)
    return [{"pairs": pairs, **({"fields": fields} if fields else {})}]


def _field(kind: tuple[str, str], path: str) -> Obj:
    group = {"group": kind[0]} if kind[0] else {}
    return {**group, "kind": kind[1], "path": path.replace(".", "/"), "create": True}


def _without(holder: Obj, pairs: Mapping[str, str]) -> None:
    left = {key: value for key, value in holder["labels"].items() if key not in pairs}
    holder["labels"] = left
    if not left:
        del holder["labels"]


def take_versions(worlds: Worlds) -> list[Obj]:
    """The patches that give the label of the version: to services a word for it, to stores and others the app's own."""
    objects = [obj for world in worlds.values() for obj in world.values() if NAME in labels_of(obj)]
    owners: dict[str, set[str]] = {}
    for obj in objects:
        owners.setdefault(labels_of(obj)[NAME], set()).add(labels_of(obj).get(VERSION, ""))
    found = []
    for version in dict.fromkeys(
        version for versions in owners.values() for version in versions if version and len(versions) == 1
    ):
        own = [owner for owner, versions in owners.items() if versions == {version}]
        for obj in objects:
            if labels_of(obj)[NAME] in own:
                del obj["metadata"]["labels"][VERSION]
        operation = {"op": "add", "path": "/metadata/labels/app.kubernetes.io~1version", "value": version}
        selector = f"{NAME} in ({', '.join(own)})" if len(own) > 1 else f"{NAME}={own[0]}"
        found.append({"target": {"labelSelector": selector}, "operations": [operation]})
    return found


def containers(part: Any) -> Iterator[Obj]:
    """Everything that Kustomize takes for a container: what stands in a list of that name, at any depth."""
    if isinstance(part, list):
        for item in part:
            yield from containers(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in ("containers", "initContainers") and isinstance(value, list):
                yield from (item for item in value if isinstance(item, dict) and isinstance(item.get("image"), str))
            yield from containers(value)


def take_images(worlds: Worlds) -> list[Obj]:
    """The `images` of a kustomization: repositories with one tag or digest wherever they are used."""
    found = [item for world in worlds.values() for obj in world.values() for item in containers(obj)]
    uses: dict[str, set[str]] = {}
    for item in found:
        uses.setdefault(_repository(item["image"]), set()).add(item["image"])
    entries = []
    for repository, images in uses.items():
        suffix = next(iter(images)).removeprefix(repository)
        if len(images) > 1 or not suffix or (":" in suffix.partition("@")[0] and "@" in suffix):
            continue
        entries.append(
            {"name": repository, "digest": suffix[1:]} if suffix[0] == "@" else {"name": repository, "newTag": suffix[1:]}
        )
    known = {entry["name"] for entry in entries}
    for item in found:
        if _repository(item["image"]) in known:
            item["image"] = _repository(item["image"])
    return entries


def _repository(image: str) -> str:
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def with_images(merge: Obj, operations: Sequence[Obj], entries: Sequence[Obj]) -> None:
    """Give images their tags back, in a patch: no transformer sees it any more."""
    tags = {entry["name"]: f":{entry['newTag']}" if "newTag" in entry else f"@{entry['digest']}" for entry in entries}
    found = list(containers([merge, *operations]))
    for operation in operations:
        at = _CONTAINER.search(operation["path"])
        if at and "value" in operation:  # a whole container, or its image alone
            found.append(operation["value"] if not at[1] else operation)
    for item in found:
        key = "image" if "image" in item else "value"
        if isinstance(item.get(key), str):
            item[key] += tags.get(item[key], "")


_CONTAINER = re.compile(r"/(?:containers|initContainers)/[0-9]+(/image)?$")
