"""What `seatrial render` does with Secrets where SOPS encrypts them: none leaves here with a value that can be read."""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from seatrial.package.sops import IN_VALUES, kept_or_encrypted
from seatrial.render import missing, needed
from seatrial.render.scope import checksum
from seatrial.world.objects import Obj, name_of
from seatrial.world.sops import SopsError, decrypt, is_encrypted

if TYPE_CHECKING:
    from seatrial.app.resolve import ResolvedApp

Given = Mapping[str, Mapping[str, str]]


def sealed(app: ResolvedApp, objects: Sequence[Obj], values: Given, given: Given, there: Path | None, pattern: str) -> list[Obj]:
    """The objects with encrypted Secrets. `values` are what they were rendered with, `given` those of them that are no fiction.

    A Secret is kept as a file below `there` that fits `pattern` has it, if that has the same values or cannot be opened; one
    whose values are not given and that is in no file is left out. Raises click.ClickException.
    """
    before = dict(_encrypted(there, pattern)) if there else {}
    absent, sums, found = missing(app, given), {}, []
    for obj in objects:
        if obj["kind"] != "Secret":
            found.append(obj)
            continue
        name = name_of(obj)
        path, old = before.get(name, (None, None))
        new = old if name in absent else _seal(app, obj, old, path)
        plain = checksum({key: values[name][key] for key in needed(app)[name]})
        sums[plain] = checksum({"data": new.get("data"), "stringData": new.get("stringData")}) if new else ""
        if new:
            found.append(dict(new))
    return [obj if "sops" in obj else _with_sums(obj, sums) for obj in found]


def sealed_values(app: ResolvedApp, values: Obj, there: Path) -> Obj | None:
    """The encrypted values of a chart's Secrets, or as they are in the file `there`, if none are given."""
    old = _read(there) if there.is_file() else None
    if not values:
        return old if old and is_encrypted(old) else None
    return _seal(app, values, old, there, regex=IN_VALUES)


def _seal(app: ResolvedApp, document: Obj, old: Mapping[str, Any] | None, path: Path | None, **options: str) -> Obj:
    now = datetime.datetime.now(datetime.UTC)
    opened = functools.partial(decrypt, path or Path())
    try:
        new, known = kept_or_encrypted(document, old, app.platform.age or (), now, opened, **options)
    except SopsError as error:
        raise click.ClickException(f"the secrets of {app.name} in {app.environment} cannot be encrypted: {error}") from None
    if not known:
        click.echo(f"note: {path} is left as it is: no key that opens it was found here", err=True)
    return new


def _encrypted(folder: Path, pattern: str) -> Iterator[tuple[str, tuple[Path, Obj]]]:
    for path in sorted(folder.glob(pattern)):
        found = _read(path)
        if found and found.get("kind") == "Secret" and is_encrypted(found):
            yield name_of(found), (path, found)


def _read(path: Path) -> Obj | None:
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def _with_sums(obj: Obj, sums: Mapping[str, str]) -> Obj:
    """An object whose checksums are of what is encrypted: those of short passwords would tell them."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(child) for key, child in value.items() if not (isinstance(child, str) and sums.get(child) == "")}
        if isinstance(value, list):
            return [walk(child) for child in value]
        return sums.get(value, value) if isinstance(value, str) else value

    return obj if not any(plain in json.dumps(obj) for plain in sums) else walk(obj)
