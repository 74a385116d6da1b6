"""Files as a map of paths to texts, and the one function that writes them.

Every packager returns a `FileTree`; nothing else in Seatrial writes a package.  A file with a Secret in it that can be read
is its owner's alone (0600).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

#: Path (relative, with slashes) -> text.
FileTree = dict[str, str]


class UnsafePathError(ValueError):
    """A path that would leave the folder it is written to."""


class ForeignFilesError(ValueError):
    """Files stand where ours would, and an earlier call did not write them."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(", ".join(paths))
        self.paths = paths


@dataclass(frozen=True, slots=True)
class Written:
    """What writing changed, as the paths that were given."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


#: The list of files that the last call wrote: those of it that are not written again are removed.
MANIFEST = ".seatrial-files"


def write(files: Mapping[str, str], folder: Path | str) -> Written:
    """Write a tree below `folder`, which is made if it is not there. Each file is replaced whole or not at all.

    All paths are looked at before anything is written. Raises UnsafePathError for a path that leaves the folder, through `..`
    or through a link that is there already, and OSError.
    """
    folder = Path(folder)
    places = {path: _place(folder, path) for path in files}
    written = Written()
    for path, content in files.items():
        _write(places[path], content, path, written, private=is_private(content))
    return written


def is_private(content: str) -> bool:
    """Whether a text has a Secret in it whose values are not encrypted."""
    documents = content.split("\n---\n")
    return any(_SECRET.search(one) and _VALUES.search(one) and not _SEALED.search(one) for one in documents)


_SECRET = re.compile(r"(?m)^kind: Secret$")
_VALUES = re.compile(r"(?m)^(?:data|stringData):$")
#: What SOPS leaves in a file, and the template of a chart, which has a name where the value will be.
_SEALED = re.compile(r"(?m)^sops:$|^\{\{|^  [^:\s]+: \{\{ required \"")


def replace(files: Mapping[str, str], folder: Path | str) -> Written:
    """Write a tree as `write` does, and remove what an earlier call wrote and this one does not. Other files are left alone.

    What was written is listed in `.seatrial-files` of the folder; a README of somebody else stays. Raises what `write` raises,
    and before anything is written ForeignFilesError where another file than ours would be lost.
    """
    folder = Path(folder)
    listed = folder / MANIFEST
    before = listed.read_text(errors="replace").splitlines() if listed.is_file() else []
    files = {path: text for path, text in files.items() if not _is_their_readme(folder, path, before, text)}
    foreign = [path for path, content in files.items() if path not in before and _is_foreign(_place(folder, path), content)]
    if foreign:
        raise ForeignFilesError(foreign)
    written = write(files, folder)
    for path in before:
        if path not in files and _remove(folder, path):
            written.removed.append(path)
    write({MANIFEST: "".join(f"{path}\n" for path in sorted(files))}, folder)
    return written


def _is_their_readme(folder: Path, path: str, before: Collection[str], text: str) -> bool:
    """Whether people keep a README of their own there: it stays, and ours is not written."""
    return path == "README.md" and path not in before and _is_foreign(_place(folder, path), text)


def _is_foreign(place: Path, content: str) -> bool:
    """Whether writing would lose what somebody else wrote. A file that SOPS encrypted is carried on, whoever made it."""
    if not place.is_file():
        return place.exists()
    there = place.read_bytes()
    return there != content.encode() and not (_SOPS.search(content) and _SOPS.search(there.decode(errors="replace")))


_SOPS = re.compile(r"(?m)^sops:$")


def _remove(folder: Path, path: str) -> bool:
    """Remove a file of ours, and the folders that it leaves empty; a path that leads outside is none of ours."""
    try:
        place = _place(folder, path)
    except UnsafePathError:
        return False
    if not place.is_file():
        return False
    place.unlink()
    for parent in place.parents:
        if parent == folder or any(parent.iterdir()):
            break
        parent.rmdir()
    return True


def _place(folder: Path, path: str) -> Path:
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise UnsafePathError(f"{path!r} does not stay in its folder")
    place = folder.joinpath(*pure.parts)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise UnsafePathError(f"{path!r} leaves {folder} through a link")
    return place


def _write(place: Path, content: str, path: str, written: Written, private: bool = False) -> None:
    data = content.encode()
    there = place.exists()
    if there and place.read_bytes() == data:
        written.unchanged.append(path)
        if private and place.stat().st_mode & 0o077:
            place.chmod(0o600)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if not private:  # a scratch file is its owner's alone from the first
            Path(scratch).chmod(place.stat().st_mode & 0o777 if there else 0o666 & ~_umask())
        Path(scratch).replace(place)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    (written.changed if there else written.created).append(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
