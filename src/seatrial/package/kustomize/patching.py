"""Patches as Kustomize reads them: files, and entries of a kustomization that say what they are laid over.

What is short stands in the entry itself, and patches of one kind that say the same are one patch of several objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from seatrial.package.emit import document
from seatrial.package.files import FileTree
from seatrial.package.kustomize.patch import Patch
from seatrial.world.objects import Obj, group_of, name_of, namespace_of

#: The most lines of operations that stand in a kustomization rather than in a file of their own.
FEW = 6

#: Where a patch stands among those of an object: operations come first, for their indices are those of the first form; the
#: change of the kind comes last.
OPERATIONS, MERGE, KIND = 0, 1, 2


def patch_files(patches: Mapping[str, tuple[Obj, Patch]]) -> tuple[FileTree, list[Obj]]:
    """Files and entries of the patches of a kustomization. They are named after the files of the objects they are laid over."""
    files: FileTree = {}
    stages: list[list[tuple[str, str, Obj]]] = [[], [], []]
    for name, (base, patch) in patches.items():
        for stage, path, text, entry in _entries(base, patch, f"patches/{name.replace('/', '-')}.yaml"):
            stages[stage].append((path, text, entry))
    entries = []
    for path, text, entry in (one for stage in stages for one in _merged(stage)):
        if entry.get("target") and text.startswith("- ") and text.count("\n") <= FEW:
            entries.append({"target": entry["target"], "patch": text, **entry})
        else:
            files[path] = text
            entries.append({"path": path, **entry})
    return files, entries


def _entries(base: Obj, patch: Patch, path: str) -> Iterator[tuple[int, str, str, Obj]]:
    """Place, path, text and the rest of the entry of each patch of one object."""
    group, kind, title = group_of(base), base["kind"], name_of(base)
    target = {**({"group": group} if group else {}), "kind": kind, "name": title}
    if patch.operations:
        beside = path.replace(".yaml", "-lists.yaml") if patch.merge else path
        yield OPERATIONS, beside, "".join(listed(operation) for operation in patch.operations), {"target": target}
    if patch.merge:
        about = {"name": title, **patch.merge.get("metadata", {})}
        head = {"apiVersion": base["apiVersion"], "kind": kind, "metadata": about}
        entry: Obj = {"target": target} if namespace_of(base) else {}
        if about["name"] != title:
            entry = {"target": target, "options": {"allowNameChange": True}}
        yield MERGE, path, document({**head, **{one: value for one, value in patch.merge.items() if one not in head}}), entry
    if patch.becomes:  # a merge would leave the apiVersion as it was
        lines = [listed({"op": "replace", "path": f"/{one}", "value": value}) for one, value in patch.becomes.items()]
        yield KIND, path.replace(".yaml", "-kind.yaml"), "".join(lines), {"target": target, "options": {"allowKindChange": True}}


def _merged(patches: Sequence[tuple[str, str, Obj]]) -> Iterator[tuple[str, str, Obj]]:
    """Operations on objects of one kind that are the same, as those of several objects: a target is a regular expression."""
    alike: dict[str, list[tuple[str, str, Obj]]] = {}
    for path, text, entry in patches:
        general = {**entry, "target": {**entry["target"], "name": ""}} if text.startswith("- ") else entry
        alike.setdefault(repr((text, general)), []).append((path, text, entry))
    for same in alike.values():
        path, text, entry = same[0]
        if len(same) > 1:
            entry = {**entry, "target": {**entry["target"], "name": "|".join(one["target"]["name"] for _, _, one in same)}}
        yield path, text, entry


def inline(patches: Sequence[Obj]) -> list[Obj]:
    """Entries that hold their operations."""
    return [{"target": one["target"], "patch": "".join(listed(op) for op in one["operations"])} for one in patches]


def listed(operation: Obj) -> str:
    """An operation as an item of a list."""
    first, *rest = document(operation).splitlines(keepends=True)
    return f"- {first}" + "".join(f"  {line}" for line in rest)
