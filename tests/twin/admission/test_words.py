"""Mistakes that are not among the recorded ones, and the words that Kubernetes' sources have for them."""

from __future__ import annotations

from typing import Any

import pytest
from admitted import container, pod, registry, send

from seatrial.twin.errors import ApiError
from seatrial.world.admission.causes import quote, show
from seatrial.world.admission.validation import cron, names
from seatrial.world.objects import Obj

Said = tuple[str, str]


def causes_of(obj: Obj) -> list[Said]:
    try:
        send(registry(), obj, dry_run=True)
    except ApiError as error:
        assert error.code == 422, error.message
        return [(cause["field"], cause["message"]) for cause in error.status()["details"]["causes"]]
    return []


def one(kind: str, api: str, **more: Any) -> Obj:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "x"}, **more}


def of_container(**more: Any) -> Obj:
    return pod(containers=[container(**more)])


C = "spec.containers[0]"
PODS = [
    (
        of_container(terminationMessagePolicy="Log"),
        (f"{C}.terminationMessagePolicy", 'Unsupported value: "Log": supported values: "File", "FallbackToLogsOnError"'),
    ),
    (
        of_container(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]),
        (f"{C}.ports[1].hostPort", 'Duplicate value: "TCP//80"'),
    ),
    (
        of_container(env=[{"name": "A=B"}]),
        (
            f"{C}.env[0].name",
            'Invalid value: "A=B": a valid environment variable name'
            " must consist only of printable ASCII characters other than '='",
        ),
    ),
    (
        of_container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.hostname"}}}]),
        (
            f"{C}.env[0].valueFrom.fieldRef.fieldPath",
            'Invalid value: "spec.hostname": error converting fieldPath: field label not supported: spec.hostname',
        ),
    ),
    (
        of_container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]),
        (
            f"{C}.env[0].valueFrom.fieldRef.fieldPath",
            'Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid",'
            ' "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
        ),
    ),
    (
        of_container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": ""}}}]),
        (f"{C}.env[0].valueFrom.configMapKeyRef.key", "Required value"),
    ),
    (of_container(envFrom=[{}]), (f"{C}.envFrom", 'Invalid value: "": must specify one of: `configMapRef` or `secretRef`')),
    (of_container(livenessProbe={"exec": {}}), (f"{C}.livenessProbe.exec.command", "Required value")),
    (
        of_container(livenessProbe={"httpGet": {"port": "Web"}}),
        (
            f"{C}.livenessProbe.httpGet.port",
            'Invalid value: "Web": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
        ),
    ),
    (
        of_container(readinessProbe={"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 1}),
        (f"{C}.readinessProbe.terminationGracePeriodSeconds", "Invalid value: 1: must not be set for readinessProbes"),
    ),
    (
        of_container(lifecycle={"preStop": {"sleep": {"seconds": 31}}}),
        (
            f"{C}.lifecycle.preStop.sleep",
            "Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
        ),
    ),
    (
        of_container(securityContext={"runAsUser": -1}),
        (f"{C}.securityContext.runAsUser", "Invalid value: -1: must be between 0 and 2147483647, inclusive"),
    ),
    (
        of_container(resources={"requests": {"example.com/gpu": "1"}}),
        (f"{C}.resources.limits", "Required value: Limit must be set for non overcommitable resources"),
    ),
    (
        of_container(resources={"limits": {"example.com/gpu": "500m"}}),
        (f"{C}.resources.limits[example.com/gpu]", 'Invalid value: "500m": must be an integer'),
    ),
    (pod(initContainers=[container("c")]), ("spec.initContainers[0].name", 'Duplicate value: "c"')),
    (
        pod(initContainers=[container("i", readinessProbe={"tcpSocket": {"port": 1}})]),
        ("spec.initContainers[0].readinessProbe", "Forbidden: may not be set for init containers without restartPolicy=Always"),
    ),
    (pod(volumes=[{"name": "v", "configMap": {}}]), ("spec.volumes[0].configMap.name", "Required value")),
    (
        pod(volumes=[{"name": "v", "hostPath": {"path": "/x", "type": "Folder"}}]),
        (
            "spec.volumes[0].hostPath.type",
            'Unsupported value: "Folder": supported values: "", "BlockDevice", "CharDevice", "Directory",'
            ' "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
        ),
    ),
    (
        pod(volumes=[{"name": "v", "secret": {"secretName": "s", "defaultMode": 0o1000}}]),
        ("spec.volumes[0].secret.defaultMode", "Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive"),
    ),
    (
        pod(volumes=[{"name": "v", "secret": {"secretName": "s", "items": [{"key": "a", "path": "../a"}]}}]),
        ("spec.volumes[0].secret.items[0].path", "Invalid value: \"../a\": must not contain '..'"),
    ),
    (
        pod(
            volumes=[{"name": "v", "emptyDir": {}}],
            containers=[container(volumeMounts=[{"name": "v", "mountPath": "/a", "subPath": "/b"}])],
        ),
        (f"{C}.volumeMounts.subPath", 'Invalid value: "/b": must be a relative path'),
    ),
    (
        pod(hostNetwork=True, containers=[container(ports=[{"containerPort": 80, "hostPort": 81}])]),
        (f"{C}.ports[0].hostPort", "Invalid value: 81: must match `containerPort` when `hostNetwork` is true"),
    ),
    (
        pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}),
        (
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
            "Required value: must have at least one node selector term",
        ),
    ),
    (
        pod(tolerations=[{"key": "a", "effect": "Never"}]),
        (
            "spec.tolerations[0].effect",
            'Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
        ),
    ),
    (
        pod(tolerations=[{"operator": "Equal"}]),
        (
            "spec.tolerations[0].operator",
            'Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
    ),
    (
        pod(activeDeadlineSeconds=0),
        ("spec.activeDeadlineSeconds", "Invalid value: 0: must be between 1 and 2147483647, inclusive"),
    ),
    (pod(dnsPolicy="None"), ("spec.dnsConfig", "Required value: must provide `dnsConfig` when `dnsPolicy` is None")),
    (
        pod(hostAliases=[{"ip": "1.2.3"}]),
        ("spec.hostAliases[0].ip", 'Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
    ),
    (pod(os={"name": "beos"}), ("spec.os", 'Unsupported value: "beos": supported values: "linux", "windows"')),
    (
        pod(securityContext={"sysctls": [{"name": "A", "value": "1"}]}),
        (
            "spec.securityContext.sysctls[0].name",
            'Invalid value: "A": must have at most 253 characters and match regex'
            " ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
        ),
    ),
]

BACKEND = {"service": {"name": "x", "port": {"number": 80}}}
OTHERS = [
    (
        one("Service", "v1", spec={"ports": [{"port": 80}], "clusterIP": "None", "type": "NodePort"}),
        ("spec.clusterIPs[0]", "Invalid value: \"None\": may not be set to 'None' for NodePort services"),
    ),
    (
        one("Service", "v1", spec={"ports": [{"port": 80}], "externalTrafficPolicy": "Local"}),
        ("spec.externalTrafficPolicy", 'Invalid value: "Local": may only be set for externally-accessible services'),
    ),
    (
        one("Service", "v1", spec={"ports": [{"port": 80}], "externalIPs": ["127.0.0.1"]}),
        ("spec.externalIPs[0]", 'Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'),
    ),
    (
        one("Service", "v1", spec={"ports": [{"port": 80}], "loadBalancerClass": "a/b"}),
        ("spec.loadBalancerClass", "Forbidden: may only be used when `type` is 'LoadBalancer'"),
    ),
    (
        one(
            "Ingress",
            "networking.k8s.io/v1",
            spec={
                "rules": [{"host": "*.*.com", "http": {"paths": [{"path": "/a/../b", "pathType": "Exact", "backend": BACKEND}]}}]
            },
        ),
        ("spec.rules[0].http.paths[0].path", "Invalid value: \"/a/../b\": must not contain '/../'"),
    ),
    (
        one("Ingress", "networking.k8s.io/v1", spec={"defaultBackend": {}}),
        ("spec.defaultBackend", 'Invalid value: "": resource or service backend is required'),
    ),
    (
        one("NetworkPolicy", "networking.k8s.io/v1", spec={"podSelector": {}, "ingress": [{"from": [{}]}]}),
        ("spec.ingress[0].from[0]", "Required value: must specify a peer"),
    ),
    (
        one(
            "NetworkPolicy",
            "networking.k8s.io/v1",
            spec={"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}}]}]},
        ),
        ("spec.egress[0].to[0].ipBlock.except[0]", 'Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`'),
    ),
    (
        one(
            "NetworkPolicy",
            "networking.k8s.io/v1",
            spec={"podSelector": {}, "egress": [{"ports": [{"port": 90, "endPort": 80}]}]},
        ),
        ("spec.egress[0].ports[0].endPort", "Invalid value: 80: must be greater than or equal to `port`"),
    ),
    (
        one("StorageClass", "storage.k8s.io/v1", provisioner="a/b", volumeBindingMode="Later"),
        ("volumeBindingMode", 'Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"'),
    ),
    (
        one("PriorityClass", "scheduling.k8s.io/v1", value=1_000_000_001),
        ("value", "Forbidden: maximum allowed value of a user defined priority is 1000000000"),
    ),
    (
        one("PersistentVolumeClaim", "v1", spec={"accessModes": ["Any"], "resources": {"requests": {"storage": "0"}}}),
        (
            "spec.accessModes",
            'Unsupported value: "Any": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
        ),
    ),
    (
        one("ResourceQuota", "v1", spec={"hard": {"services": "1"}, "scopes": ["BestEffort"]}),
        ("spec.scopes", 'Invalid value: ["BestEffort"]: unsupported scope applied to resource'),
    ),
    (
        one("Role", "rbac.authorization.k8s.io/v1", rules=[{"verbs": ["get"], "apiGroups": [""]}]),
        ("rules[0].resources", "Required value: resource rules must supply at least one resource"),
    ),
    (one("Secret", "v1", type="kubernetes.io/ssh-auth"), ("data[ssh-privatekey]", "Required value")),
    (one("ConfigMap", "v1", data={"..": "x"}), ("data[..]", "Invalid value: \"..\": must not be '..'")),
    (
        one("Lease", "coordination.k8s.io/v1", spec={"leaseDurationSeconds": 0}),
        ("spec.leaseDurationSeconds", "Invalid value: 0: must be greater than 0"),
    ),
]


@pytest.mark.parametrize(("obj", "said"), [*PODS, *OTHERS], ids=lambda value: value[0] if isinstance(value, tuple) else "")
def test_a_mistake_is_told_in_kubernetes_words(obj: Obj, said: Said) -> None:
    assert said in causes_of(obj)


def job(**spec: Any) -> Obj:
    template = {"spec": {"containers": [container()], "restartPolicy": "Never"}}
    return one("Job", "batch/v1", spec={"template": template, **spec})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"completionMode": "Indexed", "completions": None, "parallelism": 1},
            ("spec.completions", "Required value: when completion mode is Indexed"),
        ),
        ({"backoffLimitPerIndex": 1}, ("spec.backoffLimitPerIndex", "Invalid value: 1: requires indexed completion mode")),
        (
            {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}]}},
            ("spec.podFailurePolicy.rules[0].onExitCodes.values[0]", "Invalid value: 0: must not be 0 for the In operator"),
        ),
        (
            {"ttlSecondsAfterFinished": -1},
            ("spec.ttlSecondsAfterFinished", "Invalid value: -1: must be greater than or equal to 0"),
        ),
    ],
)
def test_jobs(spec: Obj, said: Said) -> None:
    assert said in causes_of(job(**spec))


