"""Files and folders: which are read, which are left out, and what a folder is.

A folder is read to its bottom.  On the way, a folder with a `Chart.yaml` is a chart, one with a `kustomization.yaml` a
kustomization, and one with a `seatrial.yaml` an app: what they render to is what counts, not their pieces.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.sources.loaded import Gathering, Input
from seatrial.world.load import Problem, read
from seatrial.world.load.text import LARGEST
from seatrial.world.patterns import pattern

ENDINGS = (".yaml", ".yml", ".json")
#: Folders of other people's files, and those that tools make.
LEFT_OUT = frozenset({"node_modules", "vendor", "venv", "env", "__pycache__", "site-packages"})
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
CHART, APP, EVIDENCE, OBJECTS = "Chart.yaml", "seatrial.yaml", "finding.json", "objects.yaml"
#: Files that tell what a folder is, and those that are read by what renders it.
_TELLING, _RENDERED = frozenset({CHART, APP, EVIDENCE, OBJECTS, *KUSTOMIZATIONS}), frozenset({APP, *KUSTOMIZATIONS})
#: How deep folders are followed; a tree of manifests is shallow, a circle of mounts is not.
DEEPEST = 64


#: Bytes of the start of a file that tell whether it is an app file: its first keys.
_APP_HEAD = 1 << 20


def is_app(path: Path) -> bool:
    """Whether a file that is not called `seatrial.yaml` is an app file all the same, by its keys."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            text = b"\n" + file.read(_APP_HEAD)
    except OSError:
        return False
    return b"\napp:" in text and b"\nservices:" in text and b"\nkind:" not in text


def is_evidence(folder: Path) -> bool:
    """Whether a folder is one that a release saved, by its files."""
    return _is((folder / EVIDENCE).is_file) and _is((folder / OBJECTS).is_file)


@dataclass(slots=True)
class Tree:
    """What was found below a folder. `folders` of files keep their order: by name, each before its subfolders."""

    files: list[Path] = field(default_factory=list)
    charts: list[Path] = field(default_factory=list)
    kustomizations: list[Path] = field(default_factory=list)
    apps: list[Path] = field(default_factory=list)
    evidence: list[Path] = field(default_factory=list)


def walk(folder: Path, gathering: Gathering) -> Tree:
    """Everything below a folder that can be loaded. Links are followed once; what cannot be read is a problem."""
    tree = Tree()
    seen: set[tuple[int, int]] = set()
    stack = [(folder, 0)]
    while stack:
        at, depth = stack.pop()
        entries = _entries(at, depth, seen, gathering)
        names = {entry.name for entry in entries if entry.name in _TELLING and _is(entry.is_file)}
        if CHART in names:
            tree.charts.append(at)
            continue
        if EVIDENCE in names and OBJECTS in names:
            tree.evidence.append(at)
            continue
        if names.intersection(KUSTOMIZATIONS):
            tree.kustomizations.append(at)
        if APP in names:
            tree.apps.append(at / APP)
        below: list[tuple[Path, int]] = []
        for entry in entries:
            if entry.name.startswith(".") or entry.name in LEFT_OUT:
                continue
            if _is(entry.is_dir):
                below.append((at / entry.name, depth + 1))
            elif entry.name.endswith(ENDINGS) and not (entry.name in names and entry.name in _RENDERED):
                tree.files.append(at / entry.name)
        stack += reversed(below)
    return tree


def _is(asked: Callable[[], bool]) -> bool:
    """What an entry says that it is; a link that leads to itself, or that may not be followed, is nothing."""
    try:
        return asked()
    except OSError:
        return False


def _entries(at: Path, depth: int, seen: set[tuple[int, int]], gathering: Gathering) -> list[os.DirEntry[str]]:
    try:
        status = at.stat()
        if (status.st_dev, status.st_ino) in seen or depth > DEEPEST:
            return []
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(at) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        gathering.problem(str(at), f"this folder cannot be read: {error.strerror}")
        return []


