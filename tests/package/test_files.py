"""A tree of files is written whole, inside its folder, and what changed is said."""

import os

import pytest

from seatrial.package.files import UnsafePathError, write


def test_what_was_created_changed_and_left_alone_is_said(tmp_path):
    first = write({"a.yaml": "1", "b/c.yaml": "2"}, tmp_path / "out")
    assert (first.created, first.changed, first.unchanged) == (["a.yaml", "b/c.yaml"], [], [])
    second = write({"a.yaml": "1", "b/c.yaml": "3"}, tmp_path / "out")
    assert (second.created, second.changed, second.unchanged) == ([], ["b/c.yaml"], ["a.yaml"])
    assert (tmp_path / "out/b/c.yaml").read_text() == "3"


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "", ".", "a\\..\\x", "a\0b"])
def test_a_path_that_leaves_the_folder_is_refused_before_anything_is_written(tmp_path, path):
    with pytest.raises(UnsafePathError):
        write({"good.yaml": "1", path: "2"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_path_that_leaves_through_a_link_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePathError):
        write({"link/x": "1"}, tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_that_cannot_be_replaced_stays_whole_and_leaves_no_scratch(tmp_path, monkeypatch):
    write({"a": "old"}, tmp_path)

    def fail(*_):
        raise OSError("no room")

    monkeypatch.setattr(os, "fdopen", fail)
    with pytest.raises(OSError, match="no room"):
        write({"a": "new"}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_the_mode_of_a_file_is_kept(tmp_path):
    write({"a": "1"}, tmp_path)
    (tmp_path / "a").chmod(0o640)
    write({"a": "2"}, tmp_path)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
