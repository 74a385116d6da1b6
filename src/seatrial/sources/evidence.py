"""The folder of evidence that a failed release leaves: its objects, events and logs as a world, so that a diagnosis needs no
cluster.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from seatrial.sources.dumps import tail
from seatrial.sources.files import EVIDENCE, content
from seatrial.sources.loaded import Gathering, Input
from seatrial.world.load import read
from seatrial.world.objects import Ref
from seatrial.world.world import LogKey

#: The versions of the folder that are read; `release` writes the last.
VERSIONS = ("seatrial.dev/evidence/v1",)
_LOG, _PREVIOUS = ".log", ".previous"


def load_evidence(folder: Path, gathering: Gathering) -> dict[LogKey, list[str]]:
    """The objects of the folder, added, and the logs of its containers."""
    said = _finding(folder, gathering)
    data = _inside(folder, "objects.yaml", gathering)
    found = read(data, str(folder / "objects.yaml")) if data is not None else None
    objects = found.objects if found else []
    gathering.problems += found.problems if found else []
    for obj, written in objects:
        gathering.add(obj, written)
    gathering.inputs.append(Input(str(folder), "evidence", len(objects)))
    missing = folder / "missing.txt"
    if missing.is_file():
        for line in tail(missing, folder).splitlines():
            gathering.problem(str(missing), f"the release could not read this: {line}", note=True)
    return _logs(folder, str(said.get("namespace") or ""), [(obj["kind"], obj["metadata"]) for obj, _ in objects])


def _finding(folder: Path, gathering: Gathering) -> dict[str, object]:
    data = _inside(folder, EVIDENCE, gathering)
    try:
        said = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError as error:
        gathering.problem(str(folder / EVIDENCE), f"this is no JSON: {error}")
        return {}
    version = said.get("version") if isinstance(said, dict) else None
    if version not in VERSIONS:
        hint = f"known are: {', '.join(VERSIONS)}; a newer seatrial may read it"
        gathering.problem(str(folder / EVIDENCE), f"this is evidence of version {version}, which is not known", hint, note=True)
    return said if isinstance(said, dict) else {}


def _logs(folder: Path, namespace: str, objects: list[tuple[str, dict[str, object]]]) -> dict[LogKey, list[str]]:
    """Files are called <pod>.<container>[.previous].log; names of pods may hold dots, so the pods that are there decide."""
    pods = {str(metadata.get("name")): str(metadata.get("namespace") or namespace) for kind, metadata in objects if kind == "Pod"}
    found: dict[LogKey, list[str]] = {}
    for path in sorted((folder / "logs").glob(f"*{_LOG}")):
        stem = path.name.removesuffix(_LOG)
        previous = stem.endswith(_PREVIOUS)
        pod, _, container = stem.removesuffix(_PREVIOUS).rpartition(".")
        if pod in pods:
            key = LogKey(Ref("", "Pod", pods[pod], pod), container, previous)
            found[key] = tail(path, folder).splitlines()
    return found


def _inside(folder: Path, name: str, gathering: Gathering) -> bytes | None:
    """A file of the folder; a link out of it is nothing that a release made."""
    path = folder / name
    if path.resolve().parent != folder.resolve():
        gathering.problem(str(path), "this leads out of the folder, as nothing does that a release saved: not read")
        return None
    return content(path, gathering)
