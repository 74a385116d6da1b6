"""What people expect of a linter: what a Pod Security profile refuses is found, in every kind of workload and of container, at
the line that says it; what the profile lets through is not.  The page for those who come from another linter names no rule that
is not there.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.finding import RULES
from seatrial.rules.looking import found
from seatrial.world.admission.pod_checks import LATEST, violations
from seatrial.world.world import World

Obj = dict[str, Any]
DOCS = Path(__file__).parents[2] / "docs"
SAFE: Obj = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
KEPT: Obj = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [{"name": "api", "image": "registry.example/api:1.4.2", "securityContext": SAFE}],
}
#: kind -> (apiVersion, the way to its pod template)
KINDS = {
    "Pod": ("v1", ()),
    "Deployment": ("apps/v1", ("spec", "template")),
    "StatefulSet": ("apps/v1", ("spec", "template")),
    "DaemonSet": ("apps/v1", ("spec", "template")),
    "ReplicaSet": ("apps/v1", ("spec", "template")),
    "ReplicationController": ("v1", ("spec", "template")),
    "Job": ("batch/v1", ("spec", "template")),
    "CronJob": ("batch/v1", ("spec", "jobTemplate", "spec", "template")),
    "Rollout": ("argoproj.io/v1alpha1", ("spec", "template")),
    "DeploymentConfig": ("apps.openshift.io/v1", ("spec", "template")),
}
#: What a container's security context must not say -> the rule that says so.
IN_CONTEXT = {
    "privilege-escalation": {"allowPrivilegeEscalation": True},
    "privileged": {"privileged": True, "allowPrivilegeEscalation": None},
    "capabilities-added": {"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}},
    "capability-name": {"capabilities": {"drop": ["ALL"], "add": ["CAP_CHOWN"]}},
    "capabilities-kept": {"capabilities": {"drop": ["NET_RAW"]}},
    "run-as-root": {"runAsNonRoot": False, "runAsUser": None},
    "run-as-contradiction": {"runAsUser": 0},
    "seccomp-unconfined": {"seccompProfile": {"type": "Unconfined"}},
    "apparmor-unconfined": {"appArmorProfile": {"type": "Unconfined"}},
    "selinux-options": {"seLinuxOptions": {"type": "spc_t"}},
    "proc-unmasked": {"procMount": "Unmasked"},
    "host-process": {"windowsOptions": {"hostProcess": True}},
}
#: What a pod must not say.
IN_POD: dict[str, Obj] = {
    "host-network": {"hostNetwork": True},
    "host-pid": {"hostPID": True},
    "host-ipc": {"hostIPC": True},
    "host-path": {"volumes": [{"name": "logs", "hostPath": {"path": "/srv/logs"}}]},
    "volume-type": {"volumes": [{"name": "files", "nfs": {"server": "files.example", "path": "/"}}]},
    "sysctl-unsafe": {"securityContext": KEPT["securityContext"] | {"sysctls": [{"name": "kernel.sem", "value": "250"}]}},
    "selinux-options": {"securityContext": KEPT["securityContext"] | {"seLinuxOptions": {"role": "system_r"}}},
    "seccomp-unconfined": {"securityContext": KEPT["securityContext"] | {"seccompProfile": {"type": "Unconfined"}}},
    "seccomp-missing": {"securityContext": {"runAsNonRoot": True, "runAsUser": 10001}},
    "host-process": {"securityContext": KEPT["securityContext"] | {"windowsOptions": {"hostProcess": True}}},
}
#: What a container must not say beside its security context.
IN_CONTAINER: dict[str, Obj] = {
    "host-port": {"ports": [{"containerPort": 8080, "hostPort": 8080}]},
    "probe-elsewhere": {"lifecycle": {"preStop": {"httpGet": {"host": "localhost", "path": "/drain", "port": 8080}}}},
}
SECURITY = {*IN_CONTEXT, *IN_POD, *IN_CONTAINER, "run-as-uid-0"}


def made(kind: str, spec: Obj, metadata: Obj | None = None) -> Obj:
    """A workload with this pod spec."""
    version, path = KINDS[kind]
    pod: Obj = {"metadata": {"labels": {"app": "api"}, **(metadata or {})}, "spec": spec}
    for step in reversed(path):
        pod = {step: pod}
    head = {"apiVersion": version, "kind": kind}
    name = {"name": "api", "namespace": "shop"}
    return {**head, **pod, "metadata": {**pod.get("metadata", {}), **name}}


def pod_with(context: Obj | None = None, shelf: str = "containers", **fields: Any) -> Obj:
    """The pod that is well kept, but for a security context, and fields, of the container on a shelf."""
    spec = copy.deepcopy(KEPT)
    one = {**copy.deepcopy(spec["containers"][0]), **fields}
    one["securityContext"] |= context or {}
    one["securityContext"] = {key: value for key, value in one["securityContext"].items() if value is not None}
    if context and "runAsUser" in context and context["runAsUser"] is None:
        del spec["securityContext"]["runAsUser"]
    spec[shelf] = [one] if shelf == "containers" else [{**one, "name": "other"}]
    return spec


def told(obj: Obj) -> dict[str, str]:
    """The security rules that speak, and where."""
    return {one.rule: one.at for one in found(World([obj]), live=False) if one.rule in SECURITY}


def refused(spec: Obj) -> bool:
    return bool(violations("restricted", LATEST, {"metadata": {}, "spec": spec}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_pod_that_the_restricted_profile_lets_in_is_left_alone_in_every_kind(kind):
    assert not refused(KEPT)
    assert not told(made(kind, copy.deepcopy(KEPT)))


def everything() -> Iterator[tuple[str, Obj, str]]:
    """(rule, pod spec, the place of the fault within it)"""
    for rule, context in IN_CONTEXT.items():
        yield rule, pod_with(context), "containers[0]"
    for rule, fields in IN_CONTAINER.items():
        yield rule, pod_with(**fields), "containers[0]"
    for rule, fields in IN_POD.items():
        place = "containers[0]" if rule == "seccomp-missing" else next(iter(fields))  # missed where it would do the most
        yield rule, copy.deepcopy(KEPT) | copy.deepcopy(fields), place


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_restricted_profile_refuses_is_told_of_every_kind_at_its_place(kind):
    path = ".".join((*KINDS[kind][1], "spec"))
    for rule, spec, place in everything():
        assert refused(spec), rule
        where = told(made(kind, spec)).get(rule)
        assert where is not None, f"{rule} is not told of a {kind}"
        assert where.startswith(f"{path}.{place}"), f"{rule} is told at {where}"


@pytest.mark.parametrize("shelf", ["initContainers", "ephemeralContainers"])
@pytest.mark.parametrize("rule", IN_CONTEXT)
def test_init_and_ephemeral_containers_are_no_way_around_a_rule(shelf, rule):
    where = told(made("Pod", pod_with(IN_CONTEXT[rule], shelf))).get(rule)
    assert where is not None and where.startswith(f"spec.{shelf}[0]")


def test_apparmor_is_switched_off_by_the_old_annotation_too():
    key = "container.apparmor.security.beta.kubernetes.io/api"
    assert list(told(made("CronJob", copy.deepcopy(KEPT), {"annotations": {key: "unconfined"}}))) == ["apparmor-unconfined"]
    assert not told(made("CronJob", copy.deepcopy(KEPT), {"annotations": {key: "runtime/default"}}))


def test_root_in_a_user_namespace_is_worth_a_note():
    for spec in (pod_with(IN_CONTEXT["run-as-root"]), pod_with(IN_CONTEXT["proc-unmasked"])):
        findings = found(World([made("Deployment", spec | {"hostUsers": False})]), live=False)
        assert [one.severity for one in findings if one.rule in SECURITY] == ["note"]


def test_what_all_containers_have_of_their_pod_is_told_once():
    spec = copy.deepcopy(KEPT) | {"securityContext": {"runAsUser": 0}}
    spec["containers"] = [{**spec["containers"][0], "name": name} for name in ("api", "worker", "proxy")]
    findings = [one for one in found(World([made("Deployment", spec)]), live=False) if one.rule == "run-as-uid-0"]
    assert [one.at for one in findings] == ["spec.template.spec.securityContext.runAsUser"]


def test_a_volume_without_a_source_is_an_empty_folder():
    assert not refused(copy.deepcopy(KEPT) | {"volumes": [{"name": "tmp"}]})


def test_what_a_workload_says_beside_its_containers_counts_where_they_are_forgotten():
    assert "host-network" in told(made("Deployment", {"hostNetwork": True}))


PAGE = (DOCS / "coming-from.md").read_text()


def test_the_page_for_those_who_come_from_another_linter_names_rules_that_there_are():
    named = re.findall(r"\[([a-z0-9-]+)\]\(rules/([a-z0-9-]+)\.md\)", PAGE)
    assert len(named) > 150
    assert not [pair for pair in named if pair[0] != pair[1] or pair[0] not in RULES]


def test_no_check_of_a_linter_stands_on_the_page_twice():
    for part in PAGE.split("\n## ")[1:]:
        rows = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in part.splitlines() if line.startswith("| `")]
        names = [name for row in rows for name in row]
        assert len(names) == len(set(names)), part.splitlines()[0]
