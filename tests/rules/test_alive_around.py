# ruff: noqa: E501 - objects on one line
"""What is wrong around pods that run: Services, Ingresses, nodes, claims, autoscalers, what does not end."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import seatrial.rules.alive  # noqa: F401 - enters the rules
from seatrial.rules.finding import Finding, look_at
from seatrial.world.world import World

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

READY = "{type: Ready, status: 'True'}"
POD = """{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: n, labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]},
  status: {conditions: [%s]}}"""
UP, DOWN = POD % READY, POD % "{type: Ready, status: 'False'}"
SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: n}, spec: {selector: {app: %s}, ports: [{name: http, port: 80, targetPort: %s}]}}"
INGRESS = """{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: n}, spec: {ingressClassName: nginx,
  rules: [{host: h, http: {paths: [{path: /, backend: {service: {name: %s, port: {number: %s}}}}]}}]}}"""
CONTROLLER = (
    "{apiVersion: v1, kind: Pod, metadata: {name: ic, namespace: ingress, labels: {app.kubernetes.io/name: ingress-nginx}}}"
)
DENY = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: n}, spec: {podSelector: {}, policyTypes: [Ingress]}}"
ALLOW = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: edge, namespace: n}, spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}}"
DEPLOYMENT = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: n}, spec: {replicas: %s, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}}"
NODE = "{apiVersion: v1, kind: Node, metadata: {name: n1, uid: n1}, spec: {%s}, status: {conditions: [%s]}}"
EVICTED = """{apiVersion: v1, kind: Pod, metadata: {name: logger, namespace: n}, spec: {nodeName: n1}, status: {phase: Failed, reason: Evicted,
  message: 'The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 900Mi. Container logger was using 8Gi, request is 0, has larger consumption of ephemeral-storage. '}}"""
CLAIM = (
    "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: n, uid: c}, spec: {%s}, status: {phase: %s}}"
)
CLASS = "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: standard%s}}"
DEFAULT = CLASS % ", annotations: {storageclass.kubernetes.io/is-default-class: 'true'}"
EVENT = "{apiVersion: v1, kind: Event, metadata: {name: e-%s, namespace: n}, reason: %s, message: '%s', involvedObject: {kind: %s, name: %s, namespace: n, uid: %s}}"
HPA = """{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web, namespace: n},
  spec: {maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]},
  status: {conditions: [%s], currentMetrics: [{type: Resource, resource: {name: cpu, current: {averageUtilization: 180}}}]}}"""
NAMESPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: old, deletionTimestamp: '%s'}, spec: {finalizers: [kubernetes]}, status: {phase: Terminating, conditions: [%s]}}"
REMAINING = "{type: NamespaceContentRemaining, status: 'True', message: 'Some resources are remaining: queues.example.com has 2 resource instances'}"
GOING = "{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: n, deletionTimestamp: '%s'}, spec: {nodeName: gone}}"
JOB = "{apiVersion: batch/v1, kind: Job, metadata: {name: scrape, namespace: n}, spec: {completions: 5%s}, status: {active: 1, startTime: '%s'}}"
HELM = "{apiVersion: v1, kind: Secret, type: helm.sh/release.v1, metadata: {name: sh.helm.release.v1.web.v3, namespace: n, labels: {name: web, version: '3', status: %s, modifiedAt: '%s'}}}"
BUDGET = "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, namespace: n}, status: {observedGeneration: 1, expectedPods: 2, currentHealthy: 2, desiredHealthy: 2, disruptionsAllowed: %s}}"
CERTIFICATE = "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: web, namespace: n}, status: {notAfter: '%s', conditions: [%s]}}"
TLS = "{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, metadata: {name: web, namespace: n}, data: {tls.crt: %s}}"


def ago(**time: float) -> str:
    return (NOW - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pem(days: float) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "h")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    built = built.not_valid_before(NOW - timedelta(days=90)).not_valid_after(NOW + timedelta(days=days))
    from cryptography.hazmat.primitives.serialization import Encoding

    return base64.b64encode(built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)).decode()


def found(*texts: str, **facts: Any) -> list[Finding]:
    world = World([yaml.safe_load(text) for text in texts])
    world.facts.update({"now": NOW.timestamp(), **facts})
    return [finding for obj in world for finding in look_at(world, obj, live=True)]


#: what there is -> the rules that speak, and words of the first one's title.
CASES: dict[str, tuple[list[str], list[str], str]] = {
    "a service that works": ([UP, SERVICE % ("web", 8080)], [], ""),
    "a selector that matches nobody": ([UP, SERVICE % ("wbe", 8080)], ["service-selects-nothing"], "no pod has app=wbe"),
    "pods that are not ready": ([DOWN, SERVICE % ("web", 8080)], ["service-no-endpoints"], "its only pod is not ready"),
    "a workload without pods": ([DEPLOYMENT % 2, SERVICE % ("web", 8080)], ["service-no-endpoints"], "Deployment web has no pods"),
    "a workload scaled to nothing": ([DEPLOYMENT % 0, SERVICE % ("web", 8080)], ["service-resting"], "is scaled to 0"),
    "a port by a name nobody has": ([UP, SERVICE % ("web", "grpc")], ["service-port-unknown"], "sends port 80 to 'grpc'"),
    "a port nobody declares": ([UP, SERVICE % ("web", 3000)], ["service-port-odd"], "to 3000, and its pods declare http 8080"),
    "an ingress that works": ([UP, SERVICE % ("web", 8080), INGRESS % ("web", 80)], [], ""),
    "a backend that is not there": ([UP, SERVICE % ("web", 8080), INGRESS % ("api", 80)], ["ingress-service-missing"], "answers 503 on h/: Service api"),
    "a port of the container": ([UP, SERVICE % ("web", 8080), INGRESS % ("web", 8080)], ["ingress-port-missing"], "has no port 8080"),
    "nobody ready behind it": ([DOWN, SERVICE % ("web", 8080), INGRESS % ("web", 80)], ["service-no-endpoints", "ingress-unavailable"], ""),
    "nobody listens": ([UP, SERVICE % ("web", 3000), INGRESS % ("web", 80)], ["service-port-odd", "ingress-refused"], ""),
    "a policy in between": ([UP, CONTROLLER, DENY, SERVICE % ("web", 8080), INGRESS % ("web", 80)], ["isolation-lets-nobody-in", "ingress-policy"], "NetworkPolicy deny lets no pod in"),
    "a policy that lets it through": ([UP, CONTROLLER, DENY, ALLOW, SERVICE % ("web", 8080), INGRESS % ("web", 80)], [], ""),
    "a class that is not there": ([UP, SERVICE % ("web", 8080), INGRESS % ("web", 80), "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: traefik}}"], ["ingress-class-missing"], "of class nginx"),
    "a node that is well": ([NODE % ("", READY + ", {type: DiskPressure, status: 'False'}")], [], ""),
    "a node that is silent": ([NODE % ("", "{type: Ready, status: Unknown, reason: NodeStatusUnknown, message: Kubelet stopped posting node status.}")], ["node-not-ready"], "its kubelet no longer reports"),
    "what fills a disk": ([NODE % ("", READY + ", {type: DiskPressure, status: 'True', reason: KubeletHasDiskPressure, message: kubelet has disk pressure}"), EVICTED], ["node-disk-pressure", "evicted"], "most is taken by Pod logger"),
    "a cordoned node": ([NODE % ("unschedulable: true", READY)], ["node-cordoned"], ""),
    "a pod that made room": ([EVENT % (1, "Preempted", "Preempted by pod 7 on node n1", "Pod", "low", "l")], ["evicted-preempted"], "Pod low had to make room"),
    "a claim that is bound": ([CLAIM % ("storageClassName: fast", "Bound"), CLASS % ""], [], ""),
    "a class of storage that is not there": ([CLAIM % ("storageClassName: fast", "Pending"), CLASS % ""], ["claim-class-missing"], "asks for storage class fast"),
    "… told by the event alone": ([CLAIM % ("storageClassName: fast", "Pending"), EVENT % (1, "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found', "PersistentVolumeClaim", "data", "c")], ["claim-class-missing"], ""),
    "no class and no default": ([CLAIM % ("", "Pending"), CLASS % ""], ["claim-no-default"], ""),
    "a provisioner that says no": ([CLAIM % ("storageClassName: standard", "Pending"), DEFAULT, EVENT % (1, "ProvisioningFailed", "disk quota of the account exceeded", "PersistentVolumeClaim", "data", "c")], ["claim-not-provisioned"], "disk quota of the account"),
    "a claim that waits for its first pod": ([CLAIM % ("storageClassName: standard", "Pending"), DEFAULT, EVENT % (1, "WaitForFirstConsumer", "waiting", "PersistentVolumeClaim", "data", "c")], [], ""),
    "a claim that waits": ([CLAIM % ("storageClassName: standard", "Pending"), DEFAULT], ["claim-pending"], ""),
    "a lost volume": ([CLAIM % ("", "Lost")], ["claim-lost"], ""),
    "an autoscaler without metrics": ([HPA % "{type: ScalingActive, status: 'False', reason: FailedGetResourceMetric, message: no metrics returned from resource metrics API}"], ["hpa-no-metrics"], ""),
    "pods without requests": ([HPA % "{type: ScalingActive, status: 'False', reason: FailedGetResourceMetric, message: 'failed to get cpu utilization: missing request for cpu in container c of Pod web-1'}"], ["hpa-no-request"], "no request for cpu"),
    "no target": ([HPA % "{type: AbleToScale, status: 'False', reason: FailedGetScale, message: not found}"], ["hpa-target-missing"], "there is no Deployment web"),
    "at its maximum": ([HPA % "{type: ScalingLimited, status: 'True', reason: TooManyReplicas, message: the desired replica count is more than the maximum replica count}"], ["hpa-at-maximum"], "maximum of 5"),
    "an autoscaler that rests": ([HPA % "{type: ScalingActive, status: 'False', reason: ScalingDisabled, message: replicas is 0}"], [], ""),
    "a budget without room": ([BUDGET % 0], ["budget-allows-none"], "2 of 2 pods are healthy, 2 have to be"),
    "a budget with room": ([BUDGET % 1], [], ""),
    "a namespace that does not end": ([NAMESPACE % (ago(seconds=5), REMAINING)], ["namespace-stuck"], "queues.example.com has 2"),
    "a namespace that is ending": ([NAMESPACE % (ago(seconds=5), "")], [], ""),
    "a pod that does not end": ([GOING % ago(minutes=10)], ["pod-stuck"], "on node gone"),
    "a pod that is ending": ([GOING % ago(seconds=-20)], [], ""),
    "a job for ever": ([JOB % ("", ago(days=3))], ["job-forever"], "runs for 3 days"),
    "a job with a bound": ([JOB % (", activeDeadlineSeconds: 60", ago(days=3))], [], ""),
    "a release that is stuck": ([HELM % ("pending-upgrade", f"{NOW.timestamp() - 900:.0f}")], ["helm-stuck"], "revision 3 has been pending-upgrade for 15 minutes"),
    "a release under way": ([HELM % ("pending-upgrade", f"{NOW.timestamp() - 9:.0f}")], [], ""),
    "a release that is out": ([HELM % ("deployed", "1")], [], ""),
    "a certificate that is good": ([CERTIFICATE % (ago(days=-60), READY), TLS % pem(60)], [], ""),
    "a certificate that ends soon": ([CERTIFICATE % (ago(days=-3), READY)], ["certificate-expires"], "expires in 3 days"),
    "a certificate that is over": ([TLS % pem(-2)], ["certificate-expired"], "expired 2 days ago"),
    "a certificate that is masked": ([TLS % "'***'"], [], ""),
    "a certificate that is not issued": ([CERTIFICATE % (ago(days=-60), "{type: Ready, status: 'False', reason: DoesNotExist, message: issuer not found}")], ["certificate-not-issued"], "issuer not found"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_found(case: str) -> None:
    texts, rules, words = CASES[case]
    findings = found(*texts)
    assert [one.rule for one in findings] == rules, [one.title for one in findings]
    assert words in (findings[0].title if findings else "")
    for one in findings:
        assert one.evidence and one.fix and one.cause and one.refs


def test_the_nearest_pod_shows_which_label_differs() -> None:
    (finding,) = found(UP, SERVICE % ("wbe", 8080))
    assert finding.evidence[1].text == "nearest is web-1: app is web"


def test_without_the_time_nothing_is_said_of_what_takes_long() -> None:
    assert found(GOING % ago(days=1), JOB % ("", ago(days=3)), TLS % pem(-2), now=None) == []


CRASHED = """{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: n}, spec: {containers: [{name: c}]}, status: {containerStatuses:
  [{name: c, ready: true, restartCount: 3, state: {running: {startedAt: '%s'}}, lastState: {terminated: {exitCode: 1, finishedAt: '%s'}}}]}}"""


def test_a_container_between_two_crashes_is_no_healthy_one() -> None:
    assert [one.rule for one in found(CRASHED % (ago(seconds=1), ago(seconds=20)))] == ["crash-exit"]
    assert found(CRASHED % (ago(minutes=30), ago(minutes=31))) == []
    assert found(CRASHED % (ago(seconds=1), ago(seconds=20)), now=None) == [], "a release waits for what comes next"


RECORD = "{apiVersion: v1, kind: Secret, type: helm.sh/release.v1, metadata: {name: sh.helm.release.v1.web.v%s, namespace: n, labels: {name: web, version: '%s', status: %s, modifiedAt: '1'}}}"


def test_the_way_out_of_a_stuck_release_is_a_command() -> None:
    fixes = {
        "`helm rollback web 2 -n n`": [(1, "superseded"), (2, "deployed"), (3, "pending-upgrade")],
        "`helm uninstall web -n n`: no revision was ever deployed": [(1, "pending-install")],
        "`helm uninstall web -n n`, to its end": [(1, "superseded"), (2, "uninstalling")],
    }
    for words, records in fixes.items():
        (finding,) = found(*(RECORD % (version, version, state) for version, state in records))
        assert words in finding.fix


def test_what_is_left_in_a_namespace_can_be_looked_for() -> None:
    (finding,) = found(NAMESPACE % (ago(seconds=5), REMAINING))
    assert "`kubectl get queues.example.com -n old`" in finding.fix
