# ruff: noqa: E501 - rows of a table
"""Faults of published labs, flow charts and chaos experiments, played in virtual time, and two that stand side by side.

A cause that can be named is named first; what follows from it is below it and nowhere else; and of two causes that have nothing
to do with each other, neither is hidden behind the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from breaking import Broken, claim, deployment, diagnosed, ends, played, policy, repeats, service, thing

from seatrial.rules.causes import Cause, causes
from seatrial.rules.explaining import behind
from seatrial.rules.looking import found
from seatrial.twin.clock import VirtualClock
from seatrial.twin.kubelet.profiles import Profile

MI = 1 << 20
HTTP = "ports: [{containerPort: 8080}]"
PROBED = f"{HTTP}, readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 5}}"
KILLED = f"{HTTP}, livenessProbe: {{httpGet: {{path: /warm, port: 8080}}, periodSeconds: 5, failureThreshold: 2}}"
OVEN = deployment("oven", HTTP) + service("oven")
STORE = deployment("store", "ports: [{containerPort: 5432}]") + service("store", 5432, port=5432)
CALLS = "env: [{name: OVEN_URL, value: 'http://oven'}]"
REFUSED = ends("INFO starting", "Error: connect ECONNREFUSED store:5432")
GROWS = Profile(memory=((0.0, 40 * MI), (2.0, 120 * MI)))
ONTO = 'OCI runtime create failed: runc create failed: unable to start container process: error during container init: error mounting "/var/lib/kubelet/pods/1b/volume-subpaths/conf/oven/0" to rootfs at "/etc/oven.yaml": not a directory: unknown'
DNS = (
    deployment("names", "ports: [{containerPort: 53}]")
    .replace("bakery", "kube-system")
    .replace("{app: names}", "{app: names, k8s-app: kube-dns}")
)
LIMIT = "resources: {limits: {memory: 64Mi}}"


def front(name: str, port: int = 80, *, called: str = "front") -> str:
    backend = f"backend: {{service: {{name: {name}, port: {{number: {port}}}}}}}"
    return thing(
        "networking.k8s.io/v1",
        "Ingress",
        called,
        f"spec: {{rules: [{{host: bakery.example.com, http: {{paths: [{{path: /, pathType: Prefix, {backend}}}]}}}}]}}",
    )


ONE: dict[str, Broken] = {
    # where a process listens, as its log says
    "it listens for itself alone": Broken(
        deployment("oven", PROBED) + service("oven") + front("oven"), "probe-port", ("listens on 127.0.0.1 only", "0.0.0.0:8080", "* Running on http://127.0.0.1:8080"),
        {"oven": Profile(ports=frozenset(), lines=((0.5, " * Running on http://127.0.0.1:8080 (Press CTRL+C to quit)"),))}),
    "it listens on another port than it is asked at": Broken(
        deployment("oven", PROBED) + service("oven"), "probe-port", ("asks port 8080", "listens on 3000", "Let the probe ask port 3000"),
        {"oven": Profile(ports=frozenset({3000}), lines=((0.5, "Server listening on port 3000"),))}),
    "its liveness probe kills it where it does not listen": Broken(
        deployment("oven", KILLED), "probe-kills", ("it asks port 8080, and the process listens on 9000",), {"oven": Profile(ports=frozenset({9000}), lines=((0.5, "Uvicorn running on http://0.0.0.0:9000"),))}),
    "callers are refused, as its pods listen elsewhere": Broken(
        deployment("counter", CALLS) + OVEN, "traffic-fails", ("its pods listen on 9001", "Let targetPort of Service oven be 9001"),
        {"counter": repeats("ERROR connect ECONNREFUSED oven:80"), "oven": Profile(lines=((0.5, "Serving HTTP on 0.0.0.0 port 9001 (http://0.0.0.0:9001/) ..."),))}),
    # the last words of what ends
    "it says why in its termination message": Broken(
        deployment("oven"), "crash-exit", ("exit code 4: proofing time must not be negative",), {"oven": Profile(exits_after=1, exit_code=4, exit_message="proofing time must not be negative")}),
    "it says nothing at all": Broken(
        deployment("oven", "command: [/bin/bake, --hot]"), "crash-exit", ("it printed nothing; its command: /bin/bake --hot", "kubectl debug"), {"oven": Profile(exits_after=1, exit_code=1)}),
    "its last line is an ordinary one": Broken(deployment("oven"), "crash-exit", ("it said last: giving up",), {"oven": ends("warming up", "giving up")}),
    "a folder is mounted over a file": Broken(deployment("oven"), "crash-mount", ("subPath",), {"oven": Profile(start_error=ONTO)}),
    # names
    "a script waits for a Service that is not there": Broken(
        deployment("oven", pod="initContainers: [{name: wait, image: 'registry.example/tools:1', command: [sh, -c, 'until nc -z -w 1 store 5432; do sleep 2; done']}]"),
        "traffic-unknown-host", ("calls store", "Services of bakery: none"), {"wait": repeats("not yet")}),
    "a variable says a name that nobody has": Broken(
        deployment("shop", "env: [{name: STORE_HOST, value: store-live}]") + STORE, "traffic-unknown-host", ("store-live is what its variable STORE_HOST says", "nearest is store"),
        {"shop": ends('could not translate host name "store-live" to address: Name or service not known', "FATAL: no store, exiting")}),
    "names are not answered though they are there": Broken(
        deployment("counter", CALLS) + OVEN, "traffic-fails", ("though Service oven is there: DNS does not answer", "k8s-app=kube-dns"), {"counter": repeats("Error: getaddrinfo EAI_AGAIN oven")}),
    "an address is asked, and no answer comes in time": Broken(
        deployment("counter", CALLS) + OVEN, "traffic-fails", ("gets no answer from oven:80",),
        {"counter": repeats("ERROR GET http://oven/bread: context deadline exceeded (Client.Timeout exceeded while awaiting headers)")}),
    "paths are rewritten to a group that they do not have": Broken(
        OVEN + front("oven").replace("metadata: {name: front", "metadata: {annotations: {nginx.ingress.kubernetes.io/rewrite-target: /$2}, name: front").replace("path: /,", "path: /api/(.*),"),
        "ingress-rewrite", ("has no group 2",)),
    "what a cluster says is no template": Broken(deployment("oven", "command: [bake, '$OVEN_HEAT']"), "crash-command-not-found", ("$PATH",), {"oven": Profile(start_error='exec: "bake": executable file not found in $PATH; <nil>')}),
}  # fmt: skip


@pytest.mark.parametrize("fault", ONE)
def test_the_fault_is_named_first_in_words_that_say_what_to_do(fault: str) -> None:
    broken = ONE[fault]
    told = diagnosed(broken)
    first = told[0].finding
    assert first.rule == broken.rule, [(one.finding.rule, one.finding.title) for one in told]
    said = "\n".join([first.title, first.fix, *(fact.text for fact in first.evidence)])
    for words in broken.words:
        assert words in said, said


@dataclass(frozen=True)
class Chain:
    """What is applied, and the rules of all causes that are told, gravest first; whatever else is found is below them."""

    applied: str
    rules: tuple[str, ...]
    does: Mapping[str, Profile]
    missing: tuple[str, ...] = ()  # images that are not there


SEVERAL: dict[str, Chain] = {
    "a full quota is no reason why the pod that is there has no image": Chain(
        thing("v1", "ResourceQuota", "team", "spec: {hard: {pods: '1'}}") + deployment("oven", replicas=3), ("image-not-found", "refused-quota"), {}, ("oven",)),
    "a store without memory stops the shop; the worker has no image": Chain(
        STORE.replace("5432}]", "5432}], " + LIMIT, 1) + deployment("shop", HTTP) + service("shop") + front("shop") + deployment("worker"),
        ("crash-oom", "image-not-found"), {"store": GROWS, "shop": REFUSED}, ("worker",)),
    "a claim without a class stops the store, and that the shop": Chain(
        deployment("store", "volumeMounts: [{name: d, mountPath: /d}]", "volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]") + service("store", 5432, port=5432)
        + claim("data", "accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 1Gi}}") + deployment("shop", HTTP) + service("shop") + front("shop"),
        ("claim-class-missing",), {"shop": REFUSED}),
    "a store that is scaled to nothing stops the shop": Chain(
        STORE.replace("replicas: 1", "replicas: 0") + deployment("shop", HTTP) + service("shop") + front("shop"), ("service-resting",), {"shop": REFUSED}),
    "the cluster's names are not answered, as their server crashes": Chain(
        DNS + deployment("counter", CALLS) + OVEN, ("crash-exit",), {"names": ends("plugin/forward: no nameservers"), "counter": repeats("Error: getaddrinfo EAI_AGAIN oven")}),
    "two containers of a pod fail each in its way": Chain(
        deployment("oven").replace("containers: [{", "containers: [{name: side, image: 'registry.example/side:1'}, {"), ("crash-config", "crash-exit"),
        {"oven": ends("panic: no gas", code=2), "side": ends("Error: required environment variable TOKEN is not set")}),
    "the pods are not ready, and the Ingress names a wrong port besides": Chain(
        OVEN + front("oven", 8081), ("crash-exit", "ingress-port-missing"), {"oven": ends("panic: no flour", code=2)}),
    "a liveness probe kills what waits for a name that is not there": Chain(
        deployment("oven", KILLED), ("traffic-unknown-host",), {"oven": Profile(ready_after=1e9, lines=tuple((turn, "waiting: dial tcp: lookup store on 10.96.0.10:53: no such host") for turn in range(9)))}),
}  # fmt: skip


@pytest.mark.parametrize("chain", SEVERAL)
def test_every_cause_is_told_once_and_none_hides_behind_another(chain: str) -> None:
    case = SEVERAL[chain]
    images = {f"registry.example/{name}:1": "manifest unknown" for name in case.missing}
    told = diagnosed(Broken(case.applied, "", does=case.does, images=images, seconds=150))
    assert tuple(one.finding.rule for one in told) == case.rules, [(one.finding.rule, one.finding.title) for one in told]


MESH = {
    "a route to a subset that nobody defines": ("http: [{route: [{destination: {host: oven, subset: v2}}]}]", "missing-subset"),
    "a route to a Service that is not there": ("http: [{route: [{destination: {host: ovens}}]}]", "missing-service"),
    "a route to what is there": ("http: [{route: [{destination: {host: oven, port: {number: 80}}}]}]", ""),
}


@pytest.mark.parametrize("case", MESH)
def test_a_route_of_the_mesh_that_leads_nowhere_is_told_though_no_pod_shows_it(case: str) -> None:
    route, rule = MESH[case]
    world = played(Broken(OVEN, "", seconds=70))
    world.put(yaml.safe_load(thing("networking.istio.io/v1", "VirtualService", "oven", f"spec: {{hosts: [oven], {route}}}")))
    seen = found(world, live=True)
    told: list[Cause] = causes(world, seen, behind(world, seen))
    assert [(one.finding.rule, one.finding.severity) for one in told] == ([(rule, "error")] if rule else [])


#: Errors of a start, which give their times; since it is ready it has said nothing.
BEGUN = datetime.fromtimestamp(VirtualClock().now(), UTC)
LATE = tuple(
    (float(second), f"{BEGUN + timedelta(seconds=second + 3):%Y-%m-%dT%H:%M:%SZ} ERROR no gas yet") for second in range(1, 25)
)
STARTS = replace(repeats("INFO order served"), ready_after=30)
WELL = {
    "pods that have just been made": Broken(deployment("oven", PROBED) + service("oven") + front("oven"), "", does={"oven": STARTS}, seconds=15),
    "a start that its startupProbe allows": Broken(
        deployment("oven", f"{HTTP}, startupProbe: {{tcpSocket: {{port: 8080}}, failureThreshold: 30}}"), "", does={"oven": replace(STARTS, ready_after=200)}, seconds=100),
    "errors of a start that are over": Broken(deployment("oven", PROBED), "", does={"oven": Profile(lines=LATE, ready_after=28)}, seconds=100),
    "a store that may call nobody, and has a policy that says so": Broken(
        STORE + policy("store", "store", "policyTypes: [Ingress, Egress], ingress: [{}]")
        + thing("networking.k8s.io/v1", "NetworkPolicy", "closed", "spec: {podSelector: {}, policyTypes: [Ingress, Egress]}"), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", WELL)
def test_what_is_on_its_way_or_was_meant_is_a_note_at_most(case: str) -> None:
    assert [one.finding.title for one in diagnosed(WELL[case]) if one.finding.severity != "note"] == []
