"""What of a stored object may change, and the words for what may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from admitted import container, pod, registry, send

from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, clone

Change = Callable[[Obj], None]


def causes_of(to: Registry, resource: str, stored: Obj, change: Change) -> list[tuple[str, str]]:
    """Change a stored object; the fields and messages with which the change is refused, none when it is not."""
    changed = clone(stored)
    change(changed)
    try:
        to.update(resource, changed)
    except ApiError as error:
        return [(cause["field"], cause["message"]) for cause in error.status()["details"]["causes"]]
    return []


def setting(path: str, value: Any) -> Change:
    def change(obj: Obj) -> None:
        *parents, last = path.split(".")
        for key in parents:
            obj = obj[int(key)] if key.isdigit() else obj[key]  # type: ignore[index]
        obj[last] = value

    return change


def workload(kind: str, **spec: Any) -> Obj:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container()]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}


@pytest.mark.parametrize(("kind", "resource"), [("Deployment", "deployments.apps"), ("ReplicaSet", "replicasets.apps"),
                                                ("DaemonSet", "daemonsets.apps")])  # fmt: skip
def test_the_selector_of_a_workload_stays(kind: str, resource: str) -> None:
    to = registry()
    made = send(to, workload(kind))
    assert causes_of(to, resource, made, setting("spec.selector.matchLabels", {"app": "x"})) == [
        ("spec.template.metadata.labels", 'Invalid value: {"app":"web"}: `selector` does not match template `labels`'),
        ("spec.selector", 'Invalid value: {"matchLabels":{"app":"x"}}: field is immutable'),
    ]


def test_the_claims_and_the_service_of_a_stateful_set_stay_and_its_size_and_template_do_not() -> None:
    to = registry()
    made = send(to, workload("StatefulSet", serviceName="web"))
    refusal = (
        "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
        " 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    )
    assert causes_of(to, "statefulsets.apps", made, setting("spec.serviceName", "other")) == [("spec", refusal)]
    claim = {"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    assert causes_of(to, "statefulsets.apps", made, setting("spec.volumeClaimTemplates", [claim])) == [("spec", refusal)]
    for path, value in (("spec.replicas", 3), ("spec.template.spec.containers.0.image", "b:2"), ("spec.minReadySeconds", 5)):
        assert causes_of(to, "statefulsets.apps", to.get("statefulsets.apps", "default", "web"), setting(path, value)) == []


def job(**spec: Any) -> Obj:
    template = {"spec": {"containers": [container()], "restartPolicy": "Never"}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": template, **spec}}


def test_the_template_of_a_job_stays() -> None:
    to = registry()
    made = send(to, job())
    ((field, message),) = causes_of(to, "jobs.batch", made, setting("spec.template.spec.containers.0.image", "b:2"))
    assert field == "spec.template"
    assert message.startswith('Invalid value: {"labels":{"batch.kubernetes.io/controller-uid":')
    assert '"Spec":{"Volumes":null,"InitContainers":null,"Containers":[{"Name":"c","Image":"b:2","Command":null,' in message
    assert message.endswith(": field is immutable")
    assert causes_of(to, "jobs.batch", made, setting("spec.completions", 2)) == [
        ("spec.completions", "Invalid value: 2: field is immutable")
    ]
    assert causes_of(to, "jobs.batch", made, setting("spec.parallelism", 2)) == []


def test_a_job_that_has_not_started_may_still_be_sent_elsewhere() -> None:
    to = registry()
    made = send(to, job(suspend=True))
    assert causes_of(to, "jobs.batch", made, setting("spec.template.spec.nodeSelector", {"zone": "a"})) == []


def test_of_a_pod_little_more_than_the_images_may_change() -> None:
    to = registry()
    made = send(to, pod(automountServiceAccountToken=False))
    assert causes_of(to, "pods", made, setting("spec.containers.0.image", "busybox:2")) == []
    stored = to.get("pods", "default", "web")
    ((field, message),) = causes_of(to, "pods", stored, setting("spec.containers.0.command", ["sh"]))
    said, _, diff = message.partition("\n")
    assert field == "spec"
    assert said == (
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
        "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
    )
    assert diff == (
        '@@ -5,7 +5,9 @@\n   {\n    "Name": "c",\n    "Image": "busybox:2",\n-   "Command": null,\n'
        '+   "Command": [\n+    "sh"\n+   ],\n    "Args": null,\n    "WorkingDir": "",\n    "Ports": null,\n'
    )


def test_containers_of_a_pod_are_neither_added_nor_taken_away() -> None:
    to = registry()
    made = send(to, pod())
    added = setting("spec.containers", [*made["spec"]["containers"], {**made["spec"]["containers"][0], "name": "d"}])
    assert causes_of(to, "pods", made, added) == [("spec.containers", "Forbidden: pod updates may not add or remove containers")]


def test_tolerations_of_a_pod_are_only_added() -> None:
    to = registry()
    made = send(to, pod(tolerations=[{"key": "a", "operator": "Exists"}]))
    extra = {"key": "b", "operator": "Exists"}
    assert causes_of(to, "pods", made, setting("spec.tolerations", [*made["spec"]["tolerations"], extra])) == []
    stored = to.get("pods", "default", "web")
    assert causes_of(to, "pods", stored, setting("spec.tolerations", stored["spec"]["tolerations"][1:])) == [
        ("spec.tolerations", "Forbidden: existing toleration can not be modified except its tolerationSeconds")
    ]


def test_an_ended_container_of_a_job_does_not_run_again() -> None:
    to = registry()
    made = send(to, pod(restartPolicy="Never"))
    ended = {"name": "c", "state": {"terminated": {"exitCode": 0}}}
    made = to.update_status("pods", {**made, "status": {**made["status"], "containerStatuses": [ended]}})
    again = {**made["status"], "containerStatuses": [{"name": "c", "state": {"running": {}}}]}
    with pytest.raises(ApiError, match="may not be transitioned to non-terminated state"):
        to.update_status("pods", {**made, "status": again})


def test_the_address_of_a_service_stays() -> None:
    to = registry()
    made = send(to, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    assert causes_of(to, "services", made, setting("spec.clusterIP", "10.0.9.9")) == [
        ("spec.clusterIPs[0]", 'Invalid value: ["10.0.9.9"]: may not change once set')
    ]

    def without_addresses(obj: Obj) -> None:
        for key in ("clusterIP", "clusterIPs"):
            del obj["spec"][key]

    assert causes_of(to, "services", made, without_addresses) == []


def test_a_frozen_config_map_stays_frozen() -> None:
    to = registry()
    made = send(to, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}, "immutable": True})
    why = "Forbidden: field is immutable when `immutable` is set"
    assert causes_of(to, "configmaps", made, setting("data", {"a": "2"})) == [("data", why)]
    assert causes_of(to, "configmaps", made, setting("immutable", False)) == [("immutable", why)]


def test_the_type_of_a_secret_stays() -> None:
    to = registry()
    made = send(to, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    assert causes_of(to, "secrets", made, setting("type", "example.com/other")) == [
        ("type", 'Invalid value: "example.com/other": field is immutable')
    ]


def claim(size: str = "1Gi", **spec: Any) -> Obj:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}


def test_an_unbound_claim_stays_as_it_is_and_the_refusal_shows_the_difference() -> None:
    to = registry()
    made = send(to, claim(storageClassName="fast"))
    ((field, message),) = causes_of(to, "persistentvolumeclaims", made, setting("spec.storageClassName", "slow"))
    assert (field, message) == (
        "spec",
        "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound"
        ' claims\n@@ -10,7 +10,7 @@\n   }\n  },\n  "VolumeName": "",\n- "StorageClassName": "fast",\n'
        '+ "StorageClassName": "slow",\n  "VolumeMode": "Filesystem",\n  "DataSource": null,\n  "DataSourceRef": null,\n',
    )


def test_a_bound_claim_grows_where_its_class_lets_it() -> None:
    to = registry()
    metadata = {"name": "fast"}
    made = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata, "provisioner": "example.com/p"}
    send(to, {**made, "allowVolumeExpansion": True})
    bound = send(to, claim(storageClassName="fast", volumeName="pv"))
    bound = to.update_status("persistentvolumeclaims", {**bound, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}})
    assert causes_of(to, "persistentvolumeclaims", bound, setting("spec.resources.requests.storage", "2Gi")) == []
    bound = to.get("persistentvolumeclaims", "default", "data")
    assert causes_of(to, "persistentvolumeclaims", bound, setting("spec.resources.requests.storage", "500Mi")) == [
        ("spec.resources.requests.storage", "Forbidden: field can not be less than status.capacity")
    ]


def test_the_role_of_a_binding_stays() -> None:
    to, group = registry(), "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "Role", "name": "reader"}
    made = send(to, {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": {"name": "b"}, "roleRef": role})
    assert causes_of(to, f"rolebindings.{group}", made, setting("roleRef.name", "writer")) == [
        ("roleRef", f'Invalid value: {{"APIGroup":"{group}","Kind":"Role","Name":"writer"}}: cannot change roleRef')
    ]


def test_the_number_of_a_priority_class_and_the_parameters_of_a_storage_class_stay() -> None:
    to = registry()
    made = send(to, {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "p"}, "value": 1})
    assert causes_of(to, "priorityclasses.scheduling.k8s.io", made, setting("value", 2)) == [
        ("value", "Forbidden: may not be changed in an update.")
    ]
    made = send(
        to, {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "s"}, "provisioner": "a.b/c"}
    )
    assert causes_of(to, "storageclasses.storage.k8s.io", made, setting("parameters", {"type": "ssd"})) == [
        ("parameters", "Forbidden: updates to parameters are forbidden.")
    ]
