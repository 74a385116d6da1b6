"""Loading a world of 20 MB with the line of every object, beside PyYAML's C loader on the same bytes, in one run; and its graph.

Three trees, each of random names and values so that no document is another's copy: manifests as people write them (several a
file, comments, scripts in ConfigMaps, a few documents that only YAML 1.1 knows), a dump as `kubectl get -o yaml` writes it (one
List, with status and managed fields), and the same as JSON.  PyYAML only parses: it keeps no lines and makes no world.  Seconds
are of the processor, so that what else runs on the machine does not count: ours the best of two runs, around PyYAML's one.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from seatrial.sources import load
from seatrial.world.objects import ref_of

SIZE = 20_000_000
SERVICE = """\
# {name}: {words}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{app.kubernetes.io/name: {name}, team: {team}}}
  annotations:
    checksum/config: {digest}
    prometheus.io/scrape: "true"
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate: {{maxSurge: 25%, maxUnavailable: 0}}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
        team: {team}
    spec:
      serviceAccountName: {name}
      containers:
        - name: {name}
          image: registry.example.com/{team}/{name}:1.{replicas}.{port}
          args: ["--port", "{port}", "--level=info"]
          ports:
            - name: http
              containerPort: {port}  # where it listens
          env:
            - name: DATABASE_URL
              value: postgres://{name}@db.{namespace}.svc.cluster.local:5432/{team}
            - name: API_KEY
              valueFrom:
                secretKeyRef:
                  name: {name}
                  key: api-key
          envFrom:
            - configMapRef:
                name: {name}
          resources:
            requests:
              cpu: {replicas}00m
              memory: 128Mi
            limits:
              memory: {port}Mi
          livenessProbe:
            httpGet: {{path: /healthz, port: http}}
            periodSeconds: 10
      volumes:
        - name: tmp
          emptyDir: {{}}
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: {namespace}
data:
  LEVEL: info
  GREETING: "{words}"
  start.sh: |
    #!/bin/sh
    set -eu
    echo "{words}"
    if [ -n "$1" ]; then
      exec {name} --team {team} --digest {digest}
    fi
  words.txt: |-
    {words}
    {words}
---
"""
#: A document that only the careful way reads: an anchor, a folded text, a date.
ODD = """\
apiVersion: v1
kind: ConfigMap
metadata: &meta
  name: odd-{name}
  namespace: {namespace}
  labels: {{since: 2024-01-0{digit}}}
data:
  text: >-
    {words}
    {words}
---
"""


def facts(chance: random.Random) -> dict[str, object]:
    letters = "abcdefghijklmnopqrstuvwxyz"

    def word(length: int) -> str:
        return "".join(chance.choices(letters, k=length))

    return {
        "name": f"{word(8)}-{word(5)}",
        "namespace": f"team-{chance.randrange(40)}",
        "team": word(7),
        "words": " ".join(word(chance.randrange(3, 9)) for _ in range(8)),
        "digest": f"{chance.getrandbits(256):064x}",
        "replicas": chance.randrange(1, 10),
        "port": chance.randrange(1024, 9999),
        "digit": chance.randrange(1, 10),
    }


def manifests(chance: random.Random) -> Iterator[str]:
    """Files of about 100 kB."""
    total = 0
    while total < SIZE:
        parts: list[str] = []
        while sum(map(len, parts)) < 100_000:
            told = facts(chance)
            parts.append(SERVICE.format(**told))
            if chance.random() < 0.05:
                parts.append(ODD.format(**told))
        text = "".join(parts)
        total += len(text)
        yield text


def pod(chance: random.Random) -> dict[str, object]:
    """A pod as a cluster answers it, with status and managed fields."""
    told = facts(chance)
    labels = {"app": told["team"], "pod-template-hash": str(told["digest"])[:10]}
    seen = f"2026-11-{chance.randrange(10, 28)}T08:{chance.randrange(10, 60)}:00Z"
    fields = {f"f:{key}": {} for key in ("image", "name", "ports", "resources", "env")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": told["name"], "namespace": told["namespace"], "labels": labels, "creationTimestamp": seen,
            "managedFields": [{"apiVersion": "v1", "manager": "kubectl", "fieldsV1": {"f:spec": fields}}],
            "resourceVersion": str(chance.randrange(10**9)), "uid": str(told["digest"])[:36],
        },
        "spec": {
            "containers": [{"name": "main", "image": f"registry.example.com/{told['team']}:{told['port']}", "env": [
                {"name": "GREETING", "value": told["words"]}], "ports": [{"containerPort": told["port"], "protocol": "TCP"}]}],
            "nodeName": f"node-{chance.randrange(200)}", "terminationGracePeriodSeconds": 30,
        },
        "status": {"phase": "Running", "podIP": f"10.{chance.randrange(255)}.{chance.randrange(255)}.7", "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": seen} for kind in ("Initialized", "Ready", "PodScheduled")]},
    }  # fmt: skip


def dump(chance: random.Random, write: Callable[[object], str]) -> str:
    count = SIZE // len(write([pod(chance)]))
    return write({"apiVersion": "v1", "kind": "List", "items": [pod(chance) for _ in range(count)], "metadata": {}})


def as_yaml(data: object) -> str:
    return str(yaml.dump(data, Dumper=yaml.CSafeDumper, width=10_000))


def timed(action: Callable[[], object]) -> float:
    """Seconds of the processor: what others do on the machine meanwhile does not count."""
    start = time.process_time()
    action()
    return time.process_time() - start


def compare(what: str, folder: Path) -> None:
    texts = [path.read_bytes() for path in sorted(folder.iterdir())]
    megabytes = sum(map(len, texts)) / 1e6

    def world_of() -> int:
        return len(load([str(folder)]).world)

    def peer() -> int:
        return sum(len(list(yaml.load_all(text, Loader=yaml.CSafeLoader))) for text in texts)

    ours, theirs = [], []
    for action, into in ((world_of, ours), (peer, theirs), (world_of, ours)):
        into.append(timed(action))
    world = load([str(folder)]).world
    lines = timed(lambda: [world.place(ref_of(obj)) for obj in world])
    print(f"{what:34} {megabytes:5.1f} MB, {len(world):6} objects")
    print(f"  seatrial, a world with lines     {megabytes / min(ours):6.1f} MB/s   ({min(ours):.2f} s)")
    print(f"  PyYAML CSafeLoader, plain data   {megabytes / min(theirs):6.1f} MB/s   ({min(theirs):.2f} s)")
    print(f"  ratio {min(theirs) / min(ours):.1f}; the line of every object {lines:.2f} s", end="; ")
    print(f"its graph {timed(lambda: world.graph.dangling()):.2f} s, {sum(1 for _ in world.graph)} references")


def main() -> int:
    chance = random.Random(20)
    gc.disable()  # as loading does for itself: the peer shall not pay for it either
    with tempfile.TemporaryDirectory() as scratch:
        for what, name, parts in (
            ("manifests, 5 % of them odd", "manifests", manifests(chance)),
            ("kubectl get -o yaml", "yaml", [dump(chance, as_yaml)]),
            ("kubectl get -o json", "json", [dump(chance, lambda data: json.dumps(data, indent=4))]),
        ):
            folder = Path(scratch, name)
            folder.mkdir()
            for number, text in enumerate(parts):
                (folder / f"{number:04}.{'json' if name == 'json' else 'yaml'}").write_text(text)
            compare(what, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
