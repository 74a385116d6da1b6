"""The clients people use against a whole running twin: kubectl, Helm and the official Python package."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest

import tools

CHART = Path(__file__).parents[2] / "fidelity/recordings/charts/shop"

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: busybox, command: [sh, -c, "echo here I am; sleep 1000"]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
"""

Kubectl = Callable[..., str]


@pytest.fixture
def namespace(twin: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.replace("_", "-")[:60].rstrip("-")
    twin.kubectl("create", "namespace", name)
    yield name
    twin.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def kubectl(twin: Any, namespace: str) -> Kubectl:
    return lambda *arguments, **more: twin.kubectl("-n", namespace, *arguments, **more)


@pytest.fixture
def web(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")


# the official Python client


@pytest.fixture
def client(twin: Any) -> Iterator[Any]:
    with kubernetes.config.new_client_from_config(twin.running.kubeconfig) as made:
        yield made


def test_python_deploys_scales_reads_logs_and_evicts(client: Any, namespace: str) -> None:
    api = kubernetes.client
    apps, core = api.AppsV1Api(client), api.CoreV1Api(client)
    command = ["sh", "-c", "echo one; echo two; sleep 1000"]
    container = api.V1Container(name="c", image="busybox", command=command)
    template = api.V1PodTemplateSpec(
        metadata=api.V1ObjectMeta(labels={"app": "web"}),
        spec=api.V1PodSpec(containers=[container], termination_grace_period_seconds=0),
    )
    spec = api.V1DeploymentSpec(replicas=1, selector=api.V1LabelSelector(match_labels={"app": "web"}), template=template)
    apps.create_namespaced_deployment(namespace, api.V1Deployment(metadata=api.V1ObjectMeta(name="web"), spec=spec))
    until_available(apps, namespace, 1)

    apps.patch_namespaced_deployment("web", namespace, {"metadata": {"labels": {"tier": "front"}}})
    [found] = apps.list_namespaced_deployment(namespace, label_selector="tier=front").items
    assert found.status.available_replicas == 1
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    until_available(apps, namespace, 2)
    assert apps.read_namespaced_deployment_scale("web", namespace).status.selector == "app=web"

    pods = core.list_namespaced_pod(namespace, field_selector="status.phase=Running")
    first, second = pods.items
    assert core.read_namespaced_pod_log(first.metadata.name, namespace, tail_lines=1) == "two\n"
    name = first.metadata.name
    core.create_namespaced_pod_eviction(name, namespace, api.V1Eviction(metadata=api.V1ObjectMeta(name=name)))
    since = pods.metadata.resource_version
    events = kubernetes.watch.Watch().stream(core.list_namespaced_pod, namespace, resource_version=since, timeout_seconds=20)
    assert next(event["object"].metadata.name for event in events if event["type"] == "DELETED") == name
    until_available(apps, namespace, 2)
    assert core.read_namespaced_pod(second.metadata.name, namespace).status.phase == "Running"


def until_available(apps: Any, namespace: str, replicas: int) -> None:
    """Watch the Deployment until so many of its replicas are available, and it has no others."""
    watch = kubernetes.watch.Watch()
    for event in watch.stream(apps.list_namespaced_deployment, namespace, timeout_seconds=20):
        status = event["object"].status
        if (status.replicas, status.available_replicas) == (replicas, replicas):
            return
    raise AssertionError(f"there are not {replicas} replicas")


def test_python_is_refused_in_statuses(client: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(client)
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "Not_A_Name"}})
    assert (refused.value.status, refused.value.reason) == (422, "Unprocessable Entity")
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.read_namespaced_pod_log("nobody", namespace)
    assert refused.value.status == 404


# kubectl


def test_kubectl_shows_what_an_apply_would_change(kubectl: Kubectl, web: None) -> None:
    changed = WEB.replace("here I am", "here I was")
    for how in ([], ["--server-side", "--force-conflicts"]):
        assert kubectl("diff", *how, "-f", "-", stdin=WEB, check=False) == ""
        told = kubectl("diff", *how, "-f", "-", stdin=changed, check=False).splitlines()
        assert [line.split()[-3] for line in told if line.lstrip("+- ").startswith("echo")] == ["am;", "was;"]
    another = ("apply", "--server-side", "--field-manager=another", "-f", "-")
    assert 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply"' in kubectl(
        *another, stdin=changed, check=False
    )
    forced = kubectl(*another, "--force-conflicts", stdin=changed)
    assert "deployment.apps/web serverside-applied" in forced


def test_kubectl_rolls_out_back_and_on(kubectl: Kubectl, web: None) -> None:
    kubectl("set", "env", "deployment/web", "A=1")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert [line.split()[0] for line in kubectl("rollout", "history", "deployment/web").splitlines()[2:4]] == ["1", "2"]
    kubectl("rollout", "undo", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].env}") == ""
    kubectl("rollout", "restart", "deployment/web")
    kubectl("wait", "--for=condition=Progressing", "deployment/web", "--timeout=10s")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")


def test_kubectl_waits_for_what_comes_and_goes(kubectl: Kubectl, web: None) -> None:
    assert kubectl("wait", "--for=condition=Ready", "pods", "-l", "app=web", "--timeout=10s").count("condition met") == 2
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/web", "--timeout=10s")
    assert "timed out" in kubectl("wait", "--for=create", "configmap/later", "--timeout=1s", check=False)
    kubectl("delete", "deployment", "web", "--wait=false")
    kubectl("wait", "--for=delete", "pods", "-l", "app=web", "--timeout=20s")
    assert kubectl("get", "pods", "-o", "name") == ""


