"""The files of a Kustomize tree, from the objects of each environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.package.emit import document
from seatrial.package.files import FileTree
from seatrial.package.kustomize import common
from seatrial.package.kustomize.patch import Patch, difference
from seatrial.package.paths import Key, paths
from seatrial.world.objects import Obj, clone, group_of, labels_of, name_of

_CHECKSUM = re.compile(r"-[0-9a-f]{10}$")
_VERSIONS = {"Kustomization": "kustomize.config.k8s.io/v1beta1", "Component": "kustomize.config.k8s.io/v1alpha1"}


@dataclass(slots=True)
class _Folder:
    """What a kustomization of several environments, or of one, holds."""

    resources: dict[Key, Obj] = field(default_factory=dict)
    patches: dict[Key, tuple[Obj, Patch]] = field(default_factory=dict)  # with the object they are laid over


def kustomize(worlds: Mapping[str, Sequence[Obj]]) -> FileTree:
    """The tree of an app whose objects in each environment are `worlds`.

    Secrets with values are in `overlays/ENV/secrets`, which a `.gitignore` keeps out of version control; no other file has one.
    """
    indexed = {environment: {_key(obj): clone(obj) for obj in world} for environment, world in worlds.items()}
    taken = {environment: _take_namespace(world) for environment, world in indexed.items()}
    namespaces = {environment: namespace for environment, (namespace, _) in taken.items()}
    shared = {"labels": common.take_labels(indexed)}
    version = common.take_version(indexed)
    shared["images"] = common.take_images(indexed)
    every = tuple(worlds)
    folders = _distributed(indexed, every, shared["images"])
    names = paths({key: obj for world in indexed.values() for key, obj in world.items()})
    files: FileTree = {}
    for environments in sorted(folders, key=lambda found: (-len(found), [every.index(one) for one in found])):
        if len(environments) > 1 or environments == every:
            where = "base" if environments == every else f"components/{'-'.join(environments)}"
            files |= _files(where, folders[environments], names, {})
    where = "components/common"
    files[f"{where}/kustomization.yaml"] = _kustomization("Component", {**shared, "patches": _inline(version)}, where)
    components = [own for own in folders if len(own) > 1 and own != every]
    for environment in every:
        mine = sorted((own for own in components if environment in own), key=lambda own: -len(own))
        head, into = _into(*taken[environment], f"overlays/{environment}")
        head["resources"] = ["../../base"] if every in folders and len(every) > 1 else []
        head["components"] = [*(f"../../components/{'-'.join(own)}" for own in mine), "../../components/common"]
        own = folders.get((environment,), _Folder()) if len(every) > 1 else _Folder()
        if len(every) == 1:
            head["resources"] = ["../../base"]
        files |= _files(f"overlays/{environment}", own, names, head) | into
    return {"README.md": _readme(files, every, namespaces), **files}


def _readme(files: FileTree, environments: Sequence[str], namespaces: Mapping[str, str]) -> str:
    """What lies where, and how it is applied."""
    lines = ["# The Kustomize tree", ""]
    lines += [
        "Made by `seatrial render -o kustomize` from the app file. Change that and render again; what is changed here is lost."
    ]
    lines += [""]
    for environment in environments:
        where = f"   # into {namespaces[environment]}" if namespaces[environment] else ""
        lines.append(f"    kubectl apply -k overlays/{environment}{where}")
    lines += ["", "| folder | what is in it |", "|---|---|"]
    folders = dict.fromkeys(path.rsplit("/kustomization.yaml")[0] for path in files if path.endswith("/kustomization.yaml"))
    lines += [f"| `{folder}` | {_about(folder)} |" for folder in sorted(folders)]
    lines += [
        "",
        "A patch is a strategic merge; where the order of a list matters it is a JSON patch. Nothing is said in two places.",
    ]
    if any("/secrets/" in path for path in files):
        lines += ["Secrets that can be read are in `overlays/ENV/secrets`, which `.gitignore` keeps out of version control."]
    return "\n".join(lines) + "\n"


def _about(folder: str) -> str:
    """What a kustomization is for."""
    kind, _, name = folder.partition("/")
    if kind == "base":
        return "What every environment has, each object in the form from which the others differ least."
    if kind == "overlays":
        return f"What {name} alone has, and what it changes."
    if name == "common":
        return "The labels, version and image tags of everything."
    return "What the environments in its name share, and others lack."


def _key(obj: Obj) -> Key:
    """A migration is named after its checksum: in the tree it goes by the name before it. A namespace is its overlay's."""
    name = name_of(obj)
    if obj["kind"] == "Job" and labels_of(obj).get("app.kubernetes.io/component") == "migration":
        name = _CHECKSUM.sub("", name)
    return group_of(obj), obj["kind"], "" if obj["kind"] == "Namespace" else name


def _take_namespace(world: Mapping[Key, Obj]) -> tuple[str, bool]:
    """The namespace that Kustomize gives all objects, and whether some are in another and keep it; "" where all keep theirs."""
    found = {obj["metadata"].get("namespace", "") for obj in world.values() if obj["kind"] != "Namespace"}
    own = {name_of(obj) for obj in world.values() if obj["kind"] == "Namespace"} or found
    if len(own) != 1 or "" in found or own - found:
        return "", False
    (namespace,) = own
    for obj in world.values():
        if obj["kind"] == "Namespace" and len(found) == 1:
            obj["metadata"]["name"] = labels_of(obj).get("app.kubernetes.io/part-of", name_of(obj))
        elif obj["metadata"].get("namespace") == namespace:
            del obj["metadata"]["namespace"]
    return namespace, len(found) > 1


