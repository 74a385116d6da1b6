"""Releases that do not end by themselves: interrupted, killed, taken up by another process, rolled back by a person."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tools
from seatrial.cli import seatrial
from seatrial.cluster import helm

CHART = Path(__file__).parent.parent / "release" / "data" / "backend"

pytestmark = pytest.mark.xdist_group("release")


@pytest.fixture(scope="module")
def cluster(start_twin):
    twin = start_twin("taken-up", "--simulate", "--nodes", "2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helm, "binary", lambda: tools.helm())
        yield twin


class Seatrial:
    """The command line against a cluster, in one namespace."""

    def __init__(self, cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def command(self, verb: str, *options: str) -> list[str]:
        chart = ["--chart-path", str(CHART)] if verb in ("release", "diff") else []
        yes = ["--yes"] if verb in ("release", "rollback") else []
        place = ["--kubeconfig", self.cluster.running.kubeconfig, "-o", "json", "-n", self.namespace, "--release-name", "backend"]
        return [sys.executable, "-m", "seatrial", verb, *place, *chart, *yes, *options]

    def __call__(self, verb: str, *options: str) -> tuple[int, list[dict[str, Any]]]:
        """Run in this process, which is quicker; the documents that were told."""
        evidence = ["--evidence", str(self._folder / "evidence")] if verb == "release" else []
        done = CliRunner().invoke(seatrial, [*self.command(verb, *options)[3:], *evidence])
        assert done.stdout, done.output
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]

    @contextmanager
    def started(self, verb: str, *options: str) -> Iterator[Started]:
        environment = {**self.cluster.environment, "TMPDIR": str(self._folder)}  # what is killed leaves its folder there
        process = subprocess.Popen(
            self.command(verb, *options), stdout=subprocess.PIPE, text=True, env=environment, cwd=self._folder
        )
        try:
            yield Started(process)
        finally:
            process.kill()
            process.wait()

    @property
    def _folder(self) -> Path:
        return self.cluster.home.kubeconfig.parent


class Started:
    """A command that runs, and the events it has told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.events = process, list[dict[str, Any]]()

    def until(self, **wanted: str) -> None:
        for line in self.process.stdout or ():
            self.events.append(json.loads(line))
            if all(self.events[-1].get(key) == value for key, value in wanted.items()):
                return
        raise AssertionError(f"it never told {wanted}: {self.events[-1:]}")

    def end(self) -> tuple[int, dict[str, Any]]:
        for line in self.process.stdout or ():
            self.events.append(json.loads(line))
        return self.process.wait(), self.events[-1]


def test_interrupted_in_a_hook_it_names_its_state_and_the_next_release_goes_on(cluster):
    run = Seatrial(cluster, "hook")
    with run.started("release", "--set", "hook=exits_after=600s") as release:
        release.until(kind="hook", state="started")
        release.process.send_signal(signal.SIGINT)
        code, result = release.end()
    assert (code, result["reason"]) == (40, "Interrupted")
    assert result["text"] == "interrupted by SIGINT in apply; revision 1 is left failed"
    assert cluster.kubectl("-n", "hook", "get", "leases", "-o", "name") == ""
    assert run("status")[1][0]["status"] == "failed"

    code, events = run("release")
    assert (code, events[-1]["reason"], events[-1]["revision"]) == (0, "Released", 2)


