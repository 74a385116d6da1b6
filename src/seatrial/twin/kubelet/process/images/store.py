"""Images made on this machine: a folder for each, with `image.json` and a snapshot of the team's source.

    <store>/<repository>/<tag>/image.json
    <store>/<repository>/<tag>/rootfs/…

An image is made beside its place and moved there whole, so that it is there completely or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.twin.kubelet.process.images.ignore import files
from seatrial.world.images import Reference, parse

ROOTFS = "rootfs"
WORKDIR = "/app"
KEPT = 8  # images of one name; older ones go when a new one is made
SHELL = set("|&;<>()$`*?~\"'\\#\n")  # what makes a command one for the shell


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the store. `root` is its files, shown at `workdir`."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...] = ()
    workdir: str = WORKDIR
    env: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    venv: str = ""  # a virtual environment of the machine, whose programs come first on PATH
    stop_signal: str = ""


def source_hash(folder: Path) -> str:
    """A hash of everything in a folder that belongs into its image: names, contents, and what is executable."""
    digest = hashlib.sha256()
    for name in files(folder):
        path = folder / name
        if path.is_symlink():
            mark, data = b"l", os.fsencode(path.readlink())
        else:
            mark, data = (b"x" if os.access(path, os.X_OK) else b"f"), path.read_bytes()
        encoded = os.fsencode(name.as_posix())
        digest.update(b"%s %d %s %d " % (mark, len(encoded), encoded, len(data)))
        digest.update(data)
    return digest.hexdigest()


def build_image(
    store: Path,
    name: str,
    tag: str,
    source: Path,
    run: str | Sequence[str],
    env: Mapping[str, str],
    venv: str | None = None,
) -> Image:
    """Make the image `name:tag` of a folder of source, unless it is there. `run` is how it starts. Raises OSError."""
    place = _place(store, parse(f"{name}:{tag}"))
    found = load(place)
    if found:
        os.utime(place)
        return found
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    try:
        _copy(source, made / ROOTFS)
        image = {
            "entrypoint": command(run),
            "cmd": [],
            "workdir": WORKDIR,
            "env": dict(env),
            "root": ROOTFS,
            "venv": venv or _venv_of(source),
        }
        (made / "image.json").write_text(json.dumps(image, indent=2) + "\n")
        made.chmod(0o755)
        _move(made, place)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _forget_old(place.parent)
    result = load(place)
    assert result is not None
    return result


def command(run: str | Sequence[str]) -> list[str]:
    """A command line as words; one that needs a shell gets one, which hands its place to the command where it can."""
    if not isinstance(run, str):
        return list(run)
    if SHELL & set(run):
        try:
            words = shlex.split(run)
        except ValueError:
            words = []
        return words if words and not SHELL & set("".join(words)) else ["/bin/sh", "-c", run]
    return run.split()


def find(store: Path, reference: Reference) -> Image | None:
    return load(_place(store, reference))


def load(place: Path) -> Image | None:
    """The image in a folder; None when there is none."""
    try:
        data = json.loads((place / "image.json").read_text())
    except (OSError, ValueError):
        return None
    return Image(
        entrypoint=tuple(data.get("entrypoint") or ()),
        cmd=tuple(data.get("cmd") or ()),
        workdir=data.get("workdir") or WORKDIR,
        env=data.get("env") or {},
        root=place / data["root"] if data.get("root") else None,
        venv=data.get("venv") or "",
        stop_signal=data.get("stopSignal") or "",
    )


def _place(store: Path, reference: Reference) -> Path:
    parts = [*reference.repository.split("/"), reference.tag]
    if any(part in ("", ".", "..") for part in parts):
        raise OSError(f"{reference.repository}:{reference.tag} does not name an image")
    return store.joinpath(*parts)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(mode=0o755)
    taken = set()
    for name in files(source):
        taken.add(name.parts[0])
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name, follow_symlinks=False)
    modules = source / "node_modules"
    if modules.is_dir() and "node_modules" not in taken:
        (target / "node_modules").symlink_to(modules.resolve())  # no engine runs `npm install`: what is installed here is used


def _venv_of(source: Path) -> str:
    for name in (".venv", "venv"):
        if (source / name / "pyvenv.cfg").is_file():
            return str((source / name).resolve())
    return ""


def _move(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        if load(place) is None:  # something else than an image that was made meanwhile stands there
            raise


def _forget_old(repository: Path) -> None:
    made = [path for path in repository.iterdir() if (path / "image.json").is_file() and not path.name.startswith(".")]
    for old in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
