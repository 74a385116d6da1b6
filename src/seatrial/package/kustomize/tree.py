"""The files of a Kustomize tree, from the objects of each environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seatrial.package.emit import document
from seatrial.package.files import FileTree
from seatrial.package.kustomize import common
from seatrial.package.kustomize.copies import take_copies
from seatrial.package.kustomize.facts import Replacements, take_facts
from seatrial.package.kustomize.keys import ROLLED, indexed
from seatrial.package.kustomize.patching import inline, listed, patch_files
from seatrial.package.kustomize.readme import about, readme
from seatrial.package.kustomize.spread import Folder, spread
from seatrial.package.paths import Key, paths
from seatrial.world.objects import Obj, labels_of, name_of, namespace_of

BUILTIN = {"apiVersion": "builtin"}
_VERSIONS = {"Kustomization": "kustomize.config.k8s.io/v1beta1", "Component": "kustomize.config.k8s.io/v1alpha1"}


def kustomize(worlds: Mapping[str, Sequence[Obj]]) -> FileTree:
    """The tree of an app whose objects in each environment are `worlds`.

    Secrets with values are in `overlays/ENV/secrets`, which a `.gitignore` keeps out of version control; no other file has one.
    """
    every, known = tuple(worlds), indexed(worlds)
    namespaces = {environment: _namespace(world) for environment, world in known.items()}
    last = _transformers(known, namespaces)
    shared = {"labels": common.take_labels(known)}
    versions = common.take_versions(known)
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
    files[f"{where}/kustomization.yaml"] = _kustomization("Component", {**shared, "patches": inline(versions)}, where)
    for where, (_, made) in last.items():
        files[f"{where}/kustomization.yaml"] = _kustomization(
            "Kustomization", {"resources": [f"{one}.yaml" for one in made]}, where
        )
        files |= {f"{where}/{title}.yaml": text for title, text in made.items()}
    for environment in every:
        head: Obj = {"namespace": namespaces[environment], "resources": ["../../base"]}
        taken = [_where("components", own, every) for own in shares if environment in own]
        head["components"] = [f"../../{one}" for one in (*taken, "components/common")]
        head["transformers"] = [f"../../{where}" for where, (own, _) in last.items() if environment in own]
        mine = folders.get((environment,), Folder()) if len(every) > 1 else Folder()
        files |= _files(f"overlays/{environment}", mine, names, head)
    migrates = any(key[1] == "Job" for world in known.values() for key in world)
    return {"README.md": readme(files, namespaces, _followed(last, known), migrates), **files}


def _followed(last: Last, worlds: Mapping[str, Mapping[Key, Obj]]) -> str:
    """An image whose tag other fields follow, or ""."""
    said = "".join(files.get("version", "") for _, files in last.values())
    for world in worlds.values():
        for key, obj in world.items():
            if key[1] in ROLLED and f"containers.[name={key[2]}].image" in said:
                return next(str(one["image"]) for one in common.containers(obj) if one["name"] == key[2])
    return ""


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


#: By its folder, what overlays let run after their patches: the environments that do, and the files.
Last = dict[str, tuple[tuple[str, ...], dict[str, str]]]
_COPIED = "The jobs of a service have what it has: where they say SERVICE, and in fields that they do not say."


def _transformers(worlds: Mapping[str, dict[Key, Obj]], namespaces: Mapping[str, str]) -> Last:
    """Take from the objects what is filled in at the end, their namespace with it, and return what fills it in."""
    every = tuple(worlds)
    copies = {own: {"jobs": (_COPIED, said)} for own, said in take_copies(worlds).items()}
    found = _last("transformers/facts", take_facts(worlds, namespaces), every)
    elsewhere = [name for environment, world in worlds.items() for name in _take_namespace(world, namespaces[environment])]
    if elsewhere:
        found = {"transformers/facts": (every, {}), **found}
        found["transformers/facts"][1]["elsewhere"] = _elsewhere(dict.fromkeys(elsewhere))
    return found | _last("transformers/jobs", copies, every)


def _last(folder: str, replacements: Replacements, every: tuple[str, ...]) -> Last:
    """The replacements for each set of environments, the largest first."""
    found: Last = {}
    for own in sorted(replacements, key=lambda own: (-len(own), [every.index(one) for one in own])):
        where = _where(folder, own, every)
        for title, (words, said) in sorted(replacements[own].items()):
            name = _where(title, own, every).replace("/", "-")
            obj = {**BUILTIN, "kind": "ReplacementTransformer", "metadata": {"name": name}, "replacements": said}
            found.setdefault(where, (own, {}))[1][title] = f"# {words}\n" + document(obj)
    return found


def _elsewhere(namespaces: Iterable[str]) -> str:
    """What lets objects stay where they are, which an overlay's namespace has moved: Kustomize knows where they were."""
    found = []
    for name in namespaces:
        patch = listed({"op": "replace", "path": "/metadata/namespace", "value": name})
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
    written, patches = patch_files({names[key]: found for key, found in folder.patches.items()})
    files |= {f"{where}/{path}": text for path, text in written.items()}
    kind = "Component" if where.startswith("components/") else "Kustomization"
    text = _kustomization(kind, {**head, "resources": resources, "patches": patches}, where)
    return {f"{where}/kustomization.yaml": text, **files}


_ORDER = ("namespace", "resources", "components", "patches", "labels", "images", "transformers")


def _kustomization(kind: str, parts: Mapping[str, object], where: str) -> str:
    head = {"apiVersion": _VERSIONS[kind], "kind": kind}
    return f"# {about(where)}\n" + document({**head, **{key: parts[key] for key in _ORDER if parts.get(key)}})
