# ruff: noqa: E501 - rows of a table
"""Faults that people are taught to find, played in virtual time: the diagnosis names each one first, with what proves it."""

from __future__ import annotations

import pytest
from breaking import Broken, claim, deployment, diagnosed, ends, policy, repeats, service, thing

from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile

HTTP = "ports: [{containerPort: 8080}]"
OVEN = deployment("oven", HTTP) + service("oven")
COUNTER = "env: [{name: OVEN_URL, value: 'http://oven'}]"
NO_ADDRESS = "curl: (6) Could not resolve host: %s"
NO_ANSWER = "curl: (28) Failed to connect to oven port 80 after 5002 ms: Timeout was reached"
DENIED = 'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:bakery:taster" cannot list resource "pods" in API group "" in the namespace "bakery"'
WATCHED = deployment("watch", pod="serviceAccountName: taster") + thing("v1", "ServiceAccount", "taster", "")
FLOUR = "volumeMounts: [{name: flour, mountPath: /flour}]"
SACK = "volumes: [{name: flour, persistentVolumeClaim: {claimName: flour}}]"
DISK = "spec: {storageClassName: shelf, accessModes: [ReadWriteOnce], capacity: {storage: %s}, hostPath: {path: /shelf}%s}"
ROLE = thing("rbac.authorization.k8s.io/v1", "Role", "taster", 'rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]')


def bound(account: str) -> str:
    subject = f"subjects: [{{kind: ServiceAccount, name: {account}, namespace: bakery}}]"
    return thing(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "taster",
        f"{subject}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: taster}}",
    )


def probe(kind: str, rest: str) -> str:
    return f"{HTTP}, {kind}Probe: {{{rest}, periodSeconds: 5, failureThreshold: 2}}"


