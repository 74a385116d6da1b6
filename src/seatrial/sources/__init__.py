"""Worlds from wherever they are: files, folders, charts, kustomizations, app files, evidence, a cluster.

`load` takes what a person gives on the command line and finds out what it is; `live` asks a cluster.  Nothing here judges: what
could not be read is in `Loaded.problems`, with file, line and column, and everything else is loaded.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seatrial.sources.apps import is_app, load_app
from seatrial.sources.charts import load_chart
from seatrial.sources.evidence import is_evidence, load_evidence
from seatrial.sources.files import APP, CHART, KUSTOMIZATIONS, load_bytes, load_file, plain, walk
from seatrial.sources.kustomizations import load_kustomizations
from seatrial.sources.live import live
from seatrial.sources.loaded import Gathering, Input, Loaded
from seatrial.world.world import LogKey

__all__ = ["Input", "Loaded", "live", "load"]

#: What standard input is called, as kubectl has it.
STDIN = "-"


def load(
    inputs: Sequence[str],
    *,
    values: Mapping[str, Any] | None = None,
    release: str = "",
    namespace: str = "",
    environments: Sequence[str] = (),
    stdin: Callable[[], bytes] | None = None,
) -> Loaded:
    """The worlds of some files, folders, charts, kustomizations, app files or evidence folders; `-` is standard input.

    `values` and `release` are for charts; `namespace` is given to objects that have none. `environments` chooses among those of
    an app file, of overlays and of a chart's values files; all are loaded where it is empty. `stdin` reads standard input.
    """
    with unhurried():
        return _load(inputs, Gathering(namespace), values, release, environments, stdin)


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
        elif path.name == APP or is_app(path):
            load_app(path, gathering, only=environments)
        elif path.name in KUSTOMIZATIONS:
            load_kustomizations([path.parent], gathering, only=environments)
        elif path.name.endswith((".tgz", ".tar.gz")):
            load_chart(path, gathering, values=values, release=release, only=environments)
        elif path.name == CHART:
            load_chart(path.parent, gathering, values=values, release=release, only=environments)
        else:
            objects = load_file(path, gathering, strict=True)
            gathering.inputs.append(Input(given, "file", objects))
    loaded = gathering.loaded()
    for world in loaded.worlds.values():
        world.logs.update(logs)
    return loaded


def _folder(
    folder: Path, gathering: Gathering, values: Mapping[str, Any] | None, release: str, only: Sequence[str]
) -> dict[LogKey, list[str]]:
    """A folder: evidence, or a tree with charts, kustomizations and apps in it."""
    if is_evidence(folder):
        return load_evidence(folder, gathering)
    tree = walk(folder, gathering)
    for chart in tree.charts:
        load_chart(chart, gathering, values=values, release=release, only=only)
    without = load_kustomizations(tree.kustomizations, gathering, only=only)
    for app in tree.apps:
        load_app(app, gathering, only=only)
    if tree.files:
        plain(tree, gathering, folder, without)
    logs: dict[LogKey, list[str]] = {}
    for evidence in tree.evidence:
        logs |= load_evidence(evidence, gathering)
    return logs
