"""Patches into the files that the objects came from: each is edited in memory, as little as there is to change, and written whole
or not at all.

What something renders (a chart, an app file) is not edited: the next rendering would undo it.  What a kustomization takes from a
file as it is written, is edited there.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from seatrial.rules.finding import Finding
from seatrial.rules.mending import Find, Key, Mended, harm, key_of, mend
from seatrial.world.editing import EditError, document_of, edited
from seatrial.world.json_patch import steps_of
from seatrial.world.load import Written
from seatrial.world.load.text import cleaned
from seatrial.world.objects import Ref
from seatrial.world.world import World

#: A file, and where a document begins and ends in it.
Part = tuple[str, int, int]
Texts = dict[Part, str]
#: A finding, a world that its patch holds in, and that world mended: an object may be of another kind or group there.
Tried = tuple[Finding, World, World]
_MARK = b"\xef\xbb\xbf"
#: What tools write above what they make.
_MADE = re.compile(rb"^[#/ ].*\b(?:DO NOT EDIT|do not edit|@generated)\b", re.MULTILINE)
_HEAD = 2048


@dataclass
class Edits:
    """The new content by file, the findings it mends, and why others were left."""

    contents: dict[str, bytes] = field(default_factory=dict)
    done: list[Finding] = field(default_factory=list)
    left: list[tuple[Finding, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was read, and as the loader sees it: in UTF-8 without a mark, with lines that end in a line feed."""

    name: str
    raw: bytes
    text: bytes

    def with_(self, parts: Mapping[tuple[int, int], str]) -> bytes:
        """The file with some of its documents changed; lines end as they did, and new ones as the line above them."""
        text, at = [], 0
        for (start, end), changed in sorted(parts.items()):
            text += [self.text[at:start], changed.encode()]
            at = end
        after = b"".join([*text, self.text[at:]])
        mark = _MARK if self.raw.startswith(_MARK) else b""
        if b"\r" not in self.raw:
            return mark + after
        return mark + (after.replace(b"\n", b"\r\n") if self._all_crlf() else _ended(self.raw.removeprefix(mark), after))

    def _all_crlf(self) -> bool:
        return self.raw.count(b"\r\n") == self.raw.count(b"\n") == self.raw.count(b"\r")


def made(
    worlds: Sequence[World],
    offered: Iterable[Finding],
    find: Find,
    kept: Callable[[str], str] = lambda _: "",
    welcome: Callable[[Finding], bool] = lambda _: False,
) -> tuple[Edits, list[tuple[Finding, str]]]:
    """What the patches that hold make of the files, and the others with the reason.

    A patch may build on another one: what cannot be written is left out, and the rest tried anew. `kept` says why a file is not
    to be edited, "" where it may be; `welcome`, whether what comes to light under a right name is to be mended too.
    """
    open_, left = list(offered), list[tuple[Finding, str]]()

    def still(one: Finding) -> bool:
        return all(key_of(other) != key_of(one) for other, _ in left)

    while True:
        hold, refused = _tried(worlds, open_, find, lambda one: welcome(one) and still(one))
        done = edits(hold, kept)
        before = len({key_of(one) for one, _ in left})
        left += [*refused, *done.left]
        if not done.left or before == len({key_of(one) for one, _ in left}):
            return done, left
        open_ = [one for one in open_ if still(one)]


def _numbered(findings: Iterable[Finding]) -> dict[Key, Finding]:
    """Findings by what makes them the same in another environment; of those that went out of one place of a list, each once."""
    found: dict[Key, Finding] = {}
    for one in findings:
        key, nth = _same_one(one), 0
        while (number := (*key, nth) if nth else key) in found:
            nth += 1
        found[number] = one
    return found


def _same_one(finding: Finding) -> Key:
    return *key_of(finding), finding.at


