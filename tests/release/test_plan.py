"""The plan of a release: what a chart renders, what is live, what would come of it, and whose fields would be taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from harbour import deployment, objects, served

from seatrial.cluster.api import Refused, Resource
from seatrial.cluster.records import Record
from seatrial.release.plan import Plan, objects_of, observe
from seatrial.release.redact import Redactor
from seatrial.release.sources import SourceError
from seatrial.world.objects import Obj, Ref, clone, dig, name_of, ref_of

CONFIG = "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: '1'}}\n"


class Cluster:
    """What is live; an apply answers with what it was sent, and conflicts over the fields that `owners` says are others'."""

    def __init__(self, live: str, owners: dict[str, str] | None = None) -> None:
        self.objects = {ref_of(obj): obj for obj in objects(live)}
        self.owners = owners or {}

    async def live(self, wanted: Any) -> dict[Ref, Obj]:
        names = {(resource.kind, name) for resource, _, name in wanted}
        return {ref: obj for ref, obj in self.objects.items() if (ref.kind, ref.name) in names}

    async def get(self, resource: Resource, namespace: str, name: str) -> Obj:
        return {"kind": resource.kind, "metadata": {"name": name}}

    async def apply(self, resource: Resource, obj: Obj, *, manager: str, force: bool = False, dry_run: bool = False) -> Obj:
        assert dry_run
        if self.owners and not force and resource.kind == "Deployment":
            causes = [
                {"field": field, "message": f'conflict with "{owner}" using apps/v1'} for field, owner in self.owners.items()
            ]
            raise Refused("applying", 409, {"reason": "Conflict", "details": {"causes": causes}})
        return {**clone(obj), "status": {"made": "up"}}


def plan(wanted: str, live: str = "", before: str = "", owners: dict[str, str] | None = None, **more: Any) -> Plan:
    previous = Record("web", "shop", 1, "deployed", {}, {}, {"manifest": before, "apply_method": "ssa"}) if before else None
    work = observe(
        Cluster(live, owners), served(), "web", "shop", wanted, previous, Redactor().preview,  # type: ignore[arg-type]
        server_side=True, **more,
    )  # fmt: skip
    return asyncio.run(work)


def told(found: Plan) -> list[tuple[str, str, list[str]]]:
    return [(change.action, change.ref.kind, [field.path for field in change.fields]) for change in found.changes]


def test_what_is_new_what_changes_and_what_goes():
    found = plan(deployment(image="web:2") + "---\n{apiVersion: v1, kind: Service, metadata: {name: web}}",
                 live=deployment() + CONFIG, before=deployment() + CONFIG)  # fmt: skip
    assert told(found) == [
        ("change", "Deployment", ["spec.template.spec.containers[c].image"]),
        ("add", "Service", []),
        ("remove", "ConfigMap", []),
    ]
    assert found.summary == {"added": 1, "changed": 1, "removed": 1, "unchanged": 0}
    assert found.changes[0].rolls


def test_what_the_chart_keeps_is_not_removed():
    kept = CONFIG.replace("{name: web}", "{name: web, annotations: {helm.sh/resource-policy: keep}}")
    assert told(plan(deployment(), live=deployment() + kept, before=deployment() + kept)) == []


def test_a_field_of_another_manager_is_named_with_it():
    found = plan(
        deployment(replicas=3), live=deployment(replicas=5), before=deployment(replicas=3), owners={".spec.replicas": "hpa"}
    )
    ((_, field),) = found.taken_over
    assert (field.path, field.before, field.after, field.owner) == ("spec.replicas", 5, 3, "hpa")


def test_a_conflict_over_an_item_of_a_list_is_found_by_its_name():
    owners = {'.spec.template.spec.containers[name="c"].image': "kubectl-set"}
    found = plan(deployment(image="web:2"), live=deployment(image="web:9"), before=deployment(), owners=owners)
    assert [(field.path, field.owner) for _, field in found.taken_over] == [
        ("spec.template.spec.containers[c].image", "kubectl-set")
    ]


def test_a_diff_may_have_additions_with_all_their_fields_and_secrets_as_hashes():
    secret = "\n---\n{apiVersion: v1, kind: Secret, metadata: {name: web}, stringData: {KEY: hunter2}}\n"
    found = plan(CONFIG + secret, whole=True)
    assert told(found) == [("add", "ConfigMap", ["data"]), ("add", "Secret", ["data.KEY"])]
    assert "hunter2" not in str([change.as_json() for change in found.changes])


def test_objects_go_where_the_release_goes_hooks_apart_and_tests_not_at_all():
    hook = "\n---\n{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade}}}\n"
    found, hooks = objects_of(
        CONFIG.replace(", namespace: shop", "") + hook + hook.replace("pre-upgrade", "test"), "shop", served()
    )
    assert [dig(obj, "metadata.namespace") for obj in (*found, *hooks)] == ["shop", "shop"]
    assert [name_of(obj) for obj in hooks] == ["migrate"]


@pytest.mark.parametrize(
    "text", ["just text", "- a\n- b", "a: [", "{kind: ConfigMap}", "{apiVersion: v1, kind: ConfigMap, metadata: {}}"]
)
def test_what_is_no_object_is_the_chart_s_mistake(text):
    with pytest.raises(SourceError, match="the chart"):
        objects_of(text, "shop", served())
