"""When the migration of a chart runs: with the rest in a first release, before everything else in an upgrade, and not twice.

Helm asks the cluster what is there already, so these tests ask a real Helm, on a twin, what it would do."""

import itertools
import json

import pytest
import yaml

from seatrial.app import loads, resolve
from seatrial.package.files import write
from seatrial.package.helm import chart, secret_values
from seatrial.render import render, values

APP = """\
app: shop
version: "1"
services: {api: {image: acme/api, port: 80, calls: [db], migrate: migrate up, config: {A: "1"}}}
stores: {db: {postgres: 16}}
"""


#: For the names of namespaces, which are not free again the moment they are deleted.
NUMBERS = itertools.count()


class Release:
    """A release of an app on a twin, and what an upgrade would do to it."""

    def __init__(self, twin, folder, namespace):
        self.twin, self.folder, self.namespace = twin, folder, namespace

    def write(self, text):
        resolved = resolve(loads(text), "dev")
        objects = render(resolved, secrets=values.complete(resolved, {"db": {"password": "p"}}))
        write(chart("shop", {"dev": objects}, base="dev"), self.folder / "chart")
        (self.folder / "secrets.yaml").write_text(yaml.safe_dump(secret_values(objects)))
        (job,) = [obj["metadata"]["name"] for obj in objects if obj["kind"] == "Job"]
        return job

    def helm(self, *arguments):
        where = ["shop", str(self.folder / "chart"), "-n", self.namespace, "-f", str(self.folder / "secrets.yaml")]
        return self.twin.helm(*arguments[:1], *where, *arguments[1:])

    def install(self, text):
        job = self.write(text)
        self.helm("install", "--create-namespace")
        return job

    def hook(self, text):
        """The Job that an upgrade to `text` would make before the rest."""
        self.write(text)
        (found,) = json.loads(self.helm("upgrade", "--dry-run=server", "-o", "json"))["hooks"]
        return yaml.safe_load(found["manifest"])

    def planned(self, text):
        """Which Jobs an upgrade to `text` would make before the rest, and which with it."""
        name = self.write(text)
        plan = json.loads(self.helm("upgrade", "--dry-run=server", "-o", "json"))
        with_it = [obj["metadata"]["name"] for obj in yaml.safe_load_all(plan["manifest"]) if obj and obj["kind"] == "Job"]
        before = [(hook["name"], hook["events"]) for hook in plan.get("hooks", ())]
        return name, before, with_it


@pytest.fixture
def release(twin, tmp_path):
    namespace = f"order-{next(NUMBERS)}"
    yield Release(twin, tmp_path, namespace)
    twin.helm("uninstall", "shop", "-n", namespace, "--ignore-not-found")
    twin.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def test_in_a_first_release_it_is_an_object_among_others(release):
    job = release.install(APP)
    assert release.twin.kubectl("get", "job", job, "-n", release.namespace, "-o", "name").strip() == f"job.batch/{job}"


def test_an_upgrade_that_does_not_change_it_leaves_it_alone(release):
    job = release.install(APP)
    assert release.planned(APP) == (job, [], [job])


def test_an_upgrade_that_changes_it_runs_it_before_everything_else(release):
    before = release.install(APP)
    job, hooks, with_it = release.planned(APP.replace("migrate up", "migrate further"))
    assert job != before
    assert (hooks, with_it) == ([(job, ["pre-upgrade"])], [])


def test_one_that_has_run_as_a_hook_and_is_gone_is_not_run_again(release):
    job = release.install(APP)
    release.twin.kubectl("delete", "job", job, "-n", release.namespace, "--wait=false")
    assert release.planned(APP) == (job, [], [])


def test_one_that_needs_a_store_that_comes_with_this_release_is_made_together_with_it(release):
    release.install(APP)
    text = APP.replace("calls: [db]", "calls: [db, db2]").replace("16}}", "16}, db2: {postgres: 16}}")
    job, hooks, with_it = release.planned(text)
    assert (hooks, with_it) == ([], [job])


def test_one_that_failed_as_a_hook_belongs_to_the_service_account_and_goes_when_the_release_is_uninstalled(release):
    release.install(APP)
    account = json.loads(release.twin.kubectl("get", "serviceaccount", "api", "-n", release.namespace, "-o", "json"))["metadata"]
    owners = release.hook(APP.replace("migrate up", "migrate further"))["metadata"]["ownerReferences"]
    assert owners == [{"apiVersion": "v1", "kind": "ServiceAccount", "name": "api", "uid": account["uid"]}]


def test_what_argo_cd_would_go_by_gives_way_where_helm_makes_it_a_hook(release):
    text = APP + "environments: {dev: {platform: {gitops: argocd}}}\n"
    job = release.install(text)
    there = json.loads(release.twin.kubectl("get", "job", job, "-n", release.namespace, "-o", "json"))["metadata"]["annotations"]
    assert there["argocd.argoproj.io/hook"] == "Sync"
    hook = release.hook(text.replace("migrate up", "migrate further"))
    assert hook["metadata"]["annotations"].keys() == {"helm.sh/hook", "helm.sh/hook-delete-policy"}
    assert hook["spec"]["ttlSecondsAfterFinished"] == 604800
