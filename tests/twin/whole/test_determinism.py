"""With the virtual clock a run is the same for a seed, whatever order Python's hashing gives its sets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HISTORY = '''
import hashlib, logging, sys
import orjson, yaml
from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.simulated import SimulatedRuntime

logging.disable(logging.CRITICAL)
OBJECTS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: default}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 9
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: web, readinessProbe: {httpGet: {port: 80}}, resources: {requests: {cpu: 100m}}}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: db}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: default}
spec:
  completions: 3
  parallelism: 2
  template:
    metadata: {annotations: {sim.seatrial.dev/c: "exits_after=3,exit_code=1,good_after=1"}}
    spec: {restartPolicy: OnFailure, containers: [{name: c, image: job}]}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: default, annotations: {sim.seatrial.dev/s0-prometheus: "1200"}}
spec:
  scaleTargetRef: {name: web}
  maxReplicaCount: 14
  triggers: [{type: prometheus, metadata: {threshold: "100"}}]
"""
clock = VirtualClock()
runtime = SimulatedRuntime(clock, lambda image, spec: Profile(ready_after=1.0))
nodes = [NodeSpec(f"node-{n}", cpu="2", memory="4Gi", zone="abc"[n % 3]) for n in range(6)]
cluster = Cluster(clock, runtime, nodes, seed=int(sys.argv[1]), operators=["keda"])
digest, changes = hashlib.sha256(), [0]

def note(change):
    changes[0] += 1
    said = (clock.now(), change.type, change.resource, change.object)
    digest.update(orjson.dumps(said))

cluster.store.subscribe(None, note)
cluster.start()
clock.run_for(2)
for obj in yaml.safe_load_all(OBJECTS):
    cluster.registry.create(cluster.registry.resources.of_kind(obj["apiVersion"], obj["kind"]).id, obj)
clock.run_for(40)
web = orjson.loads(orjson.dumps(cluster.registry.get("deployments.apps", "default", "web")))
web["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
cluster.registry.update("deployments.apps", web)
clock.run_for(30)
cluster.remove_node("node-2")
clock.run_for(60)
cluster.registry.delete("statefulsets.apps", "default", "db", propagation="Foreground")
clock.run_for(60)
print(changes[0], digest.hexdigest())
'''


def history(seed: int, hashing: int) -> tuple[int, str]:
    """(how many changes of the store there were, a digest of all of them with their times)."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hashing)}
    ran = subprocess.run([sys.executable, "-c", HISTORY, str(seed)], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    changes, digest = ran.stdout.split()
    return int(changes), digest


@pytest.fixture(scope="module")
def first() -> tuple[int, str]:
    return history(seed=7, hashing=1)


def test_two_runs_with_one_seed_have_the_same_history(first: tuple[int, str]):
    assert first[0] > 500
    assert history(seed=7, hashing=2) == first


def test_another_seed_has_another_history(first: tuple[int, str]):
    assert history(seed=8, hashing=1)[1] != first[1]