def autoscaler(**spec: Any) -> Obj:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    spec = {"maxReplicas": 3, "scaleTargetRef": target, **spec}
    return one("HorizontalPodAutoscaler", "autoscaling/v2", spec=spec)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"minReplicas": 0}, ("spec.minReplicas", "Invalid value: 0: must be greater than or equal to 1")),
        (
            {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601}}},
            ("spec.behavior.scaleDown.stabilizationWindowSeconds", "Invalid value: 3601: must be less than or equal to 3600"),
        ),
        (
            {"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 15}]}}},
            ("spec.behavior.scaleUp.policies[0].value", "Invalid value: 0: must be greater than zero"),
        ),
        (
            {"metrics": [{"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue"}}}]},
            ("spec.metrics[0].pods.target.averageValue", "Required value: must specify a positive target averageValue"),
        ),
    ],
)
def test_autoscalers(spec: Obj, said: Said) -> None:
    assert said in causes_of(autoscaler(**spec))


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("61 * * * *", "end of range (61) above maximum (59): 61"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("@often", "unrecognized descriptor: @often"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("every day", "expected exactly 5 fields, found 2: [every day]"),
        ("", "empty spec string"),
    ],
)
def test_what_is_wrong_with_a_schedule(schedule: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        cron.check(schedule)
    assert str(error.value) == said


@pytest.mark.parametrize(
    "schedule", ["*/5 * * * *", "0 3 1,15 jan-mar mon-fri", "@daily", "@every 1h30m", "0-30/10 8 ? * SUN", "10/20 * * * *"]
)
def test_a_good_schedule_is_good(schedule: str) -> None:
    cron.check(schedule)


def test_a_cron_job_has_no_time_zone_in_its_schedule_and_a_short_name() -> None:
    template = {"spec": {"template": {"spec": {"containers": [container()], "restartPolicy": "Never"}}}}
    obj = one("CronJob", "batch/v1", spec={"schedule": "TZ=UTC * * * * *", "jobTemplate": template})
    obj["metadata"]["name"] = "x" * 53
    assert causes_of(obj) == [
        ("spec.schedule", 'Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
        ("metadata.name", f'Invalid value: "{"x" * 53}": must be no more than 52 characters'),
    ]


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("example.com/name", 0),
        ("/name", 1),
        ("a/b/c", 1),
        ("Example.com/name", 1),
        ("x" * 63, 0),
        ("x" * 64, 1),
        ("", 2),
        ("-a", 1),
    ],
)
def test_qualified_names(text: str, reasons: int) -> None:
    assert len(names.qualified(text)) == reasons


