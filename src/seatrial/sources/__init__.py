"""Worlds from wherever they are: files, folders, charts, kustomizations, app files, evidence, a cluster.

`load` takes what a person gives on the command line and finds out what it is; `live.live` asks a cluster.  Nothing here judges:
what could not be read is in `Loaded.problems`, with file, line and column, and everything else is loaded.  What reads a kind of
source is imported when there is one: a folder of plain manifests needs none of them.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seatrial.sources.files import APP, CHART, KUSTOMIZATIONS, is_app, is_evidence, load_bytes, load_file, plain, walk
from seatrial.sources.loaded import Gathering, Input, Loaded
from seatrial.world.load.problems import Problem
from seatrial.world.world import LogKey

__all__ = ["Input", "Loaded", "load"]

#: What standard input is called, as kubectl has it.
STDIN = "-"


def load(
    inputs: Sequence[str],
    *,
    values: Mapping[str, Any] | None = None,
    release: str = "",
    namespace: str = "",
    version: str = "",
    environments: Sequence[str] = (),
    stdin: Callable[[], bytes] | None = None,
) -> Loaded:
    """The worlds of some files, folders, charts, kustomizations, app files or evidence folders; `-` is standard input.

    `values`, `release` and `version` (of Kubernetes) are for charts; `namespace` is given to objects that have none.
    `environments` chooses among those of an app file, of overlays and of a chart's values files; all are loaded where it is
    empty. `stdin` reads standard input.
    """
    with unhurried():
        return _load(inputs, Gathering(namespace, version), values, release, environments, stdin)


@contextmanager
def unhurried() -> Iterator[None]:
    """No search for garbage while objects come by the hundred thousand: none of them is any, and each search looks at all."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _load(
    inputs: Sequence[str],
    gathering: Gathering,
    values: Mapping[str, Any] | None,
    release: str,
    environments: Sequence[str],
    stdin: Callable[[], bytes] | None,
) -> Loaded:
    logs: dict[LogKey, list[str]] = {}
    for given in dict.fromkeys(inputs):
        if given == STDIN:
            data = stdin() if stdin else sys.stdin.buffer.read()
            objects = load_bytes(data, "stdin", gathering, strict=True)
            gathering.inputs.append(Input("stdin", "stdin", objects))
            continue
        path = Path(given)
        if path.is_dir():
            logs |= _folder(path, gathering, values, release, environments)
        elif (path.name == APP and path.is_file()) or is_app(path):
            _apps([path], gathering, environments)
        elif path.name in KUSTOMIZATIONS:
            _kustomizations([path.parent], gathering, environments)
        elif path.name.endswith((".tgz", ".tar.gz")):
            _charts([path], gathering, values, release, environments)
        elif path.name == CHART:
            _charts([path.parent], gathering, values, release, environments)
        else:
            objects = load_file(path, gathering, strict=True)
            gathering.inputs.append(Input(given, "file", objects))
    gathering.problems += _unknown(environments, gathering.known, ", ".join(inputs))
    loaded = gathering.loaded()
    for world in loaded.worlds.values():
        world.logs.update(logs)
    return loaded


def _unknown(environments: Sequence[str], known: Collection[str], of: str) -> Iterator[Problem]:
    """Environments that were asked for and nobody has, where somebody has some: less is read than was meant."""
    import difflib

    for name in environments:
        if known and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known))}"
            yield Problem(of, 0, 0, f"there is no environment {name!r} here", hint)


def _folder(
    folder: Path, gathering: Gathering, values: Mapping[str, Any] | None, release: str, only: Sequence[str]
) -> dict[LogKey, list[str]]:
    """A folder: evidence, or a tree with charts, kustomizations and apps in it."""
    if is_evidence(folder):
        return _evidence([folder], gathering)
    tree = walk(folder, gathering)
    _charts(tree.charts, gathering, values, release, only)
    without = _kustomizations(tree.kustomizations, gathering, only)
    _apps(tree.apps, gathering, only)
    if tree.files:
        plain(tree, gathering, folder, without)
    return _evidence(tree.evidence, gathering)


def _charts(
    charts: Sequence[Path], gathering: Gathering, values: Mapping[str, Any] | None, release: str, only: Sequence[str]
) -> None:
    if charts:
        from seatrial.sources.charts import load_chart

        for chart in charts:
            load_chart(chart, gathering, values=values, release=release, only=only)


def _kustomizations(folders: Sequence[Path], gathering: Gathering, only: Sequence[str]) -> set[Path]:
    if not folders:
        return set()
    from seatrial.sources.kustomizations import load_kustomizations

    return load_kustomizations(folders, gathering, only=only)


def _apps(apps: Sequence[Path], gathering: Gathering, only: Sequence[str]) -> None:
    if apps:
        from seatrial.sources.apps import load_app

        for app in apps:
            load_app(app, gathering, only=only)


def _evidence(folders: Sequence[Path], gathering: Gathering) -> dict[LogKey, list[str]]:
    logs: dict[LogKey, list[str]] = {}
    if folders:
        from seatrial.sources.evidence import load_evidence

        for folder in folders:
            logs |= load_evidence(folder, gathering)
    return logs
