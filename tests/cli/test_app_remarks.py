"""What works in an app file and is hardly meant is told once, by whichever verb reads the file, and never into its output."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import seatrial.app
import seatrial.rules.written
from seatrial.app import load
from seatrial.cli.check import command
from seatrial.cli.mistakes import noted
from seatrial.rules.finding import RULES
from seatrial.up.plan import read

#: Each of its three oddities is found by a rule as well, in what is rendered.
ODD = """\
app: shop
version: "1"
services:
  api:
    image: acme/api
    port: 8080
    metrics: /m
    runtime: jvm
    heap: 95%
    canary: [5, 50]
    expose: {host: a.example.com, path: /x, tls: true}
  web:
    image: acme/web
    port: 8080
    expose: {host: a.example.com, tls: false}
environments: {production: {}, staging: {}}
platform: {rollouts: argo-rollouts, monitoring: prometheus-operator, issuer: le, ingress: traefik}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seatrial.yaml").write_text(ODD)
    return tmp_path


def check(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


def test_an_oddity_that_a_rule_finds_too_is_told_by_the_rule_at_its_line(folder: Path) -> None:
    told = json.loads(check("-o", "json").stdout)
    assert [(one["rule"], one["evidence"][0]["source"], one["fix"]) for one in told["causes"] if one["severity"] != "note"] == [
        ("rollout-coarse", "seatrial.yaml:10", "A mesh, the Gateway API or nginx can give smaller shares."),
        ("heap-tight", "seatrial.yaml:9", "75% is safe."),
        ("ingress-tls-missing", "seatrial.yaml:15", "Give both the same `tls`."),
    ]
    assert "unread" not in told


def test_an_oddity_that_is_ignored_at_its_line_with_a_reason_is_not_told_again_as_a_remark(folder: Path) -> None:
    (folder / "seatrial.yaml").write_text(ODD.replace("95%", "95%  # seatrial: ignore[heap-tight] no threads at all"))
    result = check()
    assert "heap" not in result.stdout
    assert "1 ignored" in result.stdout


def test_an_oddity_that_no_rule_finds_stays_a_remark(folder: Path) -> None:
    (folder / "seatrial.yaml").write_text(ODD.replace("    runtime: jvm\n", ""))
    (remark,) = json.loads(check("-o", "json").stdout)["unread"]
    assert (remark["source"], remark["text"][:21]) == ("seatrial.yaml:8:11", "`api` has a `heap`, a")


def test_every_rule_that_an_app_file_speaks_for_is_one() -> None:
    said = {
        keyword.value.value
        for module in Path(seatrial.app.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "rule" and isinstance(keyword.value, ast.Constant)
    }
    assert said == {"rollout-coarse", "heap-tight", "ingress-tls-missing"}
    assert said <= RULES.keys()


def test_other_verbs_tell_the_first_remarks_in_a_line_each_and_how_many_more_there_are(folder: Path, capsys) -> None:
    (folder / "seatrial.yaml").write_text(ODD + "stores: {db: {redis: 7}, cache: {redis: 7}}\n")
    noted(read(folder, "production").remarks)
    shown = capsys.readouterr()
    assert [line[:22] for line in shown.err.splitlines()] == [
        *(f"note: {folder}"[:22] for _ in range(3)),
        "note: 2 more, and what",
    ]
    assert not shown.out


def test_what_is_odd_in_another_environment_is_not_told_here(folder: Path) -> None:
    remarks = read(folder, "staging").remarks
    assert {one.only for one in remarks} == {(), ("production", "staging")}
    assert {one.message for one in read(folder, "dev").remarks} < {one.message for one in load(folder).remarks}


def test_an_app_with_nothing_odd_in_it_is_told_without_a_note(capsys) -> None:
    noted(())
    assert capsys.readouterr().err == ""