FAULTS: dict[str, Broken] = {
    # calls, as the caller's log tells of them
    "a policy lets only others in": Broken(
        deployment("counter", COUNTER) + OVEN + policy("oven", "oven", "ingress: [{from: [{podSelector: {matchLabels: {app: delivery}}}]}]") + deployment("delivery"),
        "traffic-policy", ("oven",), {"counter": repeats(NO_ANSWER)}),
    "a policy lets only others in, and the call is in no setting": Broken(
        deployment("counter") + OVEN + policy("oven", "oven", "ingress: [{from: [{podSelector: {matchLabels: {app: delivery}}}]}]") + deployment("delivery"),
        "traffic-policy", ("NetworkPolicy oven", "app=delivery", "the caller has app=counter"), {"counter": repeats(NO_ANSWER)}),
    "a policy cuts the way to DNS": Broken(
        deployment("counter") + OVEN + policy("closed", "counter", "policyTypes: [Egress], egress: []"),
        "traffic-dns-policy", ("NetworkPolicy closed", "asking DNS"), {"counter": repeats(NO_ADDRESS % "oven")}),
    "names are asked of a server outside": Broken(
        deployment("counter", pod="dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.53]}") + OVEN,
        "traffic-dns-settings", ("dnsPolicy None", "192.0.2.53"), {"counter": repeats(NO_ADDRESS % "oven")}),
    "the Service that is called has another name": Broken(
        deployment("counter") + service("oven-svc", app="oven") + deployment("oven", HTTP),
        "traffic-unknown-host", ("calls oven", "nearest is oven-svc"), {"counter": ends("Error: getaddrinfo ENOTFOUND oven")}),
    "the Service that is called is in another namespace": Broken(
        deployment("counter") + thing("v1", "Service", "oven", "spec: {ports: [{port: 80}]}", namespace="default"),
        "traffic-unknown-host", ("from here it is called oven.default",), {"counter": repeats("wget: bad address 'oven:80'")}),
    "an init container waits for a Service that nobody made": Broken(
        deployment("counter", pod="initContainers: [{name: wait, image: 'registry.example/tools:1'}]"),
        "traffic-unknown-host", ("init container wait", "oven"), {"wait": repeats("** server can't find oven.bakery.svc.cluster.local: NXDOMAIN")}),
    "the port of the pods is called instead of the Service's": Broken(
        deployment("counter") + OVEN, "traffic-port", ("port 8080", "which has 80"),
        {"counter": repeats("dial tcp: connect to oven port 8080: Connection refused")}),
    "a Service that is called selects nobody": Broken(
        deployment("counter") + deployment("oven", HTTP) + service("oven", app="ovens"), "service-selects-nothing", ("app=ovens", "app is oven"),
        {"counter": repeats("oven:80: Connection refused")}),
    "policies let nobody call a Service": Broken(
        deployment("counter") + OVEN + policy("oven", "oven", "ingress: [{from: [{podSelector: {matchLabels: {app: conter}}}]}]"), "policy-peer-nobody", ("app: conter",)),
    "a policy opens the Service's port, and its pods listen on another": Broken(
        deployment("counter") + OVEN + policy("oven", "oven", "ingress: [{ports: [{port: 80}]}]"), "policy-port-closed", ("ports: 80", "listen on 8080")),
    # rights and errors that only a log tells
    "a role lacks a verb": Broken(WATCHED + ROLE + bound("taster"), "log-forbidden", ("list pods", "get on pods", "Add verb list"), {"watch": repeats(DENIED, every=10)}),
    "a role is bound to an account that is not there": Broken(WATCHED + ROLE + bound("tester"), "log-forbidden", ("binds ServiceAccount tester",), {"watch": repeats(DENIED, every=10)}),
    "a program runs, and fails at every request": Broken(
        deployment("oven"), "log-errors", ("pool exhausted",), {"oven": repeats("INFO order 7 received", "ERROR connection pool exhausted: 20 of 20 in use")}),
    # programs that end
    "a volume is full": Broken(
        deployment("oven", FLOUR, SACK) + claim("flour", "accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}"),
        "crash-disk-full", ("/flour/sacks.db", "PersistentVolumeClaim flour, of 1Gi"), {"oven": ends("write /flour/tmp", "OSError: [Errno 28] No space left on device: '/flour/sacks.db'")}),
    "a password is not accepted": Broken(
        deployment("oven"), "crash-credentials", ("user baker",), {"oven": ends('FATAL:  password authentication failed for user "baker"')}),
    "an option that the program does not know": Broken(deployment("oven", "args: [--hat=9]"), "crash-config-invalid", ("-hat",), {"oven": ends("flag provided but not defined: -hat", "Usage of oven:", code=2)}),
    "a file of the program is not there": Broken(
        deployment("oven"), "crash-code-missing", ("/srv/oven.js",), {"oven": ends("Error: Cannot find module '/srv/oven.js'", "    at Module._load (node:internal/modules/cjs/loader:1104:12)", "Node.js v22.1.0")}),
    "a database is started as root": Broken(deployment("db"), "crash-permission", ('"root" execution',), {"db": ends('"root" execution of the PostgreSQL server is not permitted.', "The server must be started under an unprivileged user ID.")}),
    "it ends without a word of what is known": Broken(deployment("oven"), "crash-exit", ("exit code 3: panic: the dough is raw",), {"oven": ends("panic: the dough is raw", "", "goroutine 1 [running]:", code=3)}),
    "a hook after the start fails": Broken(deployment("oven", "lifecycle: {postStart: {exec: {command: ['false']}}}"), "crash-hook", ("postStart: false",)),
    # probes that kill
    "the liveness probe asks another port than the container has": Broken(
        deployment("oven", probe("liveness", "httpGet: {path: /, port: 9090}")), "probe-kills", ("asks port 9090", "listens on 8080", "Let the liveness probe ask port 8080")),
    "the file that the liveness probe looks for goes away": Broken(
        deployment("oven", probe("liveness", "exec: {command: [cat, /tmp/warm]}")), "probe-kills", ("cat /tmp/warm, which fails after a while",), {"oven": Profile(sick_after=40)}),
    # nodes
    "no node has the label": Broken(deployment("oven", pod="nodeSelector: {heat: gas}"), "unschedulable-affinity", ("heat=gas", "none of 2 nodes")),
    "the only node with the label has a taint": Broken(
        deployment("oven", pod="nodeSelector: {heat: gas}"), "unschedulable-taint", ("node ash has taint heat=gas:NoSchedule",),
        nodes=(NodeSpec("oak"), NodeSpec("ash", labels={"heat": "gas"}, taints=[{"key": "heat", "value": "gas", "effect": "NoSchedule"}]))),
    "the nodes are cordoned": Broken(deployment("oven"), "unschedulable-taint", ("kubectl uncordon oak",), nodes=(NodeSpec("oak", unschedulable=True),)),
    "nobody runs the scheduler that is asked for": Broken(deployment("oven", pod="schedulerName: packer"), "inert-scheduler", ("scheduler packer",)),
    # volumes
    "no volume is large enough": Broken(
        thing("v1", "PersistentVolume", "shelf-1", DISK % ("1Gi", ""), namespace="") + claim("flour", "storageClassName: shelf, accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}") + deployment("oven", FLOUR, SACK),
        "claim-no-match", ("shelf-1 has 1Gi, 5Gi is asked for",)),
    "the volume still belongs to a claim that was deleted": Broken(
        thing("v1", "PersistentVolume", "shelf-1", DISK % ("9Gi", ", claimRef: {kind: PersistentVolumeClaim, apiVersion: v1, namespace: bakery, name: flour, uid: 0b5c0a52-5a8e-4a55-9d1c-0f7a43a1c9ee}"), namespace="")
        + claim("flour", "storageClassName: shelf, accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}") + deployment("oven", FLOUR, SACK),
        "claim-no-match", ("still belongs to an earlier claim",)),
    "a StatefulSet's volumes are of no class": Broken(
        thing("apps/v1", "StatefulSet", "oven", "spec: {serviceName: oven, selector: {matchLabels: {app: oven}}, template: {metadata: {labels: {app: oven}}, spec: {containers: [{name: oven, image: 'registry.example/oven:1'}], "
              "}}, volumeClaimTemplates: [{metadata: {name: flour}, spec: {accessModes: [ReadWriteOnce], storageClassName: pantry, resources: {requests: {storage: 1Gi}}}}]}") + service("oven"),
        "claim-class-missing", ("pantry",)),
    # images
    "the Secret of the registry is not there": Broken(
        deployment("oven", pod="imagePullSecrets: [{name: larder}]"), "image-unauthorized", ("Secret larder does not exist",),
        images={"registry.example/oven:1": "unexpected status from HEAD request to https://registry.example/v2/oven/manifests/1: 401 Unauthorized"}),
    "the registry answers no more": Broken(
        deployment("oven"), "image-rate-limit", ("answers no more requests",), images={"registry.example/oven:1": "429 Too Many Requests: toomanyrequests: You have reached your pull rate limit"}),
    # what does nothing, and says nothing
    "a StatefulSet names a Service that nobody made": Broken(
        thing("apps/v1", "StatefulSet", "oven", "spec: {serviceName: ovens, selector: {matchLabels: {app: oven}}, template: {metadata: {labels: {app: oven}}, spec: {containers: [{name: oven, image: 'registry.example/oven:1'}]}}}"),
        "inert-headless", ("ovens",)),
    "a DaemonSet finds no node": Broken(
        thing("apps/v1", "DaemonSet", "mouse", "spec: {selector: {matchLabels: {app: mouse}}, template: {metadata: {labels: {app: mouse}}, spec: {nodeSelector: {cheese: some}, containers: [{name: mouse, image: 'registry.example/mouse:1'}]}}}"),
        "inert-daemonset", ("cheese=some",)),
    "a variable is from an optional key that is not there": Broken(
        deployment("oven", "env: [{name: HEAT, valueFrom: {configMapKeyRef: {name: recipe, key: HOT, optional: true}}}]") + thing("v1", "ConfigMap", "recipe", "data: {HEAT: high}"),
        "crash-config", ("HEAT is missing", "key HOT of ConfigMap recipe, which has HEAT"), {"oven": ends("fatal: HEAT is empty")},
    ),
    "a setting is written down, and the container does not take it": Broken(
        deployment("oven") + thing("v1", "ConfigMap", "recipe", "data: {HEAT: high}"),
        "crash-config", ("ConfigMap recipe has a key of that name",), {"oven": ends("ERROR: required environment variable HEAT is not set")},
    ),
    "a webhook must be asked, and nobody is there": Broken(
        thing(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            "hygiene",
            "webhooks: [{name: hygiene.example.com, admissionReviewVersions: [v1], sideEffects: None, failurePolicy: Fail, clientConfig: {service: {name: hygiene, namespace: bakery}}, rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}]",
            namespace="",
        )
        + deployment("oven"),
        "inert-webhook",
        ("Service hygiene in namespace bakery does not exist",),
    ),
    "a ConfigMap has nearly the name": Broken(
        deployment("oven", "envFrom: [{configMapRef: {name: recipe}}]") + thing("v1", "ConfigMap", "recipes", "data: {rye: sour}"), "config-object-missing", ("ConfigMap recipe,", "ConfigMaps of bakery: recipes")),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_the_first_cause_that_is_told(fault: str) -> None:
    broken = FAULTS[fault]
    told = diagnosed(broken)
    assert told, "nothing was found"
    first = told[0].finding
    assert first.rule == broken.rule, [(one.finding.rule, one.finding.title) for one in told]
    said = "\n".join([first.title, first.fix, *(fact.text for fact in first.evidence)])
    for words in broken.words:
        assert words in said, said


HEALTHY = {
    "a shop that works": Broken(deployment("counter", COUNTER) + OVEN, ""),
    "a call that failed at the start and then succeeded": Broken(
        deployment("counter", COUNTER) + OVEN, "",
        does={"counter": Profile(lines=tuple((turn, "dial tcp 10.96.0.9:80: connect: connection refused") for turn in range(5)) + tuple((10.0 + turn, f"INFO order {turn} served") for turn in range(90)))}),
    "an error now and then": Broken(
        deployment("oven"), "", does={"oven": Profile(lines=tuple((float(turn), f"INFO loaf {turn} baked" if turn % 40 else "ERROR loaf dropped") for turn in range(119)))}),
    "a policy that lets the caller in": Broken(
        deployment("counter", COUNTER) + OVEN + policy("oven", "oven", "ingress: [{from: [{podSelector: {matchLabels: {app: counter}}}], ports: [{port: 8080}]}]"), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", HEALTHY)
def test_of_what_is_well_nothing_is_told(case: str) -> None:
    assert [(one.finding.rule, one.finding.title) for one in diagnosed(HEALTHY[case])] == []
