"""Kustomizations: built by `kubectl kustomize` (or `kustomize`), each object and field with the file that it comes from.

A folder often holds a base and an overlay for each environment.  Those that no other one takes in are what people apply, so
each of them is built, as a world of its own.  The builder does not say where a field comes from: patches are looked at before
bases, and the last file that writes the field counts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.sources.asked import run
from seatrial.sources.files import KUSTOMIZATIONS, content, load_file
from seatrial.sources.loaded import Gathering, Input
from seatrial.world.load import Problem, Written, careful, read
from seatrial.world.objects import Obj
from seatrial.world.paths import at
from seatrial.world.place import Place

#: Seconds that a build may take: one that fetches its bases from elsewhere takes some.
PATIENCE = 60
_TAKEN = ("resources", "bases", "components", "crds")
_PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "transformers", "generators")


@dataclass(frozen=True, slots=True)
class Kustomization:
    """One kustomization: its folder, its file, what stands in it, and the folders and files that it takes in, bases first."""

    folder: Path
    file: Path
    data: Mapping[str, Any]
    folders: tuple[Path, ...]
    files: tuple[Path, ...]


def load_kustomizations(folders: Sequence[Path], gathering: Gathering, *, only: Sequence[str] = ()) -> set[Path]:
    """Build those that no other takes in, as variants where they are several; the folders and files that belong to any of
    them.
    """
    found = {folder.resolve(): one for folder in folders if (one := _read(folder, gathering)) is not None}
    taken = {below.resolve() for one in found.values() for below in one.folders}
    roots = [one for path, one in found.items() if path not in taken and one.data.get("kind") != "Component"]
    names = _names(roots)
    gathering.known.update(names.values() if len(roots) > 1 else ())
    known: dict[Path, list[tuple[Obj, Written]]] = {}
    for root in roots:
        if not only or names[root.folder] in only or len(roots) == 1:
            _build(root, found, gathering, names[root.folder] if len(roots) > 1 else "", known)
    return {one.folder for one in found.values()} | {path for one in found.values() for path in one.files}


def _read(folder: Path, gathering: Gathering) -> Kustomization | None:
    file = next((folder / name for name in KUSTOMIZATIONS if (folder / name).is_file()), None)
    data = content(file, gathering) if file else None
    if file is None or data is None:
        return None
    documents, problems = careful.load(data, str(file), 1)
    gathering.problems += problems
    parsed = documents[0] if documents else None
    if not isinstance(parsed, dict):  # nobody could build it: the files beside it are read as they are
        if not any(one.severity == "error" for one in problems):
            what = "it is empty" if parsed is None else "it is no map of fields"
            gathering.problem(str(file), f"this is no kustomization: {what}", _PIECES, line=1)
        return None
    folders: list[Path] = []
    files: list[Path] = []
    for path in _taken(folder, parsed):
        (folders if path.is_dir() else files).append(path)
    return Kustomization(folder, file, parsed, tuple(folders), tuple(files))


def _taken(folder: Path, data: Mapping[str, Any]) -> list[Path]:
    """What a kustomization names that is here: bases first, patches last."""
    named: list[str] = []
    for key in (*_TAKEN, *_PATCHES):
        entries = data.get(key)
        for one in entries if isinstance(entries, list) else ():
            path = one.get("path") if isinstance(one, dict) else one
            if isinstance(path, str) and "\n" not in path and "://" not in path:
                named.append(path)
    return [path for name in named if (path := Path(os.path.normpath(folder / name))).exists()]


def _names(roots: Iterable[Kustomization]) -> dict[Path, str]:
    """What overlays are called: by their folder, with the ones above it as far as that takes to tell them apart."""
    folders = [root.folder for root in roots]
    for parts in range(1, 12):
        names = {folder: "/".join(folder.parts[-parts:]) for folder in folders}
        if len(set(names.values())) == len(names):
            break
    return names if folders else {}


def _build(
    root: Kustomization,
    all_: Mapping[Path, Kustomization],
    gathering: Gathering,
    variant: str,
    known: dict[Path, list[tuple[Obj, Written]]],
) -> None:
    pieces = list(dict.fromkeys(_pieces(root, all_, set())))
    built = _kustomize(root, _away(root, all_), gathering)
    if built is None:  # what can be read without building is better than nothing
        objects = sum(load_file(path, gathering, strict=False, variant=variant) for path, patch in pieces if not patch)
        gathering.pieces.update(str(path) for path, _ in pieces)
    else:
        raw = [pair for path, _ in pieces for pair in _objects(path, gathering, known)]
        found = read(built, str(root.file), strict=False)
        for obj, _ in found.objects:
            gathering.add(obj, _place(obj, raw, root), variant)
        objects = len(found.objects)
        if not root.data.get("namespace"):
            gathering.bases.update(str(path) for path, _ in pieces)
    gathering.inputs.append(Input(str(root.folder), "kustomization", objects, variant))


def _pieces(root: Kustomization, all_: Mapping[Path, Kustomization], seen: set[Path]) -> Iterable[tuple[Path, bool]]:
    """The files of a kustomization, those of its bases first, and whether each is a patch. Circles end."""
    if root.folder.resolve() in seen:
        return
    seen.add(root.folder.resolve())
    for folder in root.folders:
        below = all_.get(folder.resolve()) or _read(folder, Gathering())
        if below is not None:
            yield from _pieces(below, all_, seen)
    named = root.data.get("resources")
    listed = named if isinstance(named, list) else []
    resources = {os.path.normpath(root.folder / one) for one in listed if isinstance(one, str)}
    for path in root.files:
        if path.suffix in (".yaml", ".yml", ".json"):
            yield path, str(path) not in resources


def _objects(path: Path, gathering: Gathering, known: dict[Path, list[tuple[Obj, Written]]]) -> list[tuple[Obj, Written]]:
    """The objects of a file; what several kustomizations take in is read once."""
    if path not in known:
        data = content(path, gathering)
        known[path] = read(data, str(path), strict=False).objects if data is not None else []
    return known[path]


def _kustomize(root: Kustomization, away: set[str], gathering: Gathering) -> bytes | None:
    """What a kustomization builds to, or None and why not. `away`: the hosts that it takes something from."""
    program = shutil.which("kustomize") or shutil.which("kubectl")
    if program is None:
        hint = "install kubectl; until then its files are read one by one, without patches"
        gathering.problem(str(root.file), "a kustomization is built by kubectl, and there is none", hint)
        return None
    if away & gathering.unreachable:
        gathering.problems.append(_unbuilt(root, f"{sorted(away & gathering.unreachable)[0]} does not answer"))
        return None
    verb = ["build"] if Path(program).stem == "kustomize" else ["kustomize"]
    command = [program, *verb, "--load-restrictor", "LoadRestrictionsNone", str(root.folder)]
    try:
        done = run(command, PATIENCE)
    except subprocess.TimeoutExpired:
        gathering.unreachable |= away
        gathering.problems.append(_unbuilt(root, f"kubectl did not end within {PATIENCE} s"))
        return None
    except OSError as error:
        gathering.problem(str(root.file), f"this kustomization cannot be built: {error}")
        return None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        away = away | set(_FETCHED.findall(said))
        if away and _NETWORK.search(said):
            gathering.unreachable |= away
            gathering.problems.append(_unbuilt(root, f"{_named(away)} cannot be fetched from here"))
        elif "must specify --enable-helm" in said:
            gathering.problems.append(_unbuilt(root, "it takes in charts, which kubectl does only with --enable-helm"))
        elif (lacking := _LACKING.search(said)) is not None and lacking["generator"]:
            gathering.problems.append(_unbuilt(root, f"{os.path.relpath(lacking['file'])} is not here"))
        else:
            words = (said.splitlines() or ["kubectl said nothing"])[-1].removeprefix("error: ").removeprefix("Error: ")
            words = f"{os.path.relpath(lacking['file'])} is not here" if lacking else words
            gathering.problem(str(root.file), f"this kustomization cannot be built: {words}", _PIECES, line=1)
        return None
    return done.stdout


_PIECES = "its files are read one by one, without patches"
#: What kustomize says of an address that it cannot fetch: git's exit code, or the network's own words.
_NETWORK = re.compile(
    r"exit status 128|git fetch|git clone|dial tcp|no such host|lookup |timeout|unable to access|HTTP Error|status code"
)
#: The host of a file that a generator takes from elsewhere, as kustomize says that it did not answer.
_FETCHED = re.compile(r'Get \\*"https?://([^/"\\]+)')
#: A file that is not there; the input of a generator is often kept out of the repository on purpose.
_LACKING = re.compile(
    r"(?P<generator>loading KV pairs: .*)?(?:open|evalsymlink failure on) '?(?P<file>/[^\s':]+)'?[^:]*:", re.DOTALL
)
#: The address of a base that is elsewhere: https://…, git::…, github.com/….
_ADDRESS = re.compile(
    r"^(?:git::)?(?:https?|ssh|git)://(?:[^@/]+@)?([^/:]+)|^(?:[\w.-]+@)([\w.-]+):|^(github\.com|gitlab\.com|bitbucket\.org)[/:]"
)


def _away(root: Kustomization, all_: Mapping[Path, Kustomization]) -> set[str]:
    """The hosts of the bases and components that are elsewhere, of a kustomization and of those that it takes in."""
    hosts: set[str] = set()
    seen: set[Path] = set()
    stack = [root]
    while stack:
        one = stack.pop()
        if one.folder.resolve() in seen:
            continue
        seen.add(one.folder.resolve())
        stack += [below for folder in one.folders if (below := all_.get(folder.resolve()) or _read(folder, Gathering()))]
        listed = [one.data.get(key) for key in _TAKEN]
        named = [each for given in listed if isinstance(given, list) for each in given if isinstance(each, str)]
        hosts |= {next(filter(None, match.groups())) for match in map(_ADDRESS.match, named) if match}
    return hosts


def _named(hosts: set[str]) -> str:
    return f"what it takes from {' and '.join(sorted(hosts))}"


def _unbuilt(root: Kustomization, why: str) -> Problem:
    """A kustomization that is whole where it is used, and not here: its own files are read."""
    return Problem(str(root.file), 1, 0, f"this kustomization is not built: {why}", _PIECES, "warning")


def _place(obj: Obj, raw: Sequence[tuple[Obj, Written]], root: Kustomization) -> Pieces:
    name, kind = str(obj["metadata"].get("name", "")), obj["kind"]
    same = [(one, written) for one, written in raw if one["kind"] == kind]
    pieces = [pair for pair in same if pair[0]["metadata"].get("name") == name]
    if not pieces:  # prefixes and suffixes are put around the names of files
        inside = [pair for pair in same if pair[0]["metadata"].get("name") and pair[0]["metadata"]["name"] in name]
        longest = max((len(pair[0]["metadata"]["name"]) for pair in inside), default=0)
        pieces = [pair for pair in inside if len(pair[0]["metadata"]["name"]) == longest]
    version = obj.get("apiVersion")
    exact = [pair for pair in pieces if pair[0].get("apiVersion") == version]  # samples of several versions share a name
    return Pieces(str(root.file), tuple(exact or pieces))


@dataclass(frozen=True, slots=True)
class Pieces:
    """An object that a kustomization builds of a base and patches; made by a generator, it is of the kustomization itself."""

    file: str
    pieces: tuple[tuple[Obj, Written], ...]

    def __call__(self, path: str = "") -> Place:
        if not self.pieces:
            return Place(self.file, 1)
        if path:
            for obj, written in reversed(self.pieces):
                if at(obj, path) is not None:
                    return written(path)
        return self.pieces[0][1](path)
