"""Patches into the files that the objects came from: each is read once, edited in memory, and written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.rules.finding import Finding
from seatrial.world.editing import EditError, edited, place_of
from seatrial.world.objects import Ref
from seatrial.world.world import World


@dataclass
class Edits:
    """The new texts by file, the findings they mend, and why others were left."""

    texts: dict[str, str] = field(default_factory=dict)
    done: list[Finding] = field(default_factory=list)
    left: list[tuple[Finding, str]] = field(default_factory=list)


def edits(world: World, findings: Iterable[Finding]) -> Edits:
    """What the findings' patches make of the files. A patch of several objects is made in all of their files or in none."""
    found = Edits()
    before: dict[str, str] = {}
    for finding in findings:
        tried = dict(found.texts)
        try:
            for part in finding.patch:
                _edit(world, Ref(**part["ref"]), part["operations"], tried, before)
        except EditError as error:
            found.left.append((finding, str(error)))
        else:
            found.texts = tried
            found.done.append(finding)
    found.texts = {file: text for file, text in found.texts.items() if text != before[file]}
    return found


def _edit(world: World, ref: Ref, operations: list[dict[str, object]], texts: dict[str, str], before: dict[str, str]) -> None:
    place = world.place(ref)
    if place is None or not place.file or not Path(place.file).is_file():
        raise EditError(f"{ref.kind} {ref.name} is in no file that could be edited")
    if Path(place.file).suffix == ".json":
        raise EditError(f"{place.file} is JSON, which is left to its own tools")
    if place.file not in texts:
        try:
            texts[place.file] = before[place.file] = Path(place.file).read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise EditError(f"{place.file} cannot be read: {error}") from None
    # lines are those of the file as it was; documents and items keep their numbers while fields are edited
    index, item = place_of(before[place.file], place.line, ref.kind, ref.name)
    texts[place.file] = edited(texts[place.file], index, operations, item)


def write(texts: dict[str, str]) -> None:
    """Replace each file at once, with its mode kept; a symbolic link stays one. Raises OSError."""
    for name, text in texts.items():
        path = Path(name).resolve()
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(text.encode())
            Path(scratch).chmod(path.stat().st_mode & 0o7777)
            Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