def test_another_process_follows_a_release_to_its_verdict(cluster):
    run = Seatrial(cluster, "followed")
    with run.started("release", "--set", "replicas=1,gate=example.com/go") as release:
        release.until(kind="phase", phase="watch", state="started")
        code, found = run("status")
        assert (code, found[0]["lock"]["phase"], found[0]["workloads"][0]["ready"]) == (1, "watch", 0)
        code, events = run("release")
        assert (code, events[-1]["reason"]) == (10, "Locked")
        with run.started("release", "--wait-for-lock", "5m") as second, run.started("status", "--watch") as status:
            second.until(kind="lock", state="waiting")
            status.until(kind="tree")
            assert [event["state"] for event in status.events if event["kind"] == "lock"] == ["followed"]
            pod = cluster.kubectl("-n", "followed", "get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
            go = {"status": {"conditions": [{"type": "example.com/go", "status": "True"}]}}
            cluster.kubectl("-n", "followed", "patch", "pod", pod, "--subresource", "status", "-p", json.dumps(go))
            code, result = status.end()
            assert (code, result["reason"]) == (0, "Released")
            assert release.end()[0] == 0
            code, result = second.end()
            assert (code, result["reason"], result["revision"]) == (0, "Released", 2)
    assert run("status")[0] == 0


def test_the_next_release_takes_over_from_one_that_was_killed(cluster):
    run = Seatrial(cluster, "killed")
    with run.started("release", "--set", "hook=exits_after=600s") as release:
        release.until(kind="hook", state="started")
        os.killpg(_helm(release.process.pid), signal.SIGKILL)
        release.process.kill()
        release.process.wait()
    code, found = run("status")
    assert (code, found[0]["status"], found[0]["lock"]["alive"]) == (1, "pending-install", False)
    code, events = run("status", "--watch")
    assert (code, events[-1]["reason"]) == (40, "PendingRelease")

    code, events = run("release")
    assert (code, events[-1]["reason"]) == (10, "PendingRelease")
    code, events = run("release", "--recover")
    assert (code, events[-1]["reason"]) == (0, "Released")
    assert any("took over the lock" in event["text"] for event in events if event["kind"] == "warning")


def _helm(parent: int) -> int:
    """The process group of the Helm that a release has started."""
    import psutil

    return next(os.getpgid(child.pid) for child in psutil.Process(parent).children() if "helm" in child.name())


def test_a_person_rolls_back_and_the_history_says_so(cluster):
    run = Seatrial(cluster, "back")
    assert run("rollback")[1][-1]["reason"] == "Usage"
    for options in ((), ("--set", "message=hi"), ("--set", "message=ho,schema=2.0")):
        assert run("release", *options)[0] == 0

    code, events = run("rollback", "--dry-run")
    (plan,) = [event for event in events if event["kind"] == "plan"]
    assert (code, events[-1]["reason"]) == (0, "DryRun")
    assert [(c["ref"]["kind"], [(f["before"], f["after"]) for f in c["fields"]]) for c in plan["changes"]] == [
        ("ConfigMap", [("ho", "hi")])
    ]
    assert [(e["rule"], e["severity"]) for e in events if e["kind"] == "finding"] == [("rollback-migration", "warning")]

    code, events = run("rollback", "1")
    assert (code, events[-1]["reason"]) == (10, "PreflightFailed")  # revision 1 never ran with what 2.0 has made of the data
    code, events = run("rollback", "1", "--despite-migrations")
    assert (code, events[-1]["reason"]) == (0, "RolledBack")
    assert cluster.kubectl("-n", "back", "get", "configmap", "backend-config", "-o", "jsonpath={.data.message}") == "hello"
    code, (history,) = run("history")
    assert [(one["status"], one["description"].split(",")[0]) for one in history["revisions"]][-1] == (
        "deployed",
        "Rollback to 1",
    )
    assert run("diff")[0] == 0
    assert run("diff", "--set", "replicas=3")[0] == 1


def test_a_first_install_that_fails_goes_again_and_a_kept_one_is_no_place_to_return_to(cluster):
    run = Seatrial(cluster, "first")
    broken = ("--set", "image=example.com/backend:broken,profile=pull_error=not found")
    code, events = run("release", *broken)
    assert (code, events[-1]["reason"]) == (20, "ImageUnavailable")
    assert "uninstalled again" in events[-1]["text"]
    assert cluster.helm("-n", "first", "list", "-q") == ""

    assert run("release")[0] == 0
    code, events = run("release", *broken, "--on-failure", "keep")
    assert (code, events[-1]["revision"]) == (21, 2)
    code, events = run("release", *broken, "--set", "message=again")
    assert code == 20
    assert "rolled back to revision 1" in events[-1]["text"]


def test_without_a_helm_on_path_its_sdk_does_the_same(cluster, monkeypatch):
    monkeypatch.setattr(helm, "binary", lambda: None)
    run = Seatrial(cluster, "sdk")
    code, events = run("release")
    assert (code, events[-1]["reason"], events[0]["engine"]) == (0, "Released", "helm-python-sdk")
    code, events = run("release", "--set", "image=example.com/backend:broken,profile=pull_error=not found")
    assert (code, events[-1]["reason"]) == (20, "ImageUnavailable")
    code, (history,) = run("history")
    assert [one["status"] for one in history["revisions"]] == ["superseded", "failed", "deployed"]
