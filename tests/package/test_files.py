"""A tree of files is written whole, inside its folder, and what changed is said."""

import os

import pytest

from seatrial.package.files import MANIFEST, ForeignFilesError, UnsafePathError, is_private, replace, write


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


SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: api\nstringData:\n  KEY: one\n"


def test_a_file_with_a_secret_in_it_is_its_owners_alone_also_where_it_was_not(tmp_path):
    (tmp_path / "secret.yaml").write_text(SECRET)
    (tmp_path / "secret.yaml").chmod(0o644)
    write({"secret.yaml": SECRET, "new.yaml": f"kind: ConfigMap\n---\n{SECRET}", "open.yaml": "kind: ConfigMap\n"}, tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert (modes["secret.yaml"], modes["new.yaml"]) == (0o600, 0o600)
    assert modes["open.yaml"] & 0o044, "who may read other files is left to the umask"


@pytest.mark.parametrize(
    "text",
    [
        f"{SECRET}sops:\n  mac: ENC[]\n",
        'kind: Secret\nstringData:\n  KEY: {{ required "it has no value" .Values.x | quote }}\n',
        "kind: ConfigMap\ndata:\n  KEY: 'kind: Secret'\n",
        "kind: SecretStore\nspec: {}\n",
    ],
)
def test_a_secret_that_is_encrypted_or_not_there_yet_is_for_everybody(text):
    assert not is_private(text)


def test_a_file_that_somebody_else_wrote_is_not_written_over_and_then_nothing_is_written(tmp_path):
    (tmp_path / "values.yaml").write_text("mine")
    with pytest.raises(ForeignFilesError, match=r"values\.yaml"):
        replace({"values.yaml": "ours", "Chart.yaml": "ours"}, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"values.yaml": "mine"}


def test_what_an_earlier_call_wrote_is_written_over_or_removed_and_nothing_else(tmp_path):
    replace({"a/old.yaml": "1", "values.yaml": "1"}, tmp_path)
    (tmp_path / "a/mine.yaml").write_text("mine")
    assert replace({"values.yaml": "2"}, tmp_path).removed == ["a/old.yaml"]
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"values.yaml": "2", "a/mine.yaml": "mine", MANIFEST: "values.yaml\n"}


def test_a_readme_of_somebody_else_stays_and_hinders_nothing(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    replace({"README.md": "ours", "values.yaml": "1"}, tmp_path)
    replace({"README.md": "ours", "values.yaml": "2"}, tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / "values.yaml").read_text() == "2"


def test_a_folder_that_is_a_link_is_written_through(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    replace({"a.yaml": "1"}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/a.yaml").read_text() == "1"
