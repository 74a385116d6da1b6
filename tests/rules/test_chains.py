# ruff: noqa: E501 - rows of a table
"""One fault, played in virtual time until an Ingress answers 503: the diagnosis tells the fault once, and the rest as what follows.

Some faults can be read in the objects (`written`), some only be seen; either way the last thing anybody would look at is first.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

import seatrial.rules.alive  # noqa: F401 - enters the rules
from seatrial.rules.causes import Cause, causes
from seatrial.rules.explaining import behind
from seatrial.rules.finding import RULES, Finding
from seatrial.rules.looking import found
from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.world.objects import Ref, ref_of
from seatrial.world.world import LogKey, World

MI = 1 << 20
SHOP = """\
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: api, namespace: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {LEVEL: info}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  replicas: 2
  progressDeadlineSeconds: 60
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      serviceAccountName: api
      containers:
        - name: api
          image: nginx:1.27
          ports: [{name: http, containerPort: 3000}]
          env: [{name: LEVEL, valueFrom: {configMapKeyRef: {name: settings, key: LEVEL}}}]
          resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 64Mi}}
          readinessProbe: {httpGet: {path: /ready, port: http}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop}
spec:
  ingressClassName: nginx
  rules:
    - host: shop.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {name: http}}}}]}
"""
DATABASE = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: 'registry.example/db:16', ports: [{containerPort: 5432}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {selector: {app: db}, ports: [{port: 5432}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
"""
QUOTA = "---\n{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: shop}, spec: {hard: {pods: '0'}}}\n"
CLAIM = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\nspec: {accessModes: [ReadWriteMany], storageClassName: fst, resources: {requests: {storage: 1Gi}}}\n"
URL = (
    "env: [{name: LEVEL,",
    "env: [{name: DATABASE_URL, value: 'postgres://db.shop.svc.cluster.local:5432/shop'}, {name: LEVEL,",
)
HEAP = ("env: [{name: LEVEL,", "env: [{name: JAVA_TOOL_OPTIONS, value: '-Xmx512m'}, {name: LEVEL,")
READ_ONLY = ("          readinessProbe", "          securityContext: {readOnlyRootFilesystem: true}\n          readinessProbe")
VOLUME = ("      containers:", "      volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]\n      containers:")
RESTRICTED = ("metadata: {name: shop}}", "metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted}}}")
ACCOUNT = ("{apiVersion: v1, kind: ServiceAccount, metadata: {name: api, namespace: shop}}\n---\n", "")

EATS = Profile(memory=((0.0, 40 * MI), (2.0, 120 * MI)))
TIMED_OUT = Profile(
    exits_after=3,
    exit_code=1,
    lines=(
        (
            2.9,
            'could not connect to server: Connection timed out. Is the server running on host "db.shop.svc.cluster.local" and accepting TCP/IP connections on port 5432?',
        ),
    ),
)
CANNOT_WRITE = Profile(
    exits_after=1,
    exit_code=1,
    lines=((0.5, 'nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)'),),
)

#: what is wrong -> the words that are changed, what is added, how the container behaves, the rule of the cause.
CHAINS: dict[str, tuple[tuple[str, str], str, Profile, str]] = {
    "a probe names a port that is not there": (("path: /ready, port: http", "path: /ready, port: web"), "", Profile(), "probe-port-unknown"),
    "a probe asks a port on which nobody listens": (("path: /ready, port: http", "path: /ready, port: 3001"), "", Profile(), "probe-port"),
    "the heap is larger than the limit": (HEAP, "", EATS, "heap-over-limit"),
    "the limit is too small": (("", ""), "", EATS, "crash-oom"),
    "a policy cuts the call to the database": (URL, DATABASE, TIMED_OUT, "policy-peer-nobody"),
    "it must write and may not": (READ_ONLY, "", CANNOT_WRITE, "read-only-root-writes"),
    "a key is not in the ConfigMap": (("name: settings, key: LEVEL", "name: settings, key: LOG_LEVEL"), "", Profile(), "config-key-missing"),
    "the service account does not exist": (ACCOUNT, "", Profile(), "refused-service-account"),
    "the namespace is restricted": (RESTRICTED, "", Profile(), "refused-pod-security"),
    "the quota is full": (("", ""), QUOTA, Profile(), "refused-quota"),
    "the claim asks for a class that is not there": (VOLUME, CLAIM, Profile(), "claim-class-missing"),
}  # fmt: skip