def content(path: Path, gathering: Gathering, *, given: bool = False) -> bytes | None:
    """The bytes of a file, or None and a problem. Only plain files: a pipe in a folder would wait for ever. One that was `given`
    is what the shell made of `<(helm template .)`.
    """
    try:
        status = path.stat()
        pipe = given and (stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode))
        if not pipe and not stat.S_ISREG(status.st_mode):
            gathering.problem(str(path), "this is no plain file", note=not given)
            return None
        size, data = status.st_size, b""
        if size <= LARGEST:
            with path.open("rb") as file:
                data = file.read(LARGEST + 1) if pipe else file.read()
            size = max(size, len(data))
        if size > LARGEST:
            words = "the file has more than" if pipe else f"the file has {size >> 20:,} MiB, and"
            gathering.problem(str(path), f"{words} {LARGEST >> 20} MiB{'' if pipe else ' are read at most'}", "split it")
            return None
        return data
    except OSError as error:
        gathering.problem(str(path), f"this file cannot be read: {error.strerror}")
        return None


def load_file(path: Path, gathering: Gathering, *, strict: bool, variant: str = "") -> int:
    """The objects of one file. `strict`: somebody gave this very file, so documents that are no objects are worth a word."""
    data = content(path, gathering, given=strict)
    return load_bytes(data, str(path), gathering, strict=strict, variant=variant) if data is not None else 0


def load_bytes(data: bytes, name: str, gathering: Gathering, *, strict: bool, variant: str = "") -> int:
    if not strict and b"#@ " in data and _YTT.search(data):
        gathering.problem(name, "a template of ytt: skipped", note=True)
        return 0
    found = read(data, name, strict=strict)
    gathering.problems += found.problems if strict else _calm(found.problems, data)
    for obj, written in found.objects:
        gathering.add(obj, written, variant)
    return len(found.objects)


#: A line of a template that is no YAML whatever it is filled with.
_CONTROL = pattern(rb"^[ \t-]*(?:\{\{-? *(?:if|else|end|range|with|define|include|template|block|/\*)|\{%|<%)", re.MULTILINE)


#: What ytt reads of a file that is YAML to everybody else: `#@ load(…)` on a line of its own, `image: #@ …` for a value.
_YTT = pattern(rb"^[ \t]*#@ *(?:load\(|def |if |for |data/)|^[ \t-]*[\w./-]+: +#@ ", re.MULTILINE)
#: Names of files that change an object rather than make it.
_PATCH = pattern(r"(?:^|[-_.])patch(?:es)?(?:[-_.]|$)")


def _calm(problems: list[Problem], data: bytes) -> list[Problem]:
    """What is wrong with a file that nobody gave: a template for another tool, and what is no manifest by its looks, are told
    once, as left out.
    """
    errors = [one for one in problems if one.severity == "error"]
    if not errors:
        return problems
    if b"apiVersion" not in data or b"kind" not in data:
        words = f"no manifest by its looks: skipped ({errors[0].text})"
    elif _CONTROL.search(data) or any(one.text.startswith("this is a template") for one in errors):
        words = "a template, not YAML: skipped"
    else:
        return problems
    others = [one for one in problems if one.severity != "error"]
    return [*others, Problem(errors[0].file, errors[0].line, 0, words, severity="note")]


def plain(tree: Tree, gathering: Gathering, folder: Path, without: set[Path]) -> None:
    """The manifests of a folder, without those in the folders that something renders."""
    objects = 0
    for path in tree.files:
        if not _inside(path, without):
            if _PATCH.search(path.stem):  # a fragment by its name: what it lacks is for another to have
                gathering.pieces.add(str(path))
            objects += load_file(path, gathering, strict=False)
    gathering.inputs.append(Input(str(folder), "folder", objects))


def _inside(path: Path, folders: set[Path]) -> bool:
    return any(parent in folders for parent in path.parents)