def _tried(
    worlds: Sequence[World], offered: Iterable[Finding], find: Find, welcome: Callable[[Finding], bool]
) -> tuple[list[Tried], list[tuple[Finding, str]]]:
    """The patches that hold wherever their objects are (an environment is a world), each with a world that it holds in; and those
    that do not, with the reason.
    """
    done: dict[Key, Tried] = {}
    refused: dict[Key, tuple[Finding, str]] = {}
    results: list[tuple[Mended, set[Key]]] = []
    for world in worlds:
        able = []
        for one in offered:
            if why := _unwritten(world, one):
                refused.setdefault(_same_one(one), (one, why))
            else:
                able.append(one)
        mended = mend(world, able, find, lambda one, world=world: welcome(one) and not _unwritten(world, one))  # type: ignore[misc]
        numbered = _numbered(mended.done)
        results.append((mended, set(numbered)))
        refused |= {_same_one(one): (one, why) for one, why in mended.refused}
        for key, one in numbered.items():
            if done.setdefault(key, (one, world, mended.world))[0].patch != one.patch:
                refused[key] = one, "what mends it is not the same in all environments"
    for key, (one, *_) in done.items():
        for mended, keys in results:
            elsewhere = key not in keys and key not in refused and all(Ref(**part["ref"]) in mended.world for part in one.patch)
            if elsewhere and (why := harm(mended.world, one, find)):
                refused[key] = one, f"{why} in another environment"
    return [each for key, each in done.items() if key not in refused], list(refused.values())


def _unwritten(world: World, finding: Finding) -> str:
    """Why an object is not to be edited where it is from; "" where it is, and where it is not in this world."""
    try:
        for part in finding.patch:
            if (ref := Ref(**part["ref"])) in world:
                _written(world, ref, part["operations"])
    except EditError as error:
        return str(error)
    return ""


def edits(findings: Iterable[Tried], kept: Callable[[str], str] = lambda _: "") -> Edits:
    """What the findings' patches make of the files. A patch of several objects is made in all of their files or in none.

    `kept` says why a file is not to be edited, "" where it may be.
    """
    found = Edits()
    files: dict[str, _File] = {}
    texts: Texts = {}
    for finding, world, mended in findings:
        changed: Texts = {}
        try:
            for part in finding.patch:
                ref = Ref(**part["ref"])
                _edit(world if ref in world else mended, ref, part["operations"], files, ChainMap(changed, texts), kept)
        except EditError as error:
            found.left.append((finding, str(error)))
        else:
            texts |= changed
            found.done.append(finding)
    for name in dict.fromkeys(name for name, _, _ in texts):
        parts = {(start, end): text for (file, start, end), text in texts.items() if file == name}
        after = files[name].with_(parts)
        if after != files[name].raw:
            found.contents[name] = after
    return found


def _edit(
    world: World,
    ref: Ref,
    operations: Sequence[Mapping[str, Any]],
    files: dict[str, _File],
    texts: MutableMapping[Part, str],
    kept: Callable[[str], str],
) -> None:
    written, name = _written(world, ref, operations)
    file = str(Path(written.file).resolve())
    if file not in files:
        files[file] = _opened(written, kept)
    if files[file].text != written.text:
        raise EditError(f"{written.file} has changed since it was read")
    key = file, written.start, written.end
    text = texts[key] if key in texts else written.text[written.start : written.end].decode()
    texts[key] = edited(text, operations, index=document_of(text, written.steps, ref.kind, name), within=written.steps)


