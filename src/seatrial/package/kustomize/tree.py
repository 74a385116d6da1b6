"""The files of a Kustomize tree, from the objects of each environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from seatrial.package.emit import document
from seatrial.package.files import FileTree
from seatrial.package.kustomize import common
from seatrial.package.kustomize.facts import Replacements, take_facts
from seatrial.package.kustomize.keys import indexed
from seatrial.package.kustomize.patch import Patch
from seatrial.package.kustomize.readme import about, readme
from seatrial.package.kustomize.spread import Folder, spread
from seatrial.package.paths import Key, paths
from seatrial.world.objects import Obj, group_of, labels_of, name_of, namespace_of

#: The most lines of operations that stand in a kustomization rather than in a file of their own.
FEW = 6
BUILTIN = {"apiVersion": "builtin"}
_VERSIONS = {"Kustomization": "kustomize.config.k8s.io/v1beta1", "Component": "kustomize.config.k8s.io/v1alpha1"}


def kustomize(worlds: Mapping[str, Sequence[Obj]]) -> FileTree:
    """The tree of an app whose objects in each environment are `worlds`.

    Secrets with values are in `overlays/ENV/secrets`, which a `.gitignore` keeps out of version control; no other file has one.
    """
    every, known = tuple(worlds), indexed(worlds)
    namespaces = {environment: _namespace(world) for environment, world in known.items()}
    last = _last(take_facts(known, namespaces), every)
    elsewhere = [_take_namespace(world, namespaces[environment]) for environment, world in known.items()]
    if any(elsewhere):
        last.setdefault(every, {})["elsewhere"] = _elsewhere(dict.fromkeys(name for names in elsewhere for name in names))
    shared = {"labels": common.take_labels(known)}
    version = common.take_version(known)
    shared["images"] = common.take_images(known)
    folders = spread(known, shared["images"])
    names = paths({key: obj for world in reversed(known.values()) for key, obj in world.items()})
    files: FileTree = {}
    shares = sorted(
        (own for own in folders if len(own) > 1 and own != every), key=lambda own: (-len(own), [every.index(e) for e in own])
    )
    for own in (every, *shares):
        files |= _files(_where("base" if own == every else "components", own, every), folders.get(own, Folder()), names, {})
    where = "components/common"
    files[f"{where}/kustomization.yaml"] = _kustomization("Component", {**shared, "patches": _inline(version)}, where)
    for own, made in last.items():
        where = _where("transformers", own, every)
        files[f"{where}/kustomization.yaml"] = _kustomization(
            "Kustomization", {"resources": [f"{one}.yaml" for one in made]}, where
        )
        files |= {f"{where}/{title}.yaml": text for title, text in made.items()}
    for environment in every:
        head: Obj = {"namespace": namespaces[environment], "resources": ["../../base"]}
        taken = [_where("components", own, every) for own in shares if environment in own]
        head["components"] = [f"../../{one}" for one in (*taken, "components/common")]
        head["transformers"] = [f"../../{_where('transformers', own, every)}" for own in last if environment in own]
        mine = folders.get((environment,), Folder()) if len(every) > 1 else Folder()
        files |= _files(f"overlays/{environment}", mine, names, head)
    return {"README.md": readme(files, namespaces), **files}


def _where(what: str, own: Sequence[str], every: Sequence[str]) -> str:
    """The folder of what several environments have; what all have stands at the top."""
    return what if tuple(own) == every else f"{what}/{'-'.join(own)}"


def _namespace(world: Mapping[Key, Obj]) -> str:
    """The namespace that Kustomize gives all objects but those that are in another; "" where all say their own."""
    found = {namespace_of(obj) for obj in world.values() if obj["kind"] != "Namespace"}
    own = {name_of(obj) for obj in world.values() if obj["kind"] == "Namespace"} or found
    return own.pop() if len(own) == 1 and "" not in found else ""


def _take_namespace(world: Mapping[Key, Obj], namespace: str) -> list[str]:
    """Take the namespace from all that are in it, and return the others that some are in."""
    for obj in world.values() if namespace else ():
        if obj["kind"] == "Namespace":
            obj["metadata"]["name"] = labels_of(obj).get("app.kubernetes.io/part-of", name_of(obj))
        elif namespace_of(obj) == namespace:
            del obj["metadata"]["namespace"]
    return sorted({namespace_of(obj) for obj in world.values()} - {""}) if namespace else []


def _last(facts: Replacements, every: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, str]]:
    """The files of the transformers for each set of environments, the largest first."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for own in sorted(facts, key=lambda own: (-len(own), [every.index(one) for one in own])):
        for title, (words, said) in sorted(facts[own].items()):
            name = _where(title, own, every).replace("/", "-")
            obj = {**BUILTIN, "kind": "ReplacementTransformer", "metadata": {"name": name}, "replacements": said}
            found.setdefault(own, {})[title] = f"# {words}\n" + document(obj)
    return found


