"""Folders as they should not be: links in circles, pipes, what is broken in the middle. It is told, and all else is read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from seatrial.sources import load
from seatrial.sources.loaded import Loaded

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good, namespace: shop}\n"


def tree(folder: Path, **files: str) -> str:
    for name, text in {"good": GOOD, **files}.items():
        (folder / name.replace("__", "/").replace("_", ".")).parent.mkdir(parents=True, exist_ok=True)
        (folder / (f"{name}.yaml" if name == "good" else name.replace("__", "/").replace("_", "."))).write_text(text)
    return str(folder)


def names(loaded: Loaded) -> set[str]:
    return {ref.name for ref in loaded.world.refs()}


def test_links_in_a_circle_and_to_nowhere_are_passed(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    (tmp_path / "itself.yaml").symlink_to("itself.yaml")
    (tmp_path / "above").symlink_to(tmp_path)
    (tmp_path / "nowhere.yaml").symlink_to("/nowhere")
    loaded = load([folder])
    assert names(loaded) == {"good"}
    assert len(loaded.problems) == 2


@pytest.mark.parametrize("name", ["Chart.yaml", "kustomization.yaml", "seatrial.yaml", "finding.json", "a.yaml"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_makes_a_folder_nothing_special(tmp_path: Path, name: str, make: object) -> None:
    folder = tree(tmp_path)
    assert callable(make)
    make(tmp_path / name)
    loaded = load([folder])
    assert names(loaded) == {"good"}
    assert not [one for one in loaded.problems if one.severity == "error"]


def test_a_pipe_that_was_given_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=(GOOD,))
    writing.start()
    assert names(load([str(pipe)])) == {"good"}
    writing.join()


def test_what_was_given_and_is_no_file_is_an_error(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.yaml"))
        (problem,) = load([str(tmp_path / "s.yaml")]).problems
    assert (problem.text, problem.severity) == ("this is no plain file", "error")


@pytest.mark.parametrize("text", ["a: [b\n", "5\n", "- a\n", "", "\0"])
def test_beside_a_kustomization_that_is_broken_everything_is_read(tmp_path: Path, text: str) -> None:
    loaded = load([tree(tmp_path, kustomization_yaml=text)])
    assert names(loaded) == {"good"}
    assert [Path(one.file).name for one in loaded.problems if one.severity == "error"] == ["kustomization.yaml"]


TEMPLATES = {
    "templates__plain_yaml": GOOD.replace("good", "plain"),
    "templates__made_yaml": GOOD.replace("good", "{{ .Values.name }}"),
    "crds__crd_yaml": GOOD.replace("good", "crd"),
}


@pytest.mark.parametrize("about", ["a: [b\n", "5\n", "\0"])
def test_of_a_chart_that_is_broken_what_needs_no_rendering_is_read(tmp_path: Path, about: str) -> None:
    loaded = load([tree(tmp_path, Chart_yaml=about, **TEMPLATES)])
    assert names(loaded) == {"plain", "crd"}
    assert [Path(one.file).name for one in loaded.problems] == ["Chart.yaml"]


def test_a_file_that_is_given_twice_is_not_written_twice(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    loaded = load([folder, f"{folder}/good.yaml", f"{folder}/../{tmp_path.name}"])
    assert names(loaded) == {"good"}
    assert not loaded.duplicates
