"""The verbs around a release on the command line: what is a mistake there is told before any cluster is asked."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from seatrial.cli import seatrial
from seatrial.cli.errors import reported
from seatrial.cli.source import flags, paths_and_numbers
from seatrial.cluster.client import ClusterError

#: A cluster that is never there.
KUBECONFIG = """\
{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
 clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}], users: [{name: u, user: {token: t}}]}
"""
CHART = ["-n", "shop", "--release-name", "web"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(seatrial, list(words))
        return done.exit_code, done.output

    return call


@pytest.mark.parametrize("verb", ["release", "diff", "status", "history", "rollback"])
def test_the_help_of_a_verb_teaches_by_example(run, verb):
    code, said = run(verb, "--help")
    assert code == 0
    assert "Examples:" in said
    assert f"seatrial {verb}" in said
    for option in ("--environment", "--namespace", "--release-name", "--context", "--kubeconfig", "--output"):
        assert option in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["release", *CHART, "--chart-path", "x"], "there is no terminal to ask on: say --yes, or --dry-run to look first"),
        (["rollback", *CHART], "there is no terminal to ask on"),
        (
            ["release", *CHART, "--chart-path", "x", "--yes", "--on-failure", "ask"],
            "needs a terminal to ask on: say rollback or keep",
        ),
        (["release", *CHART, "--chart-path", "x", "--yes"], "--chart-path x: there is no such chart"),
        (["diff", "--chart-path", "x"], "say --namespace and --release-name"),
        (["diff", *CHART, "--chart-path", "app"], "this is an app file's folder"),
        (["diff", *CHART, "--chart-path", "empty"], "there is no Chart.yaml in it"),
        (["diff", *CHART, "--chart-path", "x", "--set", "a"], "--set a: give it a value"),
        (["status"], "which release? There is no app file at .: name its folder, or say --release-name and --namespace"),
        (["rollback", "1", "2", *CHART, "--yes"], "one revision and one app file at most, not 1 2"),
        (["history", *CHART, "--context", "nowhere"], "there is no context 'nowhere'"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(run, tmp_path, words, told):
    for folder, file in (("app", "seatrial.yaml"), ("empty", "note.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("app: x\n")
    code, said = run(*words)
    assert code == 2, said
    assert told in " ".join(said.split())


def test_a_path_and_a_revision_come_in_any_order():
    assert [str(part) for part in paths_and_numbers(["3", "apps/shop"])] == ["apps/shop", "3"]
    assert [str(part) for part in paths_and_numbers(["apps/shop", "3"])] == ["apps/shop", "3"]
    assert paths_and_numbers([])[1] is None
    with pytest.raises(click.UsageError):
        paths_and_numbers(["a", "b"])


def test_the_options_that_lead_to_the_same_cluster_are_said_again():
    assert flags(None, None) == ""
    assert flags("prod", None) == " --context prod"


@pytest.mark.parametrize(("code", "ends"), [(0, 50), (401, 10), (403, 10), (503, 50)])
def test_who_may_not_is_not_told_that_the_cluster_is_out_of_reach(capsys, code, ends):
    error = ClusterError("listing secrets in shop: secrets is forbidden")
    error.code = code
    with pytest.raises(SystemExit) as end, reported():
        raise error
    assert end.value.code == ends
    assert "secrets is forbidden" in capsys.readouterr().err