def test_a_name_with_dots_is_no_label() -> None:
    assert names.dns_label("a.b") == ("must not contain dots",)


def test_values_are_shown_as_go_shows_them() -> None:
    assert [show(value) for value in ("a", 3, True, None, {"a": "<b>"})] == [
        '"a"',
        "3",
        "true",
        "null",
        '{"a":"\\u003cb\\u003e"}',
    ]
    assert quote('a"\\\n\x01ü') == '"a\\"\\\\\\n\\x01ü"'


def test_an_update_says_nothing_twice_in_its_message_but_lists_every_cause() -> None:
    with pytest.raises(ApiError) as error:
        send(registry(), pod(tolerations=[{"key": "a b", "operator": "Exists"}] * 1, nodeSelector={"a b": "x", "c d": "x"}))
    assert error.value.message.count('spec.tolerations[0].key: Invalid value: "a b"') == 1


def test_no_new_finalizers_once_an_object_is_going() -> None:
    to = registry()
    made = send(to, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "finalizers": ["a.b/c"]}})
    to.delete("configmaps", "default", "c")
    going = to.get("configmaps", "default", "c")
    with pytest.raises(ApiError, match=r'no new finalizers can be added .* \[\]string{"d.e/f"}'):
        to.update("configmaps", {**going, "metadata": {**going["metadata"], "finalizers": ["a.b/c", "d.e/f"]}})
    assert made["metadata"]["finalizers"] == ["a.b/c"]
