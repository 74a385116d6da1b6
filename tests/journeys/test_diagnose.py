"""`seatrial diagnose` on a cluster: a cause with its symptoms, the fix tried and applied, no secret told, a dump read."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from live import LiveTwin
from seatrial.cli.repairing import apply
from seatrial.cluster.client import Client

pytestmark = pytest.mark.xdist_group("diagnose")

BROKEN = """
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: correct-horse-battery}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata:
      labels: {app: api}
      annotations: {sim.seatrial.dev/api: "exits_after=0.1,exit_code=3,ready_after=900"}
    spec:
      containers:
        - name: api
          image: api:1
          readinessProbe: {tcpSocket: {port: 80}, initialDelaySeconds: 600}
          command: [sh, -c, "echo cannot log in with correct-horse-battery; exit 3"]
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front}
spec:
  rules:
    - host: shop.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}
"""
MISDIRECTED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1", ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: htpp}]}
"""


@pytest.fixture(scope="module")
def cluster(start_twin: Callable[..., LiveTwin]) -> LiveTwin:
    return start_twin("diagnosed", "--simulate")


def diagnose(cluster: LiveTwin, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seatrial", "diagnose", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=cluster.environment, timeout=60)


def namespace(cluster: LiveTwin, name: str, objects: str) -> None:
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("-n", name, "apply", "-f", "-", stdin=objects)


def test_a_crash_is_the_cause_and_what_follows_from_it_stands_below(cluster: LiveTwin) -> None:
    namespace(cluster, "broken", BROKEN)
    cluster.kubectl("-n", "broken", "wait", "pod", "-l", "app=api", "--timeout=60s",
                    "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff")  # fmt: skip
    done = diagnose(cluster, "-n", "broken", "-o", "json", "--fail-on", "warning")
    assert done.returncode == 1, done.stderr
    (cause,) = json.loads(done.stdout)["causes"]
    assert cause["rule"] == "crash-exit"
    assert [one["rule"] for one in cause["symptoms"]] == ["service-no-endpoints", "ingress-unavailable"]

    shown = diagnose(cluster, "-n", "broken")
    assert "cannot log in with ***" in shown.stdout
    assert "correct-horse-battery" not in shown.stdout + shown.stderr + done.stdout

    dump = cluster.kubectl("-n", "broken", "get", "deploy,rs,pods,svc,ing,events", "-o", "json")
    saved = subprocess.run([sys.executable, "-m", "seatrial", "diagnose", "-", "-o", "json"], input=dump, capture_output=True,
                           text=True, timeout=60, env=cluster.environment)  # fmt: skip
    assert [cause["rule"] for cause in json.loads(saved.stdout)["causes"]] == ["crash-exit"]


def viewer(cluster: LiveTwin, space: str) -> Path:
    """A kubeconfig of who may see everything there, and change nothing."""
    cluster.kubectl("-n", space, "create", "serviceaccount", "viewer")
    cluster.kubectl("create", "clusterrole", "see-all", "--verb=get,list,watch", "--resource=*.*")
    cluster.kubectl("create", "clusterrolebinding", "see-all", "--clusterrole=see-all", f"--serviceaccount={space}:viewer")
    token = cluster.kubectl("-n", space, "create", "token", "viewer").strip()
    config = yaml.safe_load(Path(cluster.running.kubeconfig).read_text())
    config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
    path = Path(cluster.running.kubeconfig).with_name("viewer.yaml")
    path.write_text(yaml.safe_dump(config))
    return path


async def patched(cluster: LiveTwin, wanted: list[tuple[str, list[dict[str, Any]]]]) -> int:
    client = Client(Path(cluster.running.kubeconfig))
    try:
        return await apply(client, wanted)
    finally:
        await client.close()


def test_the_fix_is_shown_as_a_command_then_applied_and_then_nothing_is_wrong(cluster: LiveTwin) -> None:
    namespace(cluster, "misdirected", MISDIRECTED)
    cluster.kubectl("-n", "misdirected", "rollout", "status", "deployment/web", "--timeout=60s")
    shown = diagnose(cluster, "-n", "misdirected", "--fix")
    assert shown.returncode == 1
    assert "kubectl patch service web -n misdirected --type=json" in shown.stdout
    assert cluster.kubectl("-n", "misdirected", "get", "service", "web", "-o", "jsonpath={.spec.ports[0].targetPort}") == "htpp"

    assert diagnose(cluster, "-n", "misdirected", "--yes").returncode == 2, "it says what is to be applied only with --fix"

    looking = viewer(cluster, "misdirected")
    refused = diagnose(cluster, "-n", "misdirected", "--fix", "--yes", "--kubeconfig", str(looking))
    assert refused.returncode == 10
    assert "failed  Service web" in refused.stderr and "cannot patch resource" in refused.stderr
    assert f"kubectl --kubeconfig {looking} patch service web" in refused.stderr

    stale = json.loads(shlex.split(next(line for line in shown.stdout.splitlines() if line.startswith("kubectl")))[-1])
    stale[0]["value"] = "somebody else's"
    ref = {"group": "", "kind": "Service", "namespace": "misdirected", "name": "web"}
    assert asyncio.run(patched(cluster, [("Service web", [{"ref": ref, "operations": stale}])])) == 1
    assert cluster.kubectl("-n", "misdirected", "get", "service", "web", "-o", "jsonpath={.spec.ports[0].targetPort}") == "htpp"

    applied = diagnose(cluster, "-n", "misdirected", "--fix", "--yes")
    assert "mended  Service web" in applied.stderr
    assert cluster.kubectl("-n", "misdirected", "get", "service", "web", "-o", "jsonpath={.spec.ports[0].targetPort}") == "http"
    clean = diagnose(cluster, "-n", "misdirected")
    assert (clean.returncode, clean.stdout.split(" in ")[0]) == (0, "Nothing found")


def test_a_cluster_that_does_not_answer_and_a_folder_that_is_not_there_are_told(cluster: LiveTwin) -> None:
    assert "there is no 'nowhere'" in diagnose(cluster, "nowhere").stderr
    environment = cluster.environment
    gone = subprocess.run([sys.executable, "-m", "seatrial", "diagnose", "--context", "nowhere"], capture_output=True, text=True,
                          timeout=60, env=environment)  # fmt: skip
    assert gone.returncode == 2 and "nowhere" in gone.stderr
    mistyped = diagnose(cluster, "-n", "defualt")
    assert mistyped.returncode == 2 and "Did you mean 'default'?" in mistyped.stderr
