"""The command as a whole with input, output and signals that are none: words and an exit code, never a stack trace."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.cli import seatrial

BROKEN = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: a, image: "a:1"}]}
"""


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """The command looks for no garbage until its process ends; this process goes on."""
    yield
    gc.enable()


def folder(path: Path) -> Path:
    """A good manifest with a fault, and much that cannot be read beside it."""
    files = {
        "deploy.yaml": BROKEN.encode(),
        "tab.yaml": b"apiVersion: v1\nkind: A\nmetadata:\n\tname: x\n",
        "latin.yaml": b"apiVersion: v1\nkind: A\nmetadata: {name: \xe9}\n",
        "odd\udcff\n\x1b[31m.yaml": b"kind: A\napiVersion: [\n",
    }
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def run(*arguments: str, at: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "1"}
    command = [sys.executable, "-m", "seatrial", *arguments]
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command, cwd=at, env=environment, check=False, **settings)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("output", ["json", "sarif", "text"])
def test_names_and_texts_that_no_terminal_can_show_are_shown_all_the_same(tmp_path: Path, output: str) -> None:
    done = run("check", "-o", output, ".", at=folder(tmp_path))
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"does not select its own pods" in done.stdout
    if output == "json":
        told = {Path(one["source"].partition(":")[0]).name for one in json.loads(done.stdout)["unread"]}
        assert {"tab.yaml", "latin.yaml"} < told
    if output == "text":
        assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("verb", ["check", "graph"])
def test_a_disk_that_is_full_is_told_in_words(tmp_path: Path, verb: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(verb, ".", at=folder(tmp_path), stdout=full)
    assert done.returncode == 2
    assert done.stderr.endswith(b"Error: the output cannot be written: No space left on device\n")


def test_streams_that_are_closed_lead_nowhere(tmp_path: Path) -> None:
    def closed() -> None:
        os.close(0)
        os.close(1)

    done = run("check", "-", "deploy.yaml", at=folder(tmp_path), stdout=None, preexec_fn=closed)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("path", ["", "nowhere.yaml", "x" * 5000])
@pytest.mark.parametrize("verb", ["check", "diagnose", "graph"])
def test_a_path_that_is_none_is_a_mistake_in_the_command(verb: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        seatrial.main([verb, path], prog_name="seatrial")
    assert end.value.code == 2
    assert "Error: " in capsys.readouterr().err


def test_an_interrupt_ends_with_130_and_in_a_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted:
        class buffer:
            @staticmethod
            def read() -> bytes:
                signal.raise_signal(signal.SIGINT)
                return b""

    monkeypatch.setattr("sys.stdin", Interrupted)
    with pytest.raises(SystemExit) as end:
        seatrial.main(["graph", "-"], prog_name="seatrial")
    assert (end.value.code, capsys.readouterr().err) == (130, "\nInterrupted.\n")