def test_kubectl_acts_as_a_robot_as_far_as_its_role_goes(kubectl: Kubectl, namespace: str, web: None) -> None:
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "robot-reads", "--role=reader", f"--serviceaccount={namespace}:robot")
    robot = f"--as=system:serviceaccount:{namespace}:robot"
    pod = kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}", robot)
    for command, stream in ((["exec", pod, robot, "--", "true"], "exec"), (["port-forward", pod, ":80", robot], "portforward")):
        assert (
            f'pods "{pod}" is forbidden: User "system:serviceaccount:{namespace}:robot"'
            f' cannot create resource "pods/{stream}" in API group "" in the namespace "{namespace}"'
        ) in kubectl(*command, check=False)
    kubectl("create", "role", "insider", "--verb=get,create", "--resource=pods/exec")
    kubectl("create", "rolebinding", "robot-enters", "--role=insider", f"--serviceaccount={namespace}:robot")
    assert kubectl("exec", pod, robot, "--", "echo", "hello") == "hello\n"
    assert kubectl("auth", "can-i", "create", "pods/attach", robot, check=False) == "no\n"


def test_kubectl_follows_what_becomes_of_pods(twin: Any, kubectl: Kubectl, namespace: str) -> None:
    kubectl("run", "one", "--image=busybox", "--", "sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.05; done")
    kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    command = [tools.kubectl(), "-n", namespace, "get", "pods", "-w", "--output-watch-events", "--no-headers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=twin.environment) as watch:
        assert watch.stdout is not None
        first = watch.stdout.readline().split()
        kubectl("delete", "pod", "one")
        told = [first]
        while told[-1][0] != "DELETED":
            told.append(watch.stdout.readline().split())
        watch.terminate()
    assert [(line[0], line[3]) for line in told[:2]] == [("ADDED", "Running"), ("MODIFIED", "Terminating")]
    assert {line[0] for line in told[1:-1]} == {"MODIFIED"}


def test_kubectl_follows_logs_and_those_of_the_container_before(kubectl: Kubectl) -> None:
    kubectl("run", "steps", "--image=busybox", "--", "sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done; exit 3")
    kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/steps", "--timeout=20s")
    kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=3", "pod/steps", "--timeout=20s")
    assert kubectl("logs", "-f", "steps") == "line 1\nline 2\nline 3\n"
    assert kubectl("logs", "--previous", "steps") == "line 1\nline 2\nline 3\n"
    assert kubectl("logs", "--tail=1", "steps") == "line 3\n"


def test_kubectl_top_tells_what_is_used(kubectl: Kubectl, twin: Any) -> None:
    kubectl("run", "idle", "--image=busybox", "--", "sleep", "1000")
    kubectl("wait", "--for=condition=Ready", "pod/idle", "--timeout=20s")
    name, cpu, memory = kubectl("top", "pods", "--no-headers").split()
    assert name == "idle"
    assert cpu.endswith("m")
    assert memory.endswith("Mi")
    assert twin.kubectl("top", "nodes", "--no-headers").split()[0] == "node-a"


def test_kubectl_drains_a_node(start_twin: Any) -> None:
    twin = start_twin("drained", "--nodes", "2")
    twin.kubectl("apply", "-f", "-", stdin=WEB)
    twin.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    drained = twin.kubectl("drain", "node-a", "--timeout=60s")
    assert "node/node-a drained" in drained
    where = twin.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
    assert where.split() == ["node-b", "node-b"]
    twin.kubectl("uncordon", "node-a")


# Helm


def test_helm_waits_through_a_releases_life(twin: Any, namespace: str) -> None:
    def helm(*arguments: str) -> str:
        return str(twin.helm("-n", namespace, *arguments, "--wait", "--timeout", "60s"))

    def greeting() -> str:
        return str(twin.kubectl("-n", namespace, "get", "configmap", "shop-conf", "-o", "jsonpath={.data.greeting}"))

    helm("install", "shop", str(CHART))
    first = greeting()
    helm("upgrade", "shop", str(CHART), "--set", "greeting=changed,replicas=3")
    ready = twin.kubectl("-n", namespace, "get", "deployment", "shop", "-o", "jsonpath={.status.readyReplicas}")
    assert (greeting(), ready) == ("changed", "3")
    helm("rollback", "shop", "1")
    assert greeting() == first
    history = twin.helm("-n", namespace, "history", "shop").splitlines()[1:]
    assert [line.split()[0] for line in history] == ["1", "2", "3"]
    helm("uninstall", "shop")
    assert twin.kubectl("-n", namespace, "get", "deployments,services,configmaps", "-o", "name") == "configmap/kube-root-ca.crt\n"


def test_kubectl_debug_starts_a_container_in_a_pod_that_runs(kubectl: Kubectl, web: None) -> None:
    pod = kubectl("get", "pods", "-l", "app=web", "-o", "name").split()[0]
    kubectl("debug", pod, "--image=busybox", "-c", "debugger", "--", "sh", "-c", "echo looking; sleep 1000")
    said = "jsonpath={.status.ephemeralContainerStatuses[0].state.running}"
    kubectl("wait", pod, f"--for={said}", "--timeout=30s")
    assert kubectl("exec", pod, "-c", "debugger", "--", "echo", "inside") == "inside\n"
    assert kubectl("logs", pod, "-c", "debugger") == "looking\n"