def _written(world: World, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> tuple[Written, str]:
    """Where an object is written, and under which name; raises EditError for one that something makes."""
    known = world.written(ref)
    if isinstance(known, Written):
        return known, ref.name
    obj = world.get(ref)
    pieces = getattr(known, "pieces", ())
    if pieces and obj is not None:
        base, written = pieces[0]
        steps = [steps_of(each[key]) for each in operations for key in ("path", "from") if key in each]
        if all(_same(obj, base, each) for each in steps):
            return written, str(base["metadata"]["name"])
        raise EditError(f"a kustomization makes this of {written.file} and its patches")
    place = world.place(ref)
    raise EditError(f"{ref.kind} {ref.name} is made from {place.file if place else 'something else'}, not written in a file")


def _same(built: Any, base: Any, steps: Sequence[str]) -> bool:
    """Whether a field is in an object of a kustomization as it is in the file that it takes the object from: there or not there,
    of one value, and in items of lists that are the same ones.
    """
    for step in steps:
        if isinstance(built, list) and isinstance(base, list):
            place = int(step) if step.isdigit() else -1
            if not 0 <= place < min(len(built), len(base)) or _named(built[place]) != _named(base[place]):
                return len(built) == len(base) and step == "-"
            built, base = built[place], base[place]
        elif isinstance(built, dict) and isinstance(base, dict):
            if step not in built or step not in base:
                return step not in built and step not in base
            built, base = built[step], base[step]
        else:
            return False
    return bool(built == base)


def _named(item: Any) -> Any:
    return item.get("name", item) if isinstance(item, dict) else item


def _opened(written: Written, kept: Callable[[str], str]) -> _File:
    path = Path(written.file)
    if not path.is_file():
        raise EditError(f"{written.file} is no file that could be edited")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise EditError(f"{written.file} cannot be read: {error.strerror}") from None
    if not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(path, os.W_OK):
        raise EditError(f"{written.file} is read-only")
    if why := kept(written.file):
        raise EditError(f"{written.file} {why}")
    text, _ = cleaned(raw, written.file)
    plain = raw.removeprefix(_MARK).replace(b"\r\n", b"\n")
    if text != plain:
        raise EditError(f"{written.file} is not in UTF-8, or has lines that end in a carriage return alone")
    return _File(written.file, raw, text)


def is_made(head: bytes) -> bool:
    """Whether a file says in its first lines that a tool makes it."""
    return _MADE.search(head[:_HEAD]) is not None


def _ended(before: bytes, after: bytes) -> bytes:
    """Lines of a text with mixed ends: who stays keeps its own, who is new gets that of the line above it."""
    old = before.split(b"\n")
    bare, new = [line.removesuffix(b"\r") for line in old], after.split(b"\n")
    ends = [b"\r\n" if line.endswith(b"\r") else b"\n" for line in old]
    made: list[bytes] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, bare, new, autojunk=False).get_opcodes():
        above = ends[i1 - 1] if i1 else ends[0]
        own = ends[i1:i2] if tag == "equal" else [*ends[i1:i2], *[above] * (j2 - j1)][: j2 - j1]
        made += [line + end for line, end in zip(new[j1:j2], own, strict=True)]
    return b"".join(made).removesuffix(b"\n").removesuffix(b"\r") if made else b""


def write(contents: Mapping[str, bytes]) -> None:
    """Replace each file at once, with its mode and owner; a symbolic link stays one. Raises OSError."""
    for name, content in contents.items():
        path = Path(name).resolve()
        was = path.stat()
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
            with suppress(PermissionError):  # a file of somebody else that we may write becomes ours
                os.chown(scratch, was.st_uid, was.st_gid)
            Path(scratch).chmod(stat.S_IMODE(was.st_mode))
            Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise


def differences(contents: Mapping[str, bytes], here: Path) -> tuple[str, Path]:
    """What changes, as `patch -p1` and `git apply` take it in a folder, and that folder: `here`, where all files are below it."""
    folder = here.resolve()
    paths = {name: Path(name).resolve() for name in contents}
    if not all(path.is_relative_to(folder) for path in paths.values()):
        folder = Path(os.path.commonpath([path.parent for path in paths.values()]))
    return "".join(_difference(paths[name], paths[name].relative_to(folder), text) for name, text in contents.items()), folder


def _difference(path: Path, name: Path, content: bytes) -> str:
    import difflib

    end = "\t" if any(each.isspace() for each in str(name)) else ""  # where a name with spaces ends
    old, new = (_lines(text.decode("utf-8", "surrogateescape")) for text in (path.read_bytes(), content))
    changed = difflib.unified_diff(old, new, f"a/{name}{end}", f"b/{name}{end}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in changed)


def _lines(text: str) -> list[str]:
    """The lines with their ends, of which only the line feed is one."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + ([last] if (last := text.rpartition("\n")[2]) else [])


def ignored_by_git(files: Collection[Path]) -> set[Path]:
    """The files, among some, that git is told to ignore: something makes them. None where there is no git."""
    import shutil
    import subprocess

    found: set[Path] = set()
    if (git := shutil.which("git")) is None:
        return found
    folders: dict[Path, list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file)
    for folder, inside in folders.items():
        asked = "\0".join(str(file) for file in inside).encode()
        with suppress(OSError, subprocess.TimeoutExpired):
            command = [git, "check-ignore", "-z", "--stdin"]
            said = subprocess.run(command, input=asked, cwd=folder, capture_output=True, check=False, timeout=10).stdout  # noqa: S603
            found |= {Path(os.fsdecode(each)) for each in said.split(b"\0") if each}
    return found
