"""What admission adds to a pod, and for which pods it refuses: accounts, tokens, tolerations, priorities, classes."""

from __future__ import annotations

import pytest
from admitted import container, pod, refused, registry, send

from seatrial.twin.admission.plugins.service_accounts import TOKEN_PATH
from seatrial.twin.errors import ApiError
from seatrial.world.objects import Obj


def account(name: str, **more: object) -> Obj:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}, **more}


def priority_class(name: str, value: int, **more: object) -> Obj:
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value, **more}


# namespaces


def test_nothing_is_created_in_a_namespace_that_is_not_there() -> None:
    with pytest.raises(ApiError) as error:
        send(registry(), pod(namespace="nowhere"))
    assert (error.value.code, error.value.message) == (404, 'namespaces "nowhere" not found')


def test_nothing_is_created_in_a_namespace_that_is_going() -> None:
    to = registry("old")
    to.delete("namespaces", "", "old")
    with pytest.raises(ApiError) as error:
        send(to, pod(namespace="old"))
    why = 'pods "web" is forbidden: unable to create new content in namespace old because it is being terminated'
    assert (error.value.code, error.value.message) == (403, why)
    cause = {"reason": "NamespaceTerminating", "message": "namespace old is being terminated", "field": "metadata.namespace"}
    assert error.value.status()["details"]["causes"] == [cause]


# service accounts


def test_a_pod_gets_the_default_account_and_its_token() -> None:
    made = send(registry(), pod(initContainers=[container("i")]))["spec"]
    assert (made["serviceAccountName"], made["serviceAccount"]) == ("default", "default")
    (volume,) = made["volumes"]
    mount = {"name": volume["name"], "readOnly": True, "mountPath": TOKEN_PATH}
    assert made["containers"][0]["volumeMounts"] == made["initContainers"][0]["volumeMounts"] == [mount]


def test_the_token_is_left_out_where_pod_or_account_say_so() -> None:
    to = registry()
    to.create("serviceaccounts", account("quiet", automountServiceAccountToken=False))
    assert "volumes" not in send(to, pod(automountServiceAccountToken=False))["spec"]
    assert "volumes" not in send(to, pod("b", serviceAccountName="quiet"))["spec"]
    assert "volumes" in send(to, pod("c", serviceAccountName="quiet", automountServiceAccountToken=True))["spec"]


def test_a_mount_of_ones_own_at_the_tokens_place_is_kept() -> None:
    own = container(volumeMounts=[{"name": "mine", "mountPath": TOKEN_PATH}])
    made = send(registry(), pod(containers=[own], volumes=[{"name": "mine", "emptyDir": {}}]))["spec"]
    assert [volume["name"] for volume in made["volumes"]] == ["mine"]


def test_the_pull_secrets_of_the_account_are_the_pods_unless_it_has_its_own() -> None:
    to = registry()
    to.create("serviceaccounts", account("puller", imagePullSecrets=[{"name": "registry"}]))
    assert send(to, pod(serviceAccountName="puller"))["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    own = send(to, pod("b", serviceAccountName="puller", imagePullSecrets=[{"name": "own"}]))
    assert own["spec"]["imagePullSecrets"] == [{"name": "own"}]


def test_an_account_may_limit_the_secrets_of_its_pods() -> None:
    to = registry()
    strict = account("strict", secrets=[{"name": "allowed"}])
    strict["metadata"]["annotations"] = {"kubernetes.io/enforce-mountable-secrets": "true"}
    to.create("serviceaccounts", strict)
    volumes = [{"name": "v", "secret": {"secretName": "other"}}]
    assert refused(to, pod(serviceAccountName="strict", volumes=volumes)) == (
        'pods "web" is forbidden: volume with secret.secretName="other" is not allowed because service account strict does'
        " not reference that secret"
    )


# tolerations


def test_a_pod_stays_five_minutes_on_a_node_that_is_gone() -> None:
    made = send(registry(), pod())["spec"]["tolerations"]
    assert [(one["key"].rpartition("/")[2], one["tolerationSeconds"]) for one in made] == [
        ("not-ready", 300),
        ("unreachable", 300),
    ]


def test_a_pod_with_tolerations_of_its_own_keeps_them() -> None:
    own = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]
    made = send(registry(), pod(tolerations=own))["spec"]["tolerations"]
    assert [one.get("tolerationSeconds") for one in made] == [5, 300]
    assert len(send(registry(), pod(tolerations=[{"operator": "Exists"}]))["spec"]["tolerations"]) == 1


# priorities


def test_a_pod_has_the_priority_of_its_class() -> None:
    to = registry()
    to.create("priorityclasses.scheduling.k8s.io", priority_class("high", 1000, preemptionPolicy="Never"))
    made = send(to, pod(priorityClassName="high"))["spec"]
    assert (made["priority"], made["preemptionPolicy"]) == (1000, "Never")
    assert send(to, pod("b", priorityClassName="system-node-critical"))["spec"]["priority"] == 2_000_001_000


def test_the_default_class_is_given_to_pods_that_name_none_and_there_is_one() -> None:
    to = registry()
    send(to, priority_class("normal", 10, globalDefault=True))
    made = send(to, pod())["spec"]
    assert (made["priorityClassName"], made["priority"]) == ("normal", 10)
    assert refused(to, priority_class("other", 20, globalDefault=True)) == (
        'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass normal is already marked as default.'
        " Only one default can exist"
    )


def test_a_pod_may_not_choose_its_priority_as_a_number() -> None:
    assert refused(registry(), pod(priority=7)) == (
        'pods "web" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority admission'
        " controller computed 0 from the given PriorityClass name"
    )


# classes


def storage_class(name: str, default: bool = False) -> Obj:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata, "provisioner": "example.com/p"}


def claim(name: str = "data", **spec: object) -> Obj:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": wanted}


def test_a_claim_gets_the_default_storage_class_unless_it_names_one_or_none() -> None:
    to = registry()
    for one in (storage_class("slow"), storage_class("fast", default=True)):
        send(to, one)
    assert send(to, claim())["spec"]["storageClassName"] == "fast"
    assert send(to, claim("b", storageClassName="slow"))["spec"]["storageClassName"] == "slow"
    assert send(to, claim("c", storageClassName=""))["spec"]["storageClassName"] == ""


def test_an_ingress_gets_the_default_class() -> None:
    to = registry()
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
    made = {"metadata": {"name": "nginx", "annotations": annotations}, "spec": {"controller": "k8s.io/ingress-nginx"}}
    send(to, {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", **made})
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}}
    assert send(to, {**ingress, "spec": {"defaultBackend": backend}})["spec"]["ingressClassName"] == "nginx"


def test_a_pod_of_an_unknown_runtime_class_is_refused_and_a_known_one_adds_its_overhead() -> None:
    to = registry()
    assert refused(to, pod(runtimeClassName="gvisor")) == (
        'pods "web" is forbidden: pod rejected: RuntimeClass "gvisor" not found'
    )
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "runsc"}
    scheduling = {"nodeSelector": {"sandbox": "yes"}}
    send(to, {**runtime, "overhead": {"podFixed": {"memory": "64Mi"}}, "scheduling": scheduling})
    made = send(to, pod(runtimeClassName="gvisor"))["spec"]
    assert (made["overhead"], made["nodeSelector"]) == ({"memory": "64Mi"}, {"sandbox": "yes"})