def played(change: tuple[str, str], more: str, profile: Profile) -> World:
    """What a diagnosis sees three minutes after everything was applied."""
    wrong, instead = change
    assert wrong in SHOP
    clock = VirtualClock()
    runtime = SimulatedRuntime(clock, lambda _image, spec: profile if spec is not None and spec.name == "api" else None)
    cluster = Cluster(clock, runtime, [NodeSpec("node-a", cpu="4", memory="16Gi")], seed=1, track_fields=False)
    cluster.start()
    clock.run_for(1)
    objects = list(yaml.safe_load_all((SHOP.replace(wrong, instead) if wrong else SHOP) + more))
    for obj in sorted(objects, key=lambda one: one["kind"] != "Namespace" and one["kind"] != "ResourceQuota"):
        kind = cluster.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
        assert kind is not None
        cluster.registry.create(kind.id, obj)
    clock.run_for(180)
    kinds = [resource for resource in cluster.registry.resources if "list" in resource.verbs]
    world = World(obj for resource in kinds for obj in cluster.registry.list(resource.id))
    world.facts |= {"now": clock.now(), "autoscaler": ""}
    for pod in world.of("Pod"):
        for status in pod.get("status", {}).get("containerStatuses", ()):
            run = status["restartCount"]
            for previous in (False, True)[: run + 1]:
                lines = runtime.log_text(pod["metadata"]["uid"], status["name"], run - previous)
                world.logs[LogKey(ref_of(pod), status["name"], previous)] = lines.splitlines()
    cluster.stop()
    return world


def diagnosed(world: World) -> list[Cause]:
    seen = found(world, live=True)
    return causes(world, seen, behind(world, seen))


@pytest.mark.parametrize("name", CHAINS)
def test_the_fault_is_the_cause_and_the_503_at_the_ingress_is_what_follows(name: str) -> None:
    change, more, profile, rule = CHAINS[name]
    told = diagnosed(played(change, more, profile))
    assert [one.finding.rule for one in told if one.finding.severity == "error"] == [rule]
    below = [one.rule for one in told[0].symptoms]
    assert below[-2:] == ["service-no-endpoints", "ingress-unavailable"]


def test_what_is_written_wrong_and_does_no_harm_is_not_told() -> None:
    """The heap is too large, and nothing was killed: that is for `check`."""
    assert diagnosed(played(HEAP, "", Profile())) == []


def test_a_warning_that_has_come_true_is_as_grave_as_what_came_of_it() -> None:
    written = Finding("heap-tight", "warning", "Deployment api: leaves little beside its heap", (DEPLOYMENT,))
    seen = Finding("crash-oom", "error", "container api of Deployment api is killed", (DEPLOYMENT,))
    (cause,) = causes(World(), [seen], [written])
    assert (cause.finding.rule, cause.finding.severity, cause.symptoms) == ("heap-tight", "error", (seen,))


def test_what_cannot_work_explains_what_is_only_noted_yet_and_all_that_follows() -> None:
    """Seconds after the start: a probe that has not passed is no fault, unless it never can."""
    written = Finding(
        "probe-port-unknown", "error", "Deployment api, container api: probes a port it does not have", (DEPLOYMENT,)
    )
    noted = Finding("probe-fails", "note", "the probe has not passed yet", (DEPLOYMENT,))
    late = Finding("deadline-exceeded", "error", "no progress", (DEPLOYMENT,))
    assert [one.finding for one in causes(World(), [noted, late])] == [late, noted]
    (cause,) = causes(World(), [noted, late], [written])
    assert (cause.finding, set(cause.symptoms)) == (written, {noted, late})


def test_what_is_written_of_one_container_explains_no_other() -> None:
    written = Finding(
        "heap-over-limit", "error", "Deployment api, container app: has a heap as large as its limit", (DEPLOYMENT,)
    )
    seen = Finding(
        "crash-oom", "error", "container proxy of Deployment api is killed", (DEPLOYMENT,), details={"container": "proxy"}
    )
    assert [one.finding for one in causes(World(), [seen], [written])] == [seen]


def test_a_crash_explains_the_deadline_before_what_is_written_of_the_rollout_does() -> None:
    written = Finding("rollout-stuck", "error", "Deployment api: cannot replace a pod", (DEPLOYMENT,))
    crash = Finding("crash-exit", "error", "container api of Deployment api ends", (DEPLOYMENT,))
    late = Finding("deadline-exceeded", "error", "Deployment api has made no progress", (DEPLOYMENT,))
    (cause,) = causes(World(), [late, crash], [written])
    assert cause.finding == crash and cause.symptoms == (late,)
    assert causes(World(), [late], [written])[0].finding == written


def test_every_rule_that_explains_or_is_explained_is_in_the_table_of_rules() -> None:
    from fnmatch import filter as matching

    from seatrial.rules.explaining import EXPLAINS

    wrong: list[Any] = [rule for rule in EXPLAINS if rule not in RULES]
    wrong += [glob for globs in EXPLAINS.values() for glob in globs if not matching(RULES, glob)]
    assert not wrong


DEPLOYMENT = Ref("apps", "Deployment", "shop", "api")
