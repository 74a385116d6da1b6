"""Files as a map of paths to texts, and the one function that writes them.

Every packager returns a `FileTree`; nothing else in Seatrial writes a package.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

#: Path (relative, with slashes) -> text.
FileTree = dict[str, str]


class UnsafePathError(ValueError):
    """A path that would leave the folder it is written to."""


@dataclass(frozen=True, slots=True)
class Written:
    """What writing changed, as the paths that were given."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def write(files: Mapping[str, str], folder: Path | str) -> Written:
    """Write a tree below `folder`, which is made if it is not there. Each file is replaced whole or not at all.

    All paths are looked at before anything is written. Raises UnsafePathError for a path that leaves the folder, through `..`
    or through a link that is there already, and OSError.
    """
    folder = Path(folder)
    places = {path: _place(folder, path) for path in files}
    written = Written()
    for path, content in files.items():
        _write(places[path], content, path, written)
    return written


def _place(folder: Path, path: str) -> Path:
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise UnsafePathError(f"{path!r} does not stay in its folder")
    place = folder.joinpath(*pure.parts)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise UnsafePathError(f"{path!r} leaves {folder} through a link")
    return place


def _write(place: Path, content: str, path: str, written: Written) -> None:
    data = content.encode()
    there = place.exists()
    if there and place.read_bytes() == data:
        written.unchanged.append(path)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
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
