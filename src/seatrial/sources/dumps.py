"""Logs in folders that other tools save of a cluster: `kubectl cluster-info dump`, support bundles, must-gather.

Their objects are lists in JSON or YAML, and read as any other file.  Which log is whose, each tool says in its own way; all of
them name the pod and the container in the path, so the pods that were read decide.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from seatrial.world.objects import Obj, name_of, namespace_of, ref_of
from seatrial.world.world import LogKey, World

#: So many files of logs are read at most, and of each so many bytes from its end.
FILES, BYTES = 2000, 1 << 18
#: `cluster-info dump` writes all containers of a pod into one file.
_PART = re.compile(r"^==== START logs for container (\S+) of pod \S+ ====$", re.MULTILINE)
_OVER = re.compile(r"^==== END logs for container \S+ of pod \S+ ====$", re.MULTILINE)
_ENDINGS, _PREVIOUS = (".log", "logs.txt"), re.compile(r"[-._/]previous(?=\.log$|[-._])|(?<=/)previous(?=\.log$)")


def logs_below(folder: Path, world: World) -> dict[LogKey, list[str]]:
    """The ends of the logs below a folder that are of containers of the world's pods; none from outside of the folder."""
    pods: dict[str, list[Obj]] = {}
    for pod in world.of("Pod"):
        pods.setdefault(name_of(pod), []).append(pod)
    found: dict[LogKey, list[str]] = {}
    for path in list(_files(folder))[:FILES] if pods else ():
        inside = path.relative_to(folder).as_posix()
        owner = _pod(inside, pods)
        if owner is not None:
            for container, part in _parts(inside.replace(name_of(owner), ""), tail(path, folder), _containers(owner)):
                found[LogKey(ref_of(owner), container, bool(_PREVIOUS.search(inside)))] = part.splitlines()
    return found


def tail(path: Path, folder: Path) -> str:
    """The end of a file; nothing of one that cannot be read, is no plain file, or lies outside of the folder."""
    try:
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            return ""
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - BYTES))
            data = file.read(BYTES)
    except OSError:
        return ""
    return (data if size <= BYTES else data.partition(b"\n")[2]).decode(errors="replace")


def _files(folder: Path) -> Iterator[Path]:
    for at, _, names in os.walk(folder):
        yield from (Path(at, name) for name in sorted(names) if name.endswith(_ENDINGS))


def _pod(inside: str, pods: dict[str, list[Obj]]) -> Obj | None:
    """The pod that a path names as one of its parts, or at the beginning of its last; of one name in several namespaces that of
    the namespace in the path.
    """
    parts = re.split(r"[/]", inside)
    words = [*parts, *(word for part in parts for word in re.split(r"[._]", part))]
    named = next((pods[word] for word in reversed(words) if word in pods), None)
    if named is None:
        stem = max((name for name in pods if parts[-1].startswith((f"{name}-", f"{name}."))), key=len, default="")
        named = pods.get(stem, [])
    fitting = [pod for pod in named if namespace_of(pod) in words] or named
    return fitting[0] if len(fitting) == 1 else None


def _containers(pod: Obj) -> list[str]:
    spec = pod.get("spec")
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())] if isinstance(spec, dict) else []
    return [str(one["name"]) for one in listed if isinstance(one, dict) and one.get("name")]


def _parts(inside: str, text: str, containers: list[str]) -> Iterable[tuple[str, str]]:
    """The containers that a file is of, with what they said."""
    marks = list(_PART.finditer(text))
    if marks:
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        return [(mark[1], _OVER.split(text[mark.end() : end])[0].strip("\n")) for mark, end in zip(marks, ends, strict=True)]
    words = _PREVIOUS.sub("", inside).removesuffix(".log")
    named = [one for one in containers if re.search(rf"(?:^|[-._/]){re.escape(one)}(?:$|[-._/])", words)]
    nearest = max(named, key=lambda one: (words.rfind(one) + len(one), len(one)), default="")
    only = nearest or (containers[0] if len(containers) == 1 else "")
    return [(only, text)] if only and text else []