def _elsewhere(namespaces: Iterable[str]) -> str:
    """What lets objects stay where they are, which an overlay's namespace has moved: Kustomize knows where they were."""
    found = []
    for name in namespaces:
        patch = _listed({"op": "replace", "path": "/metadata/namespace", "value": name})
        head = {**BUILTIN, "kind": "PatchTransformer", "metadata": {"name": f"in-{name}"}}
        found.append(document({**head, "target": {"namespace": name}, "patch": patch}))
    return "# What says that it is in another namespace than its overlay's stays there.\n" + "---\n".join(found)


def _files(where: str, folder: Folder, names: Mapping[Key, str], head: Obj) -> FileTree:
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
    stages: list[list[Obj]] = [[], [], []]
    for key, (base, patch) in folder.patches.items():
        for stage, (path, text, entry) in _patch_files(base, patch, names[key]):
            files |= {f"{where}/{path}": text} if path else {}
            stages[stage].append(entry)
    patches = [entry for stage in stages for entry in _merged(stage)]
    kind = "Component" if where.startswith("components/") else "Kustomization"
    text = _kustomization(kind, {**head, "resources": resources, "patches": patches}, where)
    return {f"{where}/kustomization.yaml": text, **files}


def _patch_files(base: Obj, patch: Patch, name: str) -> Iterator[tuple[int, tuple[str, str, Obj]]]:
    """Path, text and entry of the patches of one object, each with its place among the patches: operations come first, the
    change of its kind comes last. What is short stands in the entry itself, and has no path.
    """
    group, kind, title = group_of(base), base["kind"], name_of(base)
    target = {**({"group": group} if group else {}), "kind": kind, "name": title}
    path = f"patches/{name.replace('/', '-')}.yaml"
    lines = "".join(_listed(operation) for operation in patch.operations)
    if lines.count("\n") > FEW:
        beside = path.replace(".yaml", "-lists.yaml") if patch.merge else path
        yield 0, (beside, lines, {"path": beside, "target": target})
    elif lines:
        yield 0, ("", "", {"target": target, "patch": lines})
    if patch.merge:
        about = {"name": title, **patch.merge.get("metadata", {})}
        head = {"apiVersion": base["apiVersion"], "kind": kind, "metadata": about}
        entry: Obj = {"path": path}
        if about["name"] != title:
            entry |= {"target": target, "options": {"allowNameChange": True}}
        elif namespace_of(base):
            entry |= {"target": target}
        yield 1, (path, document({**head, **{one: value for one, value in patch.merge.items() if one not in head}}), entry)
    if patch.becomes:  # a merge would leave the apiVersion as it was
        lines = "".join(_listed({"op": "replace", "path": f"/{one}", "value": value}) for one, value in patch.becomes.items())
        yield 2, ("", "", {"target": target, "patch": lines, "options": {"allowKindChange": True}})


def _merged(entries: Sequence[Obj]) -> Iterator[Obj]:
    """Patches of one kind that say the same, as one patch of several objects."""
    alike: dict[str, list[Obj]] = {}
    for entry in entries:
        rest = {**entry, "target": {**entry["target"], "name": ""}} if "patch" in entry else entry
        alike.setdefault(repr(rest), []).append(entry)
    for same in alike.values():
        names = [one["target"]["name"] for one in same] if len(same) > 1 else []
        yield {**same[0], "target": {**same[0]["target"], "name": "|".join(names)}} if names else same[0]


def _listed(operation: Obj) -> str:
    first, *rest = document(operation).splitlines(keepends=True)
    return f"- {first}" + "".join(f"  {line}" for line in rest)


def _inline(patches: Sequence[Obj]) -> list[Obj]:
    return [{"target": one["target"], "patch": "".join(_listed(op) for op in one["operations"])} for one in patches]


_ORDER = ("namespace", "resources", "components", "patches", "labels", "images", "transformers")


def _kustomization(kind: str, parts: Mapping[str, object], where: str) -> str:
    head = {"apiVersion": _VERSIONS[kind], "kind": kind}
    return f"# {about(where)}\n" + document({**head, **{key: parts[key] for key in _ORDER if parts.get(key)}})
