"""Programs that do not end are ended, with what they started, and told."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
from pathlib import Path

import pytest

from seatrial.cluster.helm import Helm
from seatrial.sources import load
from seatrial.sources.asked import run

#: A program that starts another, which keeps its output open.
HANGS = "#!/bin/sh\nsleep 600 &\necho $! > {}\nwait\n"


def hanging(path: Path) -> Path:
    """Such a program; the file beside it gets the number of what it started."""
    path.write_text(HANGS.format(path.with_suffix(".pid")))
    path.chmod(0o700)
    return path


def is_gone(program: Path) -> bool:
    """Whether what a program started ends; it was told to, which takes the kernel a moment."""
    try:
        ending = os.pidfd_open(int(program.with_suffix(".pid").read_text()))
    except (FileNotFoundError, ProcessLookupError):
        return True
    ended, _, _ = select.select([ending], [], [], 30)
    os.close(ending)
    return bool(ended)


def test_a_program_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    program = hanging(tmp_path / "kubectl")
    with pytest.raises(subprocess.TimeoutExpired):
        run([str(program)], patience=1.5)
    assert is_gone(program)


def test_a_chart_on_which_Helm_hangs_is_told_and_the_rest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = hanging(tmp_path / "helm")
    monkeypatch.setattr("seatrial.cluster.helm.binary", lambda: str(program))
    monkeypatch.setattr("seatrial.cluster.helm.RENDERING", 1.5)
    chart = tmp_path / "all" / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 1.0.0\n")
    (tmp_path / "all" / "good.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n")
    loaded = load([str(tmp_path / "all")])
    (problem,) = loaded.problems
    assert problem.text == "this chart cannot be rendered: it did not end within 2 s"
    assert {ref.name for ref in loaded.world.refs()} == {"good"}
    assert is_gone(program)


def test_Helm_that_is_interrupted_while_it_renders_is_ended_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = hanging(tmp_path / "helm")
    monkeypatch.setattr("seatrial.cluster.helm.binary", lambda: str(program))
    os.mkfifo(program.with_suffix(".pid"))  # written when it runs, and read here until then

    async def interrupted() -> int:
        rendering = asyncio.ensure_future(Helm().template("shop", tmp_path, "shop"))
        number = await asyncio.to_thread(program.with_suffix(".pid").read_text)
        rendering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rendering
        return int(number)

    number = asyncio.run(interrupted())
    program.with_suffix(".pid").unlink()
    program.with_suffix(".pid").write_text(str(number))
    assert is_gone(program)


def test_a_Helm_that_cannot_say_its_version_is_none(tmp_path: Path) -> None:
    from seatrial.cluster.helm import _version

    assert _version(str(tmp_path / "nowhere")) == (0, 0)
