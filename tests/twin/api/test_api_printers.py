"""What `kubectl get` prints of each kind (pkg/printers/internalversion/printers.go)."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.twin.api.printers import columns_of
from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.registry.resources import ResourceTable, builtin_resources
from seatrial.world.objects import Obj

TABLE = ResourceTable(builtin_resources())
NOW = seconds_of("2026-01-01T01:00:00Z")


def ago(seconds: float) -> str:
    return timestamp(NOW - seconds)


def printed(resource: str, obj: Obj, wide: bool = False) -> dict[str, Any]:
    """The cells of an object, a minute old, by the names of their columns."""
    obj = {**obj, "metadata": {"name": "x", "creationTimestamp": ago(60), **obj.get("metadata", {})}}
    columns = columns_of(TABLE.stored(resource))
    return {column.name: column.cell(obj, NOW) for column in columns if wide or not column.priority}


def status(name: str = "c", ready: bool = True, restarts: int = 0, last: Obj | None = None, **state: Any) -> Obj:
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last or {}}


def pod(*statuses: Obj, init: tuple[Obj, ...] = (), phase: str = "Running", **more: Any) -> Obj:
    spec = {"containers": [{"name": one["name"]} for one in statuses] or [{"name": "c"}]}
    if init:
        spec["initContainers"] = [
            {"name": one["name"], **({"restartPolicy": "Always"} if one.pop("sidecar", 0) else {})} for one in init
        ]
    told: Obj = {
        "phase": phase,
        "containerStatuses": list(statuses),
        "initContainerStatuses": list(init),
        **more.pop("status", {}),
    }
    return {"spec": spec, "status": told, **more}


RUNNING: Obj = {"running": {}}
READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("obj", "ready", "word", "restarts"),
    [
        (pod(phase="Pending"), "0/1", "Pending", "0"),
        (pod(status(**RUNNING)), "1/1", "Running", "0"),
        (pod(status(ready=False, waiting={"reason": "ContainerCreating"}), phase="Pending"), "0/1", "ContainerCreating", "0"),
        (pod(status(ready=False, waiting={"reason": "ErrImagePull"}), phase="Pending"), "0/1", "ErrImagePull", "0"),
        (
            pod(
                status(
                    ready=False, restarts=3, last={"terminated": {"finishedAt": ago(90)}}, waiting={"reason": "CrashLoopBackOff"}
                )
            ),
            "0/1",
            "CrashLoopBackOff",
            "3 (90s ago)",
        ),
        (pod(status(ready=False, terminated={"reason": "Completed"}), phase="Succeeded"), "0/1", "Completed", "0"),
        (pod(status(ready=False, terminated={"reason": "Error", "exitCode": 1}), phase="Failed"), "0/1", "Error", "0"),
        (pod(status(ready=False, terminated={"exitCode": 7}), phase="Failed"), "0/1", "ExitCode:7", "0"),
        (pod(status(ready=False, terminated={"exitCode": 137, "signal": 9}), phase="Failed"), "0/1", "Signal:9", "0"),
        (pod(phase="Failed", status={"reason": "Evicted"}), "0/1", "Evicted", "0"),
        (
            pod(status("a", False, terminated={"reason": "Completed"}), status("b", **RUNNING), status={"conditions": READY}),
            "1/2",
            "Running",
            "0",
        ),
        (pod(status("a", False, terminated={"reason": "Completed"}), status("b", **RUNNING)), "1/2", "NotReady", "0"),
        (pod(status(**RUNNING), metadata={"deletionTimestamp": ago(0)}), "1/1", "Terminating", "0"),
        (pod(phase="Succeeded", metadata={"deletionTimestamp": ago(0)}), "0/1", "Succeeded", "0"),
        (pod(phase="Running", status={"reason": "NodeLost"}, metadata={"deletionTimestamp": ago(0)}), "0/1", "Unknown", "0"),
        (
            pod(
                phase="Pending", status={"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}
            ),
            "0/1",
            "SchedulingGated",
            "0",
        ),
        (pod(init=(status("i", False, **RUNNING),), phase="Pending"), "0/1", "Init:0/1", "0"),
        (
            pod(init=(status("i", False, 2, waiting={"reason": "CrashLoopBackOff"}),), phase="Pending"),
            "0/1",
            "Init:CrashLoopBackOff",
            "2",
        ),
        (
            pod(init=(status("i", False, terminated={"reason": "Error", "exitCode": 1}),), phase="Pending"),
            "0/1",
            "Init:Error",
            "0",
        ),
        (
            pod(init=(status("i", False, waiting={"reason": "PodInitializing"}), status("j", False)), phase="Pending"),
            "0/1",
            "Init:0/2",
            "0",
        ),
        (
            pod(
                status(ready=False, waiting={"reason": "PodInitializing"}),
                init=(status("i", False, terminated={"exitCode": 0}),),
                phase="Pending",
            ),
            "0/1",
            "PodInitializing",
            "0",
        ),
        (pod(status(**RUNNING), init=({**status("s", **RUNNING), "started": True, "sidecar": True},)), "2/2", "Running", "0"),
    ],
)
def test_the_one_word_for_a_pod(obj: Obj, ready: str, word: str, restarts: str) -> None:
    cells = printed("pods", obj)
    assert (cells["Ready"], cells["Status"], cells["Restarts"], cells["Age"]) == (ready, word, restarts, "60s")


def test_a_pod_printed_wide() -> None:
    obj = pod(status(**RUNNING), status={"podIPs": [{"ip": "10.0.0.1"}]})
    obj["spec"] |= {"nodeName": "node-a", "readinessGates": [{"conditionType": "ready.example.com/x"}]}
    cells = printed("pods", obj, wide=True)
    assert (cells["IP"], cells["Node"], cells["Nominated Node"], cells["Readiness Gates"]) == (
        "10.0.0.1",
        "node-a",
        "<none>",
        "0/1",
    )


def test_services() -> None:
    spec = {
        "type": "NodePort",
        "clusterIPs": ["10.0.0.1"],
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
    }
    cells = printed("services", {"spec": spec})
    assert (cells["Cluster-IP"], cells["External-IP"], cells["Port(s)"]) == ("10.0.0.1", "<none>", "80:30080/TCP,53/UDP")
    balancer = {"spec": {**spec, "type": "LoadBalancer"}}
    assert printed("services", balancer)["External-IP"] == "<pending>"
    balancer["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "lb.example.com"}]}}
    assert printed("services", balancer)["External-IP"] == "1.2.3.4,lb.example.com"
    external = printed("services", {"spec": {"type": "ExternalName", "externalName": "db.example.com"}})
    assert (external["Cluster-IP"], external["External-IP"], external["Port(s)"]) == ("<none>", "db.example.com", "<none>")


def test_jobs() -> None:
    job: Obj = {"spec": {"completions": 3}, "status": {"succeeded": 1, "startTime": ago(30)}}
    cells = printed("jobs.batch", job)
    assert (cells["Status"], cells["Completions"], cells["Duration"]) == ("Running", "1/3", "30s")
    done = {"spec": {"completions": 3}, "status": {"succeeded": 3, "startTime": ago(30), "completionTime": ago(20)}}
    done["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
    assert (printed("jobs.batch", done)["Status"], printed("jobs.batch", done)["Duration"]) == ("Complete", "10s")
    assert printed("jobs.batch", {"spec": {"parallelism": 4}})["Completions"] == "0/1 of 4"


def test_autoscalers_show_what_is_and_what_should_be() -> None:
    metrics = [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
        {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "10"}}},
        {"type": "Pods", "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "5"}}},
    ]
    hpa: Obj = {"spec": {"maxReplicas": 4, "metrics": metrics[:1], "scaleTargetRef": {"kind": "Deployment", "name": "web"}}}
    cells = printed("horizontalpodautoscalers.autoscaling", hpa)
    assert (cells["Reference"], cells["Targets"], cells["MinPods"], cells["MaxPods"]) == (
        "Deployment/web",
        "cpu: <unknown>/70%",
        "<unset>",
        4,
    )
    hpa["spec"]["metrics"] = metrics
    hpa["status"] = {"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}]}
    assert printed("horizontalpodautoscalers.autoscaling", hpa)["Targets"] == "cpu: 12%/70%, <unknown>/10 (avg) + 1 more..."


def test_events() -> None:
    about = {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{c}"}
    old = {"involvedObject": about, "type": "Normal", "reason": "Pulled", "message": "hello ", "count": 4}
    cells = printed(
        "events",
        {**old, "firstTimestamp": ago(300), "lastTimestamp": ago(10), "source": {"component": "kubelet", "host": "n"}},
        wide=True,
    )
    assert (cells["Last Seen"], cells["First Seen"], cells["Count"], cells["Source"]) == ("10s", "5m", 4, "kubelet, n")
    assert (cells["Object"], cells["Subobject"], cells["Message"]) == ("pod/web", "spec.containers{c}", "hello")
    new = {"involvedObject": about, "eventTime": ago(20), "series": {"count": 9, "lastObservedTime": ago(5)}}
    assert (printed("events", new, wide=True)["Last Seen"], printed("events", new, wide=True)["Count"]) == ("5s", 9)


def test_quotas_name_what_is_used() -> None:
    hard = {"pods": "3", "requests.cpu": "500m", "limits.memory": "256Mi"}
    quota = {"status": {"hard": hard, "used": {"pods": "1", "limits.memory": "64Mi"}}}
    cells = printed("resourcequotas", quota)
    assert (cells["Request"], cells["Limit"]) == ("pods: 1/3, requests.cpu: 0/500m", "limits.memory: 64Mi/256Mi")


def test_nodes() -> None:
    labels = {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "spare"}
    node = {
        "metadata": {"labels": labels},
        "spec": {"unschedulable": True},
        "status": {"conditions": READY, "nodeInfo": {"kubeletVersion": "v1.36.2"}},
    }
    cells = printed("nodes", node)
    assert (cells["Status"], cells["Roles"], cells["Version"]) == ("Ready,SchedulingDisabled", "control-plane,spare", "v1.36.2")
    assert printed("nodes", {})["Status"] == "Unknown"


def test_others() -> None:
    ingress: Obj = {"spec": {"rules": [{"host": host} for host in "abcde"], "tls": [{}]}}
    cells = printed("ingresses.networking.k8s.io", ingress)
    assert (cells["Hosts"], cells["Ports"]) == ("a,b,c + 2 more...", "80, 443")
    assert printed("ingresses.networking.k8s.io", {"spec": {}})["Hosts"] == "*"
    budget = printed("poddisruptionbudgets.policy", {"spec": {"maxUnavailable": "50%"}})
    assert (budget["Min Available"], budget["Max Unavailable"], budget["Allowed Disruptions"]) == ("N/A", "50%", 0)
    cron = printed(
        "cronjobs.batch", {"spec": {"schedule": "* * * * *", "suspend": False}, "status": {"lastScheduleTime": ago(45)}}
    )
    assert (cron["Suspend"], cron["Active"], cron["Last Schedule"], cron["Timezone"]) == ("False", 0, "45s", "<none>")
    subjects = [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]
    binding = printed(
        "rolebindings.rbac.authorization.k8s.io", {"roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects}, wide=True
    )
    assert (binding["Role"], binding["Users"], binding["ServiceAccounts"]) == ("Role/r", "u", "n/s")
    default = {"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
    assert printed("storageclasses.storage.k8s.io", default)["Name"] == "x (default)"
    slices = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]}
    assert (
        printed("endpointslices.discovery.k8s.io", slices)["Ports"],
        printed("endpointslices.discovery.k8s.io", slices)["Endpoints"],
    ) == ("80", "10.0.0.1")


@pytest.mark.parametrize("kind", builtin_resources(), ids=lambda kind: f"{kind.plural}.{kind.api_version}")
def test_every_kind_is_printed_even_when_it_is_empty(kind: Any) -> None:
    obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}}
    for column in columns_of(kind):
        column.cell(obj, NOW)
