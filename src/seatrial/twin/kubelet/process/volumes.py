"""The volumes of a pod as folders: written at once and whole, as the kubelet does it, so that a reader never sees half a change.

A volume of files holds `..data`, a link to a folder with the present contents, and one link for every file through it;
a change makes a new folder and moves `..data` (pkg/volume/util/atomic_writer.go).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

from seatrial.twin.kubelet.process.shim.remove import remove
from seatrial.twin.kubelet.runtime import Volume

DATA = "..data"
SHARED = Path("/dev/shm")  # noqa: S108 - a file system in memory that every user may use


class Volumes:
    """The folders of volumes. `pods` and `memory` go with the pods, `claims` stay until the claim is deleted."""

    def __init__(self, pods: Path, memory: Path, claims: Path) -> None:
        self._pods, self._memory, self._claims = pods, memory, claims

    def folder(self, pod_uid: str, volume: Volume) -> Path:
        """Where a volume is, whether it is made or not. Raises OSError for a claim with a name that is no path here."""
        if volume.kind == "host":
            return Path(volume.path)
        if volume.kind == "claim":
            parts = PurePosixPath(volume.claim).parts
            if len(parts) != 2 or ".." in parts:
                raise OSError(f"{volume.claim!r} does not name a claim")
            return self._claims.joinpath(*parts)
        base = self._memory if volume.kind == "memory" else self._pods
        return base / pod_uid / "volumes" / volume.name

    def make(self, pod_uid: str, volume: Volume) -> Path:
        """Make a volume, or bring its files up to date. Raises OSError."""
        folder = self.folder(pod_uid, volume)
        if volume.kind == "host":
            if not folder.exists():
                raise FileNotFoundError(f"hostPath type check failed: {volume.path} is not there")
            return folder
        if volume.kind == "claim":
            self._claims.mkdir(parents=True, exist_ok=True)
            self._claims.chmod(0o700)  # what is in it is open to every user, as containers may be any; nobody else gets there
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o755)
            folder.chmod(0o755 if volume.kind == "files" else 0o777)
        if volume.kind == "files":
            write_files(folder, volume.files, volume.modes, volume.mode)
        return folder

    def remove_claim(self, claim: str) -> None:
        """The claim `<namespace>/<name>` was deleted, and its data go with it."""
        remove(str(self.folder("", Volume("", "claim", claim=claim))))


def write_files(folder: Path, files: Mapping[str, bytes], modes: Mapping[str, int], mode: int) -> bool:
    """Make the folder hold exactly these files, all at once; False when it does already."""
    if dict(_present(folder)) == {name: (data, modes.get(name, mode)) for name, data in files.items()}:
        return False
    new = Path(tempfile.mkdtemp(prefix=f"..{datetime.now():%Y_%m_%d_%H_%M_%S}.", dir=folder))
    new.chmod(0o755)
    for name, data in files.items():
        path = new / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(modes.get(name, mode))
    old = str((folder / DATA).readlink()) if (folder / DATA).is_symlink() else ""
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(new.name)
    link.rename(folder / DATA)
    _link_entries(folder, {PurePosixPath(name).parts[0] for name in files})
    if old:
        remove(str(folder / old))
    return True


def _link_entries(folder: Path, wanted: set[str]) -> None:
    for entry in list(folder.iterdir()):
        if not entry.name.startswith("..") and entry.name not in wanted:
            remove(str(entry))
    for name in wanted:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")


def _present(folder: Path) -> Iterator[tuple[str, tuple[bytes, int]]]:
    data = (folder / DATA).resolve()
    for path in data.rglob("*") if (folder / DATA).is_symlink() else ():
        if path.is_file():
            yield str(path.relative_to(data)), (path.read_bytes(), path.stat().st_mode & 0o7777)


def inside(folder: Path, sub_path: str) -> Path:
    """The path of a subPath in a volume, a new folder where there is nothing. Raises OSError when it leads out of the volume."""
    path = folder / sub_path
    if sub_path.startswith("/") or ".." in PurePosixPath(sub_path).parts:
        raise OSError(f"subPath {sub_path!r} must be a relative path without '..'")
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o777)
    actual = path.resolve()
    if not actual.is_relative_to(folder.resolve()):
        raise OSError(f"subPath {sub_path!r} leads out of its volume")
    return actual
