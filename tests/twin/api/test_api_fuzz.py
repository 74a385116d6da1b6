"""Whatever is sent, the answer is a Status with a code of the client's making, and nothing half-written stays."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import CONFIG_MAPS, DEPLOYMENTS, PODS, Client, config_map, deployment, pod

from seatrial.world.objects import clone

SERVICES = "/api/v1/namespaces/shop/services"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SAMPLES = {
    CONFIG_MAPS: config_map(a="1"),
    DEPLOYMENTS: deployment(),
    PODS: pod(),
    SERVICES: {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
    "/apis/batch/v1/namespaces/shop/jobs": {
        "metadata": {"name": "job"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}},
    },
    "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers": {
        "metadata": {"name": "hpa"},
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}},
    },
    CRDS: {
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    },
}
PATCHES = ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"]
TYPES = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "application/apply-patch+yaml",
    *PATCHES,
]

keys = st.sampled_from(
    ["metadata", "name", "labels", "spec", "status", "kind", "template", "$patch", "op", "path", "value", ""]
) | st.text(max_size=4)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, Any]:
    """A valid object with something else in one or two of its places."""
    path = draw(st.sampled_from(sorted(SAMPLES)))
    holder: Any = [clone(SAMPLES[path])]
    for _ in range(draw(st.integers(1, 2))):
        *way, last = 0, *draw(st.sampled_from(places(holder[0])))
        here = holder
        for step in way:
            here = here[step]
        here[last] = draw(values)
    return path, holder[0]


def check(client: Client, method: str, path: str, body: Any, type_: str = "application/json", query: str = "") -> None:
    version = client.registry.store.version
    reply = client(method, path + query, body, type_=type_)
    as_kubernetes = (
        reply.status == 500 and reply.json["reason"] == ""
    )  # what it says to odd patches; mistakes of ours have a reason
    assert reply.status < 500 or as_kubernetes, (method, path, body, reply.text)
    if reply.status >= 400 and reply.status != 404:
        assert reply.json["kind"] == "Status", reply.text
        assert reply.json["code"] == reply.status
        assert client.registry.store.version == version
    for resource in list(client.registry.store.resources()):
        for obj in client.registry.list(resource):
            assert obj["metadata"]["name"]
            orjson.dumps(obj)


BOUNDED = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@BOUNDED
@given(spoilt(), st.sampled_from(["", "?fieldValidation=Strict", "?fieldValidation=Ignore", "?dryRun=All"]))
def test_objects_with_something_wrong_in_them(case: tuple[str, Any], query: str) -> None:
    path, body = case
    client = Client()
    check(client, "POST", path, body, query=query)
    client("POST", path, clone(SAMPLES[path]))
    name = SAMPLES[path]["metadata"]["name"]
    check(client, "PUT", f"{path}/{name}", body, query=query)
    check(client, "PATCH", f"{path}/{name}", body, "application/merge-patch+json", query)
    check(client, "PUT", f"{path}/{name}/status", body, query=query)


@BOUNDED
@given(st.sampled_from(sorted(SAMPLES)), values, st.sampled_from(TYPES), st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]))
def test_bodies_of_any_shape(path: str, body: Any, type_: str, method: str) -> None:
    client = Client()
    client.create(path, clone(SAMPLES[path]))
    name = SAMPLES[path]["metadata"]["name"]
    check(client, method, path if method == "POST" else f"{path}/{name}", orjson.dumps(body), type_, "?fieldManager=me")


@BOUNDED
@given(st.sampled_from(sorted(SAMPLES)), st.binary(max_size=40), st.sampled_from(TYPES), st.integers(0, 400), st.booleans())
def test_bodies_that_are_cut_short_or_are_no_text(path: str, noise: bytes, type_: str, cut: int, patch: bool) -> None:
    client = Client()
    client.create(path, clone(SAMPLES[path]))
    name = SAMPLES[path]["metadata"]["name"]
    body = orjson.dumps(SAMPLES[path])[:cut] + noise
    check(client, "PATCH" if patch else "POST", f"{path}/{name}" if patch else path, body, type_, "?fieldManager=me")


parameters = st.dictionaries(
    st.sampled_from(
        [
            "labelSelector",
            "fieldSelector",
            "limit",
            "continue",
            "resourceVersion",
            "resourceVersionMatch",
            "timeoutSeconds",
            "sinceSeconds",
            "tailLines",
            "container",
            "gracePeriodSeconds",
            "propagationPolicy",
            "dryRun",
        ]
    ),
    st.text(alphabet="abc019=,!()-_%2F", max_size=8),
    max_size=3,
)


@BOUNDED
@given(
    st.sampled_from(["GET", "DELETE", "POST", "PUT", "PATCH"]),
    st.lists(
        st.sampled_from(["api", "apis", "v1", "apps", "namespaces", "shop", "pods", "web", "log", "status", "scale", "", "é"]),
        max_size=7,
    ),
    parameters,
)
def test_any_path_and_any_query(method: str, parts: list[str], query: dict[str, str]) -> None:
    client = Client()
    client.create(PODS, pod())
    check(client, method, "/" + "/".join(parts), {}, query="?" + "&".join(f"{key}={value}" for key, value in query.items()))


def test_an_object_with_ten_thousand_labels_is_kept_or_refused_whole() -> None:
    client = Client()
    labels = {f"l{number}": "v" for number in range(10_000)}
    check(client, "POST", CONFIG_MAPS, config_map(labels=labels))
    stored = client.get(f"{CONFIG_MAPS}/conf")
    assert stored.status == 404 or stored.json["metadata"]["labels"] == labels


def test_a_client_that_goes_before_its_body_is_complete_leaves_nothing() -> None:
    client = Client()
    messages = [{"type": "http.request", "body": b'{"metadata":', "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError("nobody is there to be answered")

    headers = [(b"authorization", b"Bearer secret")]
    scope = {"type": "http", "method": "POST", "path": CONFIG_MAPS, "query_string": b"", "headers": headers}
    asyncio.run(client.api(scope, receive, send))
    assert client.registry.list("configmaps") == []
