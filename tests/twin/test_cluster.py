"""A whole cluster in virtual time: workloads run, nodes come and go, and a seed decides everything."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.runtime import Usage
from seatrial.twin.kubelet.simulated import SimulatedRuntime

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 6
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: app:1
        resources: {requests: {cpu: 500m}}
        readinessProbe: {httpGet: {port: 80}, periodSeconds: 1}
"""


def cluster(*nodes, seed=1, start=1_767_225_600.0, **more):
    clock = VirtualClock(start)
    made = Cluster(clock, SimulatedRuntime(clock), nodes or [NodeSpec("node-a", cpu="8", memory="16Gi")], seed=seed, **more)
    made.start()
    clock.run_for(0)
    return made


def deploy(running, seconds=10.0):
    running.registry.create("deployments.apps", yaml.safe_load(WEB))
    running.clock.run_for(seconds)


def status(running):
    return running.registry.get("deployments.apps", "default", "web")["status"]


def nodes_used(running):
    return sorted(
        {pod["spec"].get("nodeName", "") for pod in running.registry.list("pods") if pod["status"]["phase"] == "Running"}
    )


def test_a_deployment_becomes_available():
    running = cluster()
    deploy(running)
    assert status(running)["availableReplicas"] == 6


def test_a_cluster_begins_with_what_every_cluster_has():
    running = cluster()
    names = {n["metadata"]["name"] for n in running.registry.list("namespaces")}
    assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert [c["metadata"]["name"] for c in running.registry.list("storageclasses.storage.k8s.io")] == ["standard"]
    assert [c["metadata"]["name"] for c in running.registry.list("ingressclasses.networking.k8s.io")] == ["nginx"]


def test_pods_that_find_no_room_go_to_a_node_that_joins():
    running = cluster(NodeSpec("small", cpu="2", memory="4Gi"))
    deploy(running)
    assert status(running)["availableReplicas"] == 4
    running.add_node(NodeSpec("large", cpu="8", memory="16Gi"))
    running.clock.run_for(20)
    assert status(running)["availableReplicas"] == 6
    assert nodes_used(running) == ["large", "small"]


def test_pods_of_a_node_that_dies_are_replaced_elsewhere():
    running = cluster(NodeSpec("node-a", cpu="8", memory="16Gi"), NodeSpec("node-b", cpu="8", memory="16Gi"))
    deploy(running)
    assert nodes_used(running) == ["node-a", "node-b"]
    running.remove_node("node-b", forget=False)
    running.clock.run_for(60)
    assert status(running)["availableReplicas"] == 3
    running.clock.run_for(400)  # not-ready pods are tolerated for five minutes
    assert status(running)["availableReplicas"] == 6


def test_a_cluster_takes_up_from_its_file_what_it_left(tmp_path):
    first = cluster(store_path=tmp_path / "state.db")
    deploy(first)
    names = [pod["metadata"]["name"] for pod in first.registry.list("pods")]
    first.stop()
    second = cluster(store_path=tmp_path / "state.db", start=first.clock.now() + 100)
    second.clock.run_for(20)
    pods = second.registry.list("pods")
    assert [pod["metadata"]["name"] for pod in pods] == names
    assert {pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods} == {1}
    assert status(second)["availableReplicas"] == 6


def test_usage_is_known_of_pods_that_run():
    running = cluster()
    deploy(running)
    assert running.usage(running.registry.list("pods")[0]) == {"c": Usage(0.001, 10 << 20)}
    running.stop()


def test_after_the_end_nothing_happens_any_more():
    running = cluster()
    deploy(running, seconds=1)
    running.stop()
    version = running.store.version
    running.clock.run_for(1000)
    assert running.store.version == version


HISTORY = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from test_cluster import *
running = cluster(*(NodeSpec(f"n{{i}}", cpu="4", memory="8Gi", zone="abc"[i % 3]) for i in range(5)), seed=int(sys.argv[1]))
history = []
running.store.subscribe(None, lambda change: history.append((change.type, change.resource, change.object, running.clock.now())))
deploy(running)
running.registry.delete("deployments.apps", "default", "web")
running.clock.run_for(60)
import hashlib
print(len(history), hashlib.sha256(repr(history).encode()).hexdigest())
"""


def history(seed, hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", HISTORY, seed], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_a_seed_decides_everything_in_every_process():
    assert history("1", "1") == history("1", "2")
    assert history("1", "1") != history("2", "1")
