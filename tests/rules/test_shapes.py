"""What an API server would refuse is told before: fields, types, values and kinds, each mistake once, and where it belongs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

import seatrial.rules.written  # noqa: F401 - enters the rules
from any_objects import RECORDINGS, recorded_answers
from seatrial.rules.finding import Finding
from seatrial.rules.looking import found
from seatrial.rules.mending import mend
from seatrial.rules.overlap import GENERAL
from seatrial.rules.patching import applied, patched
from seatrial.world import schema
from seatrial.world.world import World

Obj = dict[str, Any]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop, labels: {app: api}}
spec:
  replicas: 3
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
        - name: api
          image: ghcr.io/acme/api:1.4.0
          ports: [{name: http, containerPort: 3000}]
          env: [{name: LEVEL, value: info}]
          livenessProbe: {httpGet: {path: /live, port: http}}
          resources: {requests: {cpu: 100m}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  type: ClusterIP
  selector: {app: api}
  ports: [{port: 80, targetPort: 3000}]
"""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]
"""
AUTOSCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
"""


def errors(*objects: Obj, facts: Obj | None = None) -> list[Finding]:
    world = World(objects)
    world.facts.update(facts or {})
    return [one for one in found(world, live=False) if one.severity == "error" and not one.rule.startswith("missing-target")]


def changed(text: str, change: Callable[[Obj], object]) -> Obj:
    obj: Obj = yaml.safe_load(text)
    change(obj)
    return obj


def pods(obj: Obj) -> Obj:
    return obj["spec"]["template"]["spec"]  # type: ignore[no-any-return]


def container(obj: Obj) -> Obj:
    return pods(obj)["containers"][0]  # type: ignore[no-any-return]


def rename(within: Obj, old: str, new: str) -> None:
    within[new] = within.pop(old)


def move(source: Obj, target: Obj, key: str) -> None:
    target[key] = source.pop(key)


BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
POD, CONTAINER = "spec.template.spec", "spec.template.spec.containers[0]"
#: What was written -> (the rule, the field, words of the title). Each is the one error that there is.
MISTAKES: dict[str, tuple[str, Callable[[Obj], object], str, str, str]] = {
    "a field is misspelled": (
        DEPLOYMENT, lambda obj: rename(obj["spec"], "replicas", "replcias"),
        "unknown-field", "spec.replcias", "`replcias` is no field of `spec`; did you mean `replicas`?"),
    "what is misspelled is not missed as well": (
        DEPLOYMENT, lambda obj: rename(container(obj), "image", "imagee"),
        "unknown-field", f"{CONTAINER}.imagee", "did you mean `image`?"),
    "capitals": (
        DEPLOYMENT, lambda obj: container(obj).update(securityContext={"readOnlyRootFileSystem": True}),
        "unknown-field", f"{CONTAINER}.securityContext.readOnlyRootFileSystem", "did you mean `readOnlyRootFilesystem`?"),
    "the singular": (
        DEPLOYMENT, lambda obj: rename(obj["metadata"], "labels", "label"),
        "unknown-field", "metadata.label", "did you mean `labels`?"),
    "a probe of the pod": (
        DEPLOYMENT, lambda obj: move(container(obj), pods(obj), "livenessProbe"),
        "unknown-field", f"{POD}.livenessProbe", f"it stands one level too high: it belongs to `{CONTAINER}.livenessProbe`"),
    "resources of the template": (
        DEPLOYMENT, lambda obj: move(container(obj), obj["spec"]["template"], "resources"),
        "unknown-field", "spec.template.resources", f"two levels too high: it belongs to `{CONTAINER}.resources`"),
    "the pod's in a container": (
        DEPLOYMENT, lambda obj: container(obj).update(terminationGracePeriodSeconds=60),
        "unknown-field", f"{CONTAINER}.terminationGracePeriodSeconds",
        f"it stands one level too deep: it belongs to `{POD}.terminationGracePeriodSeconds`"),
    "labels beside the metadata": (
        SERVICE, lambda obj: obj.update(labels={"app": "api"}),
        "unknown-field", "labels", "`labels` is no field of a Service; it belongs to `metadata.labels`"),
    "a name that is near none": (
        SERVICE, lambda obj: obj["spec"]["ports"][0].update(containerPort=80),
        "unknown-field", "spec.ports[0].containerPort", "there is `name`, `protocol`, `appProtocol`, `port`,"),
    "a word of the name": (
        SERVICE, lambda obj: obj.update(apiVersion="networking.k8s.io/v1", kind="Ingress", spec={"backend": BACKEND}),
        "unknown-field", "spec.backend", "`backend` is no field of `spec`; did you mean `defaultBackend`?"),
    "a word of two names": (
        DEPLOYMENT, lambda obj: rename(container(obj)["ports"][0], "containerPort", "port"),
        "unknown-field", f"{CONTAINER}.ports[0].port", "did you mean `hostPort` or `containerPort`?"),
    "deep in a list": (
        POLICY, lambda obj: rename(obj["spec"]["ingress"][0]["from"][0], "podSelector", "podSelecter"),
        "unknown-field", "spec.ingress[0].from[0].podSelecter", "did you mean `podSelector`?"),
    "what a metric measures": (
        AUTOSCALER,
        lambda obj: rename(obj["spec"]["metrics"][0]["resource"]["target"], "averageUtilization", "averageUtilisation"),
        "unknown-field", "spec.metrics[0].resource.target.averageUtilisation", "did you mean `averageUtilization`?"),
    "a port in quotes": (
        SERVICE, lambda obj: obj["spec"]["ports"][0].update(port="80"),
        "wrong-type", "spec.ports[0].port", "`spec.ports[0].port` must be a whole number, not a text"),
    "a truth in quotes": (
        DEPLOYMENT, lambda obj: container(obj).update(securityContext={"runAsNonRoot": "true"}),
        "wrong-type", f"{CONTAINER}.securityContext.runAsNonRoot", "must be true or false, not a text"),
    "half a second": (
        DEPLOYMENT, lambda obj: container(obj)["livenessProbe"].update(periodSeconds=0.5),
        "wrong-type", f"{CONTAINER}.livenessProbe.periodSeconds", "must be a whole number, not 0.5"),
    "variables as a map": (
        DEPLOYMENT, lambda obj: container(obj).update(env={"LEVEL": "info"}),
        "wrong-type", f"{CONTAINER}.env", "must be a list, not a map; each begins with a dash and has `name` and `value`"),
    "a strategy without its type": (
        DEPLOYMENT, lambda obj: obj["spec"].update(strategy="Recreate"),
        "wrong-type", "spec.strategy", "must be a map, not a text; did you mean `{type: Recreate}`?"),
    "a selector as workloads have it": (
        SERVICE, lambda obj: obj["spec"].update(selector={"matchLabels": {"app": "api"}}),
        "wrong-type", "spec.selector.matchLabels", "must be a text, not a map; the labels stand here by themselves"),
    "a variable that is no text, which a rule of its own tells": (
        DEPLOYMENT, lambda obj: container(obj)["env"][0].update(value=5),
        "env-not-text", f"{CONTAINER}.env[0].value", "has a variable whose value is no text"),
    "an amount that is none, likewise": (
        DEPLOYMENT, lambda obj: container(obj)["resources"]["requests"].update(cpu="100z"),
        "quantity-invalid", f"{CONTAINER}.resources.requests.cpu", "has an amount that is no quantity"),
    "a resource that there is not, likewise": (
        DEPLOYMENT, lambda obj: container(obj)["resources"]["requests"].update(memmory="1Gi"),
        "resource-unknown", f"{CONTAINER}.resources.requests.memmory", "asks for a resource that does not exist"),
    "a pull policy that there is not, likewise": (
        DEPLOYMENT, lambda obj: container(obj).update(imagePullPolicy="Alway"),
        "image-policy-unknown", f"{CONTAINER}.imagePullPolicy", "has a pull policy that does not exist"),
    "a type that there is not": (
        SERVICE, lambda obj: obj["spec"].update(type="ClusterIp"),
        "value-not-allowed", "spec.type", '`spec.type` must be one of "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
    "a protocol in small letters": (
        SERVICE, lambda obj: obj["spec"]["ports"][0].update(protocol="tcp"),
        "value-not-allowed", "spec.ports[0].protocol", 'must be one of "SCTP", "TCP", "UDP"'),
    "a struct that Kubernetes shows by its type": (
        DEPLOYMENT, lambda obj: obj["spec"].update(strategy={"type": "recreate"}),
        "value-not-allowed", "spec.strategy.type", '`spec.strategy.type` must be one of "Recreate", "RollingUpdate"'),
    "a surge that is no number": (
        DEPLOYMENT, lambda obj: obj["spec"].update(strategy={"rollingUpdate": {"maxSurge": "one"}}),
        "value-refused", "spec.strategy.rollingUpdate.maxSurge", "is refused: a valid percent string must be a numeric string"),
    "a label that cannot be, where the map alone is named": (
        DEPLOYMENT, lambda obj: pods(obj).update(nodeSelector={"disk": "ssd", "zone": "a b"}),
        "value-refused", f"{POD}.nodeSelector.zone", "is refused: a valid label must be"),
    "no template at all": (
        DEPLOYMENT, lambda obj: obj["spec"].pop("template"),
        "missing-field", "spec.template", "`spec.template` is required"),
    "a kind in small letters": (
        DEPLOYMENT, lambda obj: obj.update(kind="deployment"),
        "unknown-kind", "kind", "is no kind of apps/v1; did you mean `Deployment`?"),
    "a kind of another group": (
        DEPLOYMENT, lambda obj: obj.update(apiVersion="v1"),
        "unknown-kind", "apiVersion", "is no kind of v1: Deployment is one of `apps/v1`"),
    "a group that there is not": (
        POLICY, lambda obj: obj.update(apiVersion="networking.k8.io/v1"),
        "unknown-kind", "apiVersion", "NetworkPolicy is one of `networking.k8s.io/v1`"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_once_at_its_field(mistake: str) -> None:
    text, change, rule, at, words = MISTAKES[mistake]
    told = errors(changed(text, change))
    assert [(one.rule, one.at) for one in told] == [(rule, at)], [one.title for one in told]
    assert words in told[0].title


@pytest.mark.parametrize("text", [DEPLOYMENT, SERVICE, POLICY, AUTOSCALER])
def test_without_the_mistakes_there_is_no_error(text: str) -> None:
    assert not errors(yaml.safe_load(text))


MENDED = [
    name
    for name, (*_, rule, _, words) in MISTAKES.items()
    if rule in GENERAL and ("did you mean `r" in words or "level too" in words or rule == "value-not-allowed")
]


@pytest.mark.parametrize("mistake", MENDED)
def test_where_one_place_alone_is_meant_a_patch_puts_it_there(mistake: str) -> None:
    text, change, *_ = MISTAKES[mistake]
    (told,) = errors(changed(text, change))
    assert told.patch, "it is plain what was meant"
    assert not errors(*applied(World([changed(text, change)]), told.patch))


def test_a_name_that_is_mended_may_let_others_speak_but_not_be_refused() -> None:
    wrong = changed(DEPLOYMENT, lambda obj: rename(obj["spec"], "replicas", "replcias"))
    mended = mend(World([wrong]), errors(wrong), lambda world: found(world, live=False))
    assert [one.rule for one in mended.done] == ["unknown-field"], "with three replicas they should be spread, which is a note"
    refused = changed(DEPLOYMENT, lambda obj: obj["spec"].update(replcias=-2) or obj["spec"].pop("replicas"))
    mended = mend(World([refused]), errors(refused), lambda world: found(world, live=False))
    assert [why for _, why in mended.refused] == ["the patch would bring replicas-invalid"]


def test_two_mistakes_in_one_object_are_two() -> None:
    def both(obj: Obj) -> None:
        rename(obj["spec"], "replicas", "replcias")
        container(obj)["livenessProbe"].update(periodSecond=5)

    assert {one.at for one in errors(changed(DEPLOYMENT, both))} == {"spec.replcias", f"{CONTAINER}.livenessProbe.periodSecond"}


GOLDEN = Path(__file__).parents[1] / "golden"


def fields(
    value: Any, shape: schema.Shape | None, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The fields that an object sets, those aside that every object has, and short names, which are near too many."""
    if shape is not None and shape.kind == "struct" and isinstance(value, dict):
        for key in value.keys() & shape.fields.keys():
            if path and len(key) > 3:
                yield path, key
            yield from fields(value[key], shape.fields[key].shape, (*path, key))
    elif shape is not None and shape.kind == "list" and isinstance(value, list):
        for place, item in enumerate(value):
            yield from fields(item, shape.element, (*path, place))


def mistyped(name: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(name) - 1)
    slips = (name[:at] + name[at + 1 :], name[:at] + name[at] + name[at:], name[:at] + name[at + 1] + name[at] + name[at + 2 :])
    return dice.choice([slip for slip in (*slips, name.lower(), f"{name}s") if slip != name])


@pytest.mark.parametrize("app", ["shop", "garage"])
def test_of_any_field_that_is_mistyped_the_right_name_is_told_and_nothing_else(app: str) -> None:
    dice = random.Random(11)
    for obj in yaml.load_all((GOLDEN / app / "yaml" / "production.yaml").read_text(), yaml.CSafeLoader):
        known = sorted(fields(obj, schema.shape_of(obj["apiVersion"], obj["kind"])), key=str)
        for path, name in dice.sample(known, min(2, len(known))):
            wrong = deepcopy(obj)
            parent = wrong
            for step in path:
                parent = parent[step]
            slip = mistyped(name, dice)
            parent[slip] = parent.pop(name)
            before = {(one.rule, one.at) for one in errors(obj)}
            new = [one for one in errors(wrong) if (one.rule, one.at) not in before]
            assert len(new) == 1, (path, slip, [one.title for one in new])
            told = new[0]
            assert told.rule == "unknown-field" and f"did you mean `{name}`?" in told.title, (path, slip)
            assert patched(wrong, told.patch[0]["operations"]) == obj


def test_nothing_of_a_secret_is_shown() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}}
    told = errors({**secret, "stringData": {"pin": 123456}, "data": {"key": "hunter2!"}})
    assert {one.at for one in told} == {"stringData.pin", "data.key"}
    shown = json.dumps([one.as_json() for one in told if one.rule in GENERAL])
    assert "123456" in json.dumps([one.patch for one in told]), "the patch is for the file, where it stands already"
    assert "hunter2" not in shown
    assert all("123456" not in one.title + one.evidence[0].text for one in told)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda obj: obj["spec"].update(replicas="${REPLICAS}"), "something else fills it in"),
        (lambda obj: obj["metadata"].update(labels={"app": "${APP}"}), "likewise"),
        (lambda obj: obj.update({"$patch": "delete"}) or obj.pop("spec"), "it is a patch"),
        (lambda obj: obj.update(sops={"mac": "x"}), "SOPS has encrypted it"),
        (lambda obj: obj["metadata"].update(uid="1") or obj["spec"].update(progressDeadlineSeconds=0), "a server let it in"),
        (lambda obj: obj["metadata"].update(creationTimestamp=None), "a null says nothing"),
        (lambda obj: obj["spec"].update(replicas=3.0), "3.0 is sent as 3"),
        (
            lambda obj: obj.update(apiVersion="v1", kind="Secret", data={"key": None}) or obj.pop("spec"),
            "no bytes are empty ones",
        ),
    ],
)
def test_what_is_no_mistake_is_not_told(change: Callable[[Obj], object], why: str) -> None:
    assert not [one for one in errors(changed(DEPLOYMENT, change)) if one.rule in GENERAL], why


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("apps.example.com/v1", "Deployment"),
        ("serving.knative.dev/v1", "Service"),
        ("networking.istio.io/v1", "Gateway"),
        ("networking.k8s.io/v1alpha1", "ClusterCIDR"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("resource.k8s.io/v1beta9", "Whatever"),
        ("v1", "Template"),
    ],
)
def test_a_kind_of_somebody_else_or_of_another_version_is_left_alone(version: str, kind: str) -> None:
    obj = {"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": "b"}, "spec": {"anything": [1]}}
    assert not [one for one in errors(obj) if one.rule in GENERAL | {"unknown-kind"}]


def test_a_field_may_have_come_with_a_version_that_is_newer_than_what_is_known() -> None:
    wrong = changed(DEPLOYMENT, lambda obj: pods(obj).update(brandNew=True))
    assert [one.rule for one in errors(wrong)] == ["unknown-field"]
    assert not errors(wrong, facts={"version": "1.99"}), "a warning"


# what a real server answered


def refused() -> list[Any]:
    entries = json.loads((RECORDINGS / "api" / "invalid.json").read_text())
    other = (
        "service account",
        "PriorityClass",
        "valid IPs is",
        "is registered for version",
    )  # asked of other objects, or of a path
    return [
        entry["request"]
        for entry in entries
        if entry["status"] in (400, 422)
        and entry["request"].get("metadata")
        and not any(words in entry["response"].get("message", "") for words in other)
    ]


@pytest.mark.parametrize("obj", refused(), ids=lambda obj: obj["kind"])
def test_what_a_server_refused_is_an_error(obj: Obj) -> None:
    assert errors(deepcopy(obj))


def test_what_a_server_took_is_none() -> None:
    entries = json.loads((RECORDINGS / "api" / "defaults.json").read_text())
    taken = [entry["request"] for entry in entries if entry["status"] < 300]
    assert len(taken) > 30
    for obj in (*taken, *recorded_answers()):
        told = [one.title for one in errors(obj) if one.rule in GENERAL]
        assert not told, obj


# custom resources

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            status: {type: object}
            spec:
              type: object
              required: [size]
              properties:
                size: {type: integer, minimum: 1}
                colour: {type: string, enum: [red, blue]}
                mode: {type: string, default: fast}
                port: {x-kubernetes-int-or-string: true}
                extra: {type: object, x-kubernetes-preserve-unknown-fields: true}
                pods: {type: object, properties: {replicas: {type: integer}}}
"""


def widget(**spec: object) -> list[tuple[str, str]]:
    obj = {"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": "b"}, "spec": spec}
    return [(one.rule, one.title.partition(": ")[2]) for one in errors(yaml.safe_load(DEFINITION), obj)]


def test_a_custom_resource_is_held_against_its_definition() -> None:
    assert widget(size=3, colour="blue", port="http", extra={"any": ["thing"]}) == []
    assert widget(size=3, port=3520439718) == [], "a quantity in bytes: any whole number"
    assert widget(sise=3) == [("unknown-field", "`sise` is no field of `spec`; did you mean `size`?")]
    assert widget(size="3") == [("wrong-type", "`spec.size` must be a whole number, not a text")]
    assert widget(size=0) == [("value-refused", "`spec.size` is refused: should be greater than or equal to 1")]
    assert widget(size=1, colour="green") == [("value-not-allowed", '`spec.colour` must be one of "red", "blue"')]
    assert widget(colour="red") == [("missing-field", "`spec.size` is required")]
    ((rule, words),) = widget(size=1, replicas=2)
    assert (rule, words.partition("; ")[2]) == (
        "unknown-field",
        "it stands one level too high: it belongs to `spec.pods.replicas`",
    )


def test_a_custom_resource_without_its_definition_is_left_alone() -> None:
    obj = {"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": "b"}, "spec": {"x": 1}}
    assert not errors(obj)


def test_a_scaled_object_is_held_against_the_definition_that_comes_with_seatrial() -> None:
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"name": "api"},
            "maxReplicaCount": 5,
            "triggers": [{"type": "prometheus", "metadata": {"serverAddress": "http://p", "query": "sum(x)", "threshold": "5"}}],
        },
    }
    target = yaml.safe_load(DEPLOYMENT)
    assert not [one.title for one in errors(target, scaled) if one.rule in GENERAL]
    wrong = {**scaled, "spec": {**scaled["spec"], "minReplicas": 2}}  # type: ignore[dict-item]
    assert [one.title for one in errors(target, wrong) if one.rule in GENERAL] == [
        "ScaledObject api: `minReplicas` is no field of `spec`; did you mean `minReplicaCount`?"
    ]
