"""Makes a team's own code runnable without a container engine: a snapshot of the source, its command, and its Python packages.

The snapshot's hash is the image's tag, so that a changed file is a new image and rolls the pods, and an unchanged one
is the same image and rolls nothing.  Nothing is built for services that name no `run:`; those need an engine, or are simulated.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = "requirements.txt"


class ImageError(Exception):
    """A service's code could not be made runnable; the message says why, in the words of the tool that refused."""


@dataclass(frozen=True, slots=True)
class Source:
    """One service of the app file that runs from source."""

    service: str
    image: str  # localhost/<app>-<service>
    folder: Path
    run: tuple[str, ...]


async def build(sources: list[Source], store: Path, environments: Path) -> Mapping[str, str]:
    """The image of each service, `localhost/shop-api:src-<hash>`, made if it is not there. Raises ImageError."""
    built = await asyncio.gather(*(_build(source, store, environments) for source in sources))
    return {source.service: image for source, image in zip(sources, built, strict=True)}


async def _build(source: Source, store: Path, environments: Path) -> str:
    from seatrial.twin.kubelet.process.images import build_image, source_hash

    if not source.folder.is_dir():
        raise ImageError(f"service {source.service!r}: build: {source.folder} is not a folder")
    python = await _environment(source, environments)
    fingerprint = hashlib.sha256(f"{source_hash(source.folder)} {source.run} {python}".encode()).hexdigest()
    tag = f"src-{fingerprint[:12]}"
    build_image(store, source.image, tag, source.folder, list(source.run), {}, venv=str(python) if python else None)
    return f"{source.image}:{tag}"


async def _environment(source: Source, environments: Path) -> Path | None:
    """The virtual environment with what the service's requirements.txt names, made once for each content; None without one."""
    requirements = source.folder / REQUIREMENTS
    if not requirements.is_file():
        return None
    key = hashlib.sha256(f"{sys.version} {requirements.read_text()}".encode()).hexdigest()[:16]
    path = environments / key
    environments.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (environments / f"{key}.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not (path / "complete").exists():
            await _make_environment(source, requirements, path)
    return path


async def _make_environment(source: Source, requirements: Path, path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    pip = await asyncio.to_thread(_pip)
    await asyncio.to_thread(venv.create, path, with_pip=pip is None, symlinks=True)
    python = str(path / "bin" / "python")
    command = [*(pip or [python, "-m", "pip"]), "--python", python, "--disable-pip-version-check", "install", "-q"]
    child = await asyncio.create_subprocess_exec(
        *command,
        "-r",
        str(requirements),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = await child.communicate()
    except asyncio.CancelledError:
        child.kill()
        await child.wait()
        raise
    if child.returncode:
        shutil.rmtree(path, ignore_errors=True)
        end = "\n".join(said.decode(errors="replace").strip().splitlines()[-12:])
        raise ImageError(f"service {source.service!r}: installing {requirements} failed:\n{end}")
    (path / "complete").touch()


def _pip() -> list[str] | None:
    """A pip that can install into another environment: Seatrial's own, or that of the Python it was made from."""
    for python in dict.fromkeys((sys.executable, getattr(sys, "_base_executable", sys.executable))):
        command = [python, "-m", "pip"]
        if subprocess.run([*command, "--python", python, "--version"], capture_output=True, check=False).returncode == 0:  # noqa: S603
            return command
    return None