def _into(namespace: str, others: bool, where: str) -> tuple[Obj, FileTree]:
    """What of a kustomization puts objects into a namespace; where some are in others, only those that say none."""
    if not namespace or not others:
        return ({"namespace": namespace} if namespace else {}), {}
    head = {"apiVersion": "builtin", "kind": "NamespaceTransformer", "metadata": {"name": "own", "namespace": namespace}}
    return {"transformers": ["own-namespace.yaml"]}, {f"{where}/own-namespace.yaml": document({**head, "unsetOnly": True})}


def _distributed(
    worlds: Mapping[str, Mapping[Key, Obj]], every: tuple[str, ...], images: Sequence[Obj]
) -> dict[tuple[str, ...], _Folder]:
    """Each object and each patch with the environments that have it: where it is said, and said once."""
    folders: dict[tuple[str, ...], _Folder] = {}
    for key in dict.fromkeys(key for world in reversed(list(worlds.values())) for key in world):
        there = {environment: worlds[environment][key] for environment in every if key in worlds[environment]}
        if key[1] == "Secret":  # values are different everywhere, and stay apart
            for environment, obj in there.items():
                folders.setdefault((environment,), _Folder()).resources[key] = obj
            continue
        base = _nearest(there)
        if key[1] == "Job" and base["metadata"]["name"] != key[2]:
            base = {**base, "metadata": {**base["metadata"], "name": key[2]}}
        folders.setdefault(tuple(there), _Folder()).resources[key] = base
        alike: list[tuple[Patch, list[str]]] = []
        for environment, obj in there.items():
            patch = difference(base, obj)
            common.with_images([patch.merge, patch.operations], images)
            same = next((names for known, names in alike if known == patch), None)
            if same is None:
                alike.append((patch, [environment]))
            else:
                same.append(environment)
        for patch, names in alike:
            if patch:
                folders.setdefault(tuple(names), _Folder()).patches[key] = base, patch
    return folders


def _nearest(there: Mapping[str, Obj]) -> Obj:
    """The form from which the others differ least; among equals the last, which is production's more often than not."""
    forms: list[Obj] = []
    for obj in reversed(list(there.values())):
        if obj not in forms:
            forms.append(obj)
    if len(forms) == 1:
        return forms[0]
    costs = [sum(_cost(difference(form, other)) for other in forms if other is not form) for form in forms]
    return forms[costs.index(min(costs))]


def _cost(patch: Patch) -> int:
    return len(repr(patch.merge)) + len(repr(patch.operations))


def _files(where: str, folder: _Folder, names: Mapping[Key, str], head: Obj) -> FileTree:
    """The files of one kustomization. `head` is what it says besides its own resources and patches."""
    files: FileTree = {}
    resources = list(head.get("resources", ()))
    for key, obj in folder.resources.items():
        ending = "sops.yaml" if "sops" in obj else "yaml"
        path = f"secrets/{names[key].replace('/', '-')}.{ending}" if key[1] == "Secret" else f"{names[key]}.yaml"
        files[f"{where}/{path}"] = document(obj)
        resources.append(path)
        if key[1] == "Secret" and "sops" not in obj:
            files[f"{where}/secrets/.gitignore"] = "*\n"
    patches: list[Obj] = []
    for key, (base, patch) in folder.patches.items():
        for path, text, entry in _patch_files(base, patch, names[key]):
            files[f"{where}/{path}"] = text
            patches.append(entry)
    kind = "Component" if where.startswith("components/") else "Kustomization"
    text = _kustomization(kind, {**head, "resources": resources, "patches": patches}, where)
    return {f"{where}/kustomization.yaml": text, **files}


def _patch_files(base: Obj, patch: Patch, name: str) -> Iterator[tuple[str, str, Obj]]:
    """Path, text and entry of the patches of one object; operations come first."""
    group, kind, title = group_of(base), base["kind"], name_of(base)
    target = {**({"group": group} if group else {}), "kind": kind, "name": title}
    stem = f"patches/{name.replace('/', '-')}"
    if patch.operations:
        path = f"{stem}-lists.yaml" if patch.merge else f"{stem}.yaml"
        lines = "".join(_listed(operation) for operation in patch.operations)
        yield path, lines, {"path": path, "target": target}
    if patch.merge:
        named = "name" in patch.merge.get("metadata", {})
        metadata = {"name": title, **patch.merge.get("metadata", {})}
        head = {"apiVersion": base["apiVersion"], "kind": kind, "metadata": metadata}
        entry: Obj = {"path": f"{stem}.yaml", "target": target}
        if named:
            entry["options"] = {"allowNameChange": True}
        yield f"{stem}.yaml", document({**head, **{key: value for key, value in patch.merge.items() if key not in head}}), entry


def _listed(operation: Obj) -> str:
    first, *rest = document(operation).splitlines(keepends=True)
    return f"- {first}" + "".join(f"  {line}" for line in rest)


def _inline(patches: Sequence[Obj]) -> list[Obj]:
    return [{"target": one["target"], "patch": "".join(_listed(op) for op in one["operations"])} for one in patches]


_ORDER = ("namespace", "resources", "components", "patches", "labels", "images", "transformers")


def _kustomization(kind: str, parts: Mapping[str, object], where: str) -> str:
    head = {"apiVersion": _VERSIONS[kind], "kind": kind}
    return f"# {_about(where)}\n" + document({**head, **{key: parts[key] for key in _ORDER if parts.get(key)}})
