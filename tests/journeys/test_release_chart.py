"""A chart released to a cluster with `seatrial release`, from the first install to what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHART = Path(__file__).parent.parent / "release" / "data" / "backend"

pytestmark = pytest.mark.xdist_group("release")


@pytest.fixture(scope="module")
def cluster(start_twin):
    return start_twin("released", "--simulate", "--nodes", "2")


def release(cluster, namespace: str, *options: str) -> tuple[int, list[dict], str]:
    """The exit code, the events, and everything that was said."""
    command = [sys.executable, "-m", "seatrial", "release", "--kubeconfig", cluster.running.kubeconfig, "-o", "json", "--yes"]
    command += ["-n", namespace, "--release-name", "backend", "--chart-path", str(CHART), "--settle", "0", *options]
    folder = cluster.home.kubeconfig.parent  # where the evidence of a failure goes
    done = subprocess.run(command, capture_output=True, text=True, env=cluster.environment, timeout=120, cwd=folder)
    assert done.stdout, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stdout + done.stderr


def of(events: list[dict], kind: str) -> list[dict]:
    return [event for event in events if event["kind"] == kind]


def test_a_release_is_installed_then_changed_then_has_nothing_more_to_do(cluster):
    code, events, _ = release(cluster, "three")
    assert (code, events[-1]["reason"]) == (0, "Released")
    assert cluster.kubectl("-n", "three", "get", "deployment", "backend", "-o", "jsonpath={.status.availableReplicas}") == "2"

    code, events, _ = release(cluster, "three", "--set", "replicas=3")
    (plan,) = of(events, "plan")
    assert code == 0
    assert [(c["ref"]["name"], [f["path"] for f in c["fields"]]) for c in plan["changes"]] == [("backend", ["spec.replicas"])]
    assert '"status":"deployed"' in cluster.helm("-n", "three", "list", "-o", "json")


def test_a_dry_run_changes_nothing(cluster):
    code, events, _ = release(cluster, "dry", "--dry-run")
    assert (code, events[-1]["reason"]) == (0, "DryRun")
    assert "NotFound" in cluster.kubectl("get", "namespace", "dry", check=False)


def test_a_secret_is_a_hash_in_the_plan_and_nowhere_as_it_is(cluster, tmp_path):
    secrets = tmp_path / "secrets.yaml"
    for word in ("correct-horse-battery", "staple-of-another-kind"):
        secrets.write_text(f"password: {word}\n")
        code, events, said = release(cluster, "masked", "--secrets-file", str(secrets))
        assert code == 0
        assert word not in said
    (change,) = [change for change in of(events, "plan")[0]["changes"] if change["ref"]["kind"] == "Secret"]
    (field,) = change["fields"]
    assert field["path"] == "data.password"
    assert field["before"].startswith("sha256:") and field["before"] != field["after"]


def test_a_quota_without_room_for_the_surge_is_told_before_anything_changes(cluster):
    cluster.kubectl("create", "namespace", "tight")
    cluster.kubectl("-n", "tight", "create", "quota", "small", "--hard=pods=2")
    code, events, _ = release(cluster, "tight", "--set", "replicas=3")
    assert (code, events[-1]["reason"]) == (10, "PreflightFailed")
    assert [finding["rule"] for finding in of(events, "finding")] == ["quota-exceeded"]
    assert of(events, "table")[0]["rows"][0][1:] == ["pods", "2", "0", "2", "3"]
    assert cluster.helm("-n", "tight", "list", "-q") == ""


def test_a_crash_is_rolled_back_to_what_ran_before(cluster):
    assert release(cluster, "crash")[0] == 0
    code, events, _ = release(cluster, "crash", "--set", "profile=ready_after=5s\\,exits_after=100ms\\,exit_code=1")
    assert (code, events[-1]["reason"]) == (20, "CrashLoop")
    assert "rolled back to revision 1" in events[-1]["text"]
    annotation = "jsonpath={.spec.template.metadata.annotations.sim\\.seatrial\\.dev/app}"
    assert cluster.kubectl("-n", "crash", "get", "deployment", "backend", "-o", annotation) == "ready_after=200ms"


def test_a_lock_of_somebody_alive_refuses_by_name_and_a_dead_one_is_taken_over(cluster):
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    lease["metadata"] = {"name": "seatrial-backend", "annotations": {"seatrial.dev/owner": "ada", "seatrial.dev/host": "bridge"}}
    lease["spec"] = {"holderIdentity": "ada@bridge", "leaseDurationSeconds": 20, "renewTime": "2099-01-01T00:00:00.000000Z"}
    cluster.kubectl("create", "namespace", "locked")
    cluster.kubectl("-n", "locked", "create", "-f", "-", stdin=json.dumps(lease))
    code, events, _ = release(cluster, "locked")
    assert (code, events[-1]["reason"]) == (10, "Locked")
    assert "ada on bridge" in events[-1]["text"]

    lease["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z"
    cluster.kubectl("-n", "locked", "replace", "-f", "-", stdin=json.dumps(lease))
    code, events, _ = release(cluster, "locked")
    assert code == 0
    assert any("took over the lock of ada on bridge" in event["text"] for event in of(events, "warning"))
