# ruff: noqa: E501 - rows of tables
"""Whether a release can return to an earlier revision: what that one needs, and what has happened to the data since."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from harbour import objects

from seatrial.cluster.records import Record, base_of, good_of
from seatrial.release.needs import UNDO, Need, check, migrations, since
from seatrial.rules.finding import Finding
from seatrial.world.objects import Obj, Ref, ref_of

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      serviceAccountName: runner
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
      containers:
        - name: web
          image: acme/web:1
          env: [{name: KEY, valueFrom: {secretKeyRef: {name: web, key: KEY}}}]
          envFrom: [{configMapRef: {name: web}}, {configMapRef: {name: extra, optional: true}}]
"""
LIVE = """
{apiVersion: v1, kind: ServiceAccount, metadata: {name: runner}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}}
---
{apiVersion: v1, kind: Secret, metadata: {name: web}, data: {KEY: YQ==}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}
"""


def record(revision: int = 1, status: str = "superseded", manifest: str = "", hooks: list[Obj] | None = None) -> Record:
    data = {"manifest": manifest, "hooks": hooks or [], "info": {"status": status, "description": "it crashed"}}
    return Record("web", "shop", revision, status, {}, {}, data)


def need(wanted: str = DEPLOYMENT, live: str = LIVE, without: str = "", **more: Any) -> list[Finding]:
    there = {ref_of(obj): obj for obj in objects(live) if obj["kind"] != without}
    images = more.pop("images", frozenset({"acme/web:1"}))
    return list(check(Need(more.pop("record", record()), tuple(objects(wanted)), there, images=images, **more)))


def titles(found: list[Finding]) -> list[str]:
    return [f"{one.severity}: {one.title}" for one in found]


def test_a_revision_that_finds_everything_it_needs_is_fine():
    assert need() == []


@pytest.mark.parametrize(
    ("kind", "name"), [("ConfigMap", "web"), ("Secret", "web"), ("ServiceAccount", "runner"), ("PersistentVolumeClaim", "data")]
)
def test_what_is_gone_is_named(kind, name):
    (found,) = need(without=kind)
    assert titles([found]) == [f"error: revision 1 needs {kind} {name}, which is not there any more"]
    assert "Deployment web" in found.evidence[0].source


def test_what_comes_with_the_revision_or_is_made_by_something_that_does_is_not_missing():
    assert need(DEPLOYMENT + "---\n" + LIVE, live="") == []
    external = """
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: web}
spec: {target: {name: web}, data: [{secretKey: KEY, remoteRef: {key: a}}]}
"""
    assert need(DEPLOYMENT + external, without="Secret") == []


def test_a_key_that_was_taken_away_is_named():
    changed = LIVE.replace("{KEY: YQ==}", "{OTHER: YQ==}")
    assert titles(need(live=changed)) == ["error: revision 1 needs the key KEY, which Secret web has not"]


def test_what_goes_with_the_present_revision_is_told_before_it_is_gone():
    ref = Ref("", "ConfigMap", "shop", "web")
    assert titles(need(goes=frozenset({ref}))) == ["error: revision 1 needs ConfigMap web, which goes with the rollback"]


def test_what_may_not_be_seen_is_not_called_missing():
    assert need(without="Secret", unread=frozenset({Ref("", "Secret", "shop", "web")})) == []


def test_an_image_that_no_node_has_is_a_note_and_a_revision_that_never_came_up_a_warning():
    assert titles(need(images=frozenset())) == ["note: acme/web:1 is on no node that says what it has, and will be pulled"]
    assert need(images=frozenset({"docker.io/acme/web:1"})) == []
    assert need(images=None) == []
    assert titles(need(record=record(status="failed"))) == ["warning: revision 1 is failed: it never came up"]


def job(image: str, undo: str = "", name: str = "migrate") -> str:
    metadata = {"name": name, "annotations": {UNDO: undo} if undo else {}}
    spec = {"template": {"spec": {"containers": [{"name": "m", "image": image, "command": ["up"]}]}}}
    return str(yaml.safe_dump({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}))


def hook(image: str, undo: str = "", phase: str = "Succeeded", events: tuple[str, ...] = ("pre-upgrade",)) -> Obj:
    run = {"phase": phase} if phase else {}
    return {"name": "migrate", "kind": "Job", "manifest": job(image, undo), "events": list(events), "last_run": run}


@pytest.mark.parametrize(
    ("hooks", "count"),
    [
        ([hook("m:1")], 1),
        ([hook("m:1", phase="Failed")], 1),  # it may have come half of the way
        ([hook("m:1", phase="")], 0),
        ([hook("m:1", events=("test",))], 0),
        ([hook("m:1", events=("pre-delete",))], 0),
    ],
)
def test_a_migration_is_a_hook_that_has_been_run(hooks, count):
    assert len(migrations(record(hooks=hooks))) == count


def test_a_job_that_is_called_a_migration_is_one_without_being_a_hook():
    assert [
        one.name
        for one in migrations(record(manifest=job("acme/db:2", name="db-migrate") + "---\n" + job("acme/x", name="warm")))
    ] == ["db-migrate"]


@pytest.mark.parametrize(
    ("later", "severities"),
    [
        ([record(2, "deployed", hooks=[hook("m:1")])], []),  # the revision has run it itself
        ([record(2, "deployed", hooks=[hook("m:2")])], ["warning"]),  # both ran side by side while they were exchanged
        ([record(2, "failed", hooks=[hook("m:2")])], ["warning"]),
        ([record(2, "deployed"), record(3, "deployed", hooks=[hook("m:2")])], ["error"]),
        ([record(2, "failed"), record(3, "failed", hooks=[hook("m:2")])], ["warning"]),
        ([record(2, "deployed", hooks=[hook("m:2", undo="none")])], ["error"]),
        ([record(2, "deployed"), record(3, "deployed", hooks=[hook("m:2", undo="compatible")])], ["note"]),
        ([record(2, "deployed", DEPLOYMENT.replace("spec:\n  template", "spec:\n  strategy: {type: Recreate}\n  template"), [hook("m:2")])],
         ["error"]),
    ],
)  # fmt: skip
def test_what_a_migration_since_means(later, severities):
    target = record(1, hooks=[hook("m:1")])
    assert [one.severity for one in since([target, *later], target)] == severities


def test_helm_s_base_is_what_it_takes_for_deployed_and_the_good_one_what_did_not_fail():
    found = [record(1, "superseded"), record(2, "deployed"), record(3, "failed")]
    assert (base_of(found), good_of(found)) == (found[1], found[1])
    kept = [record(1, "superseded"), record(2, "failed")]
    assert (base_of(kept), good_of(kept)) == (kept[1], kept[0])
    assert (base_of([]), good_of([])) == (None, None)
