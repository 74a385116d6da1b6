"""Requests that are refused, and how: authentication, paths, methods, media types, bodies that are broken."""

from __future__ import annotations

import asyncio

import pytest
from in_process import CONFIG_MAPS, DEPLOYMENTS, Client, Reply, config_map, deployment

from seatrial.twin.api.http import MOST_BYTES


def test_a_request_without_a_valid_token_is_refused() -> None:
    client = Client()
    reply = client.get(CONFIG_MAPS, authorization="Bearer wrong")
    assert (reply.status, reply.json["reason"], reply.json["message"]) == (401, "Unauthorized", "Unauthorized")


def test_health_and_version_need_no_token() -> None:
    client = Client(roles=True)
    for path in ("/healthz", "/livez", "/readyz"):
        assert client.get(path, authorization="").text == "ok"
    assert client.get("/readyz/ping").text == "ok"
    assert client.get("/version", authorization="").json["gitVersion"].startswith("v1.36.")


def test_nobody_reads_objects_anonymously() -> None:
    reply = Client().get(CONFIG_MAPS, authorization="")
    assert (reply.status, reply.json["message"]) == (
        403,
        'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps"'
        ' in API group "" in the namespace "shop"',
    )


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nothings",
        "/apis/apps/v9/deployments",
        "/apis/nothing/v1/things",
        "/nothing",
        f"{CONFIG_MAPS}/a/status",
        "/apis/nothing",
    ],
)
def test_what_is_not_served_is_a_page_not_found(path: str) -> None:
    reply = Client().get(path)
    assert (reply.status, reply.text) == (404, "404 page not found\n")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", CONFIG_MAPS),
        ("PATCH", CONFIG_MAPS),
        ("POST", f"{CONFIG_MAPS}/a"),
        ("POST", "/api/v1/configmaps"),
        ("TRACE", CONFIG_MAPS),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
        ("DELETE", "/api/v1/namespaces"),
        ("POST", f"{DEPLOYMENTS}/web/scale"),
    ],
)
def test_what_a_resource_does_not_do_is_not_allowed(method: str, path: str) -> None:
    reply = Client()(method, path, {})
    assert (reply.status, reply.json["reason"]) == (405, "MethodNotAllowed")
    assert reply.json["message"] == "the server does not allow this method on the requested resource"


def test_an_object_that_is_not_there_is_named() -> None:
    reply = Client().get(f"{DEPLOYMENTS}/web")
    assert (reply.status, reply.json["message"]) == (404, 'deployments.apps "web" not found')
    assert reply.json["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


def test_a_body_in_an_unknown_format_is_refused() -> None:
    reply = Client()("POST", CONFIG_MAPS, b"<a/>", type_="application/xml")
    assert (reply.status, reply.json["reason"]) == (415, "UnsupportedMediaType")
    assert (
        "accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        in reply.json["message"]
    )


def test_a_client_that_takes_only_xml_gets_nothing() -> None:
    assert Client().get(CONFIG_MAPS, accept="application/xml").status == 406


def test_a_body_over_three_mebibytes_is_refused() -> None:
    client = Client()
    reply = client("POST", CONFIG_MAPS, b"x" * (MOST_BYTES + 1))
    assert (reply.status, reply.json["reason"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
        (b'{"kind":', 'couldn\'t get version/kind; json parse error: unexpected end of JSON input ({"kind":)'),
        (
            b"hello",
            "couldn't get version/kind; json parse error: invalid character 'h' looking for beginning of value (68656c6c6f)",
        ),
        (b"\xff\xfe{}", "invalid character"),
        (b'{"metadata":{"name":"\xc3\x28"}}', "invalid character"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "exceeded max depth"),
        (b"[" * 300 + b"]" * 300, "exceeded max depth"),
        (b"[1]", "cannot unmarshal array"),
        (b"null", "cannot unmarshal null"),
    ],
)
def test_a_broken_body_is_a_bad_request(body: bytes, message: str) -> None:
    client = Client()
    version = client.registry.store.version
    reply = client("POST", CONFIG_MAPS, body)
    assert (reply.status, reply.json["reason"]) == (400, "BadRequest")
    if message != "exceeded max depth" or body[:1] == b"[":
        assert message in reply.json["message"]
    assert client.registry.store.version == version


def test_yaml_is_read_with_its_dates_left_alone() -> None:
    client = Client()
    reply = client(
        "POST",
        CONFIG_MAPS,
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {day: 2026-01-01}\n",
        type_="application/yaml",
    )
    assert reply.json["data"] == {"day": "2026-01-01"}


def test_an_answer_can_be_yaml() -> None:
    client = Client()
    client.create(CONFIG_MAPS, config_map(a="1"))
    reply = client.get(f"{CONFIG_MAPS}/conf", accept="application/yaml")
    assert reply.headers["content-type"] == ["application/yaml"]
    assert reply.text.startswith("apiVersion: v1\ndata:\n  a: '1'\nkind: ConfigMap\n")


def test_unknown_fields_are_refused_warned_of_or_dropped() -> None:
    client = Client()
    wrong = deployment()
    wrong["spec"]["replcas"] = 1
    refused = client("POST", f"{DEPLOYMENTS}?fieldValidation=Strict", wrong)
    assert (refused.status, refused.json["message"]) == (
        400,
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replcas"',
    )
    ignored = client("POST", f"{DEPLOYMENTS}?fieldValidation=Ignore&dryRun=All", wrong)
    assert (ignored.status, ignored.warnings) == (201, [])
    warned = client("POST", f"{DEPLOYMENTS}?fieldValidation=Warn", wrong)
    assert (warned.status, warned.warnings) == (201, ['299 - "unknown field \\"spec.replcas\\""'])
    assert "replcas" not in warned.json["spec"]


def test_name_and_namespace_of_path_and_body_must_agree() -> None:
    client = Client()
    client.create(CONFIG_MAPS, config_map())
    reply = client("PUT", f"{CONFIG_MAPS}/conf", config_map("other"))
    assert reply.json["message"] == "the name of the object (other) does not match the name on the URL (conf)"
    elsewhere = config_map("b")
    elsewhere["metadata"]["namespace"] = "moon"
    reply = client("POST", CONFIG_MAPS, elsewhere)
    assert reply.json["message"] == "the namespace of the provided object does not match the namespace sent on the request"


def test_another_kind_than_the_paths_is_refused() -> None:
    reply = Client()("POST", DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Pod", "metadata": {"name": "x"}})
    assert reply.json["message"] == (
        'Pod in version "v1" cannot be handled as a Deployment: no kind "Pod" is registered for version "apps/v1"'
        ' in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'
    )


def test_a_mistake_of_ours_tells_the_client_nothing_of_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()

    def broken(*args: object) -> None:
        raise RuntimeError("/secret/path")

    client.registry.create = broken  # type: ignore[method-assign, assignment]
    reply = client("POST", CONFIG_MAPS, config_map())
    assert (reply.status, reply.json["reason"]) == (500, "InternalError")
    assert "secret" not in reply.text
    assert "/secret/path" in caplog.text


def test_old_endpoints_come_with_a_warning() -> None:
    reply = Client().get("/api/v1/namespaces/shop/endpoints")
    assert reply.warnings == ['299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"']


BIG = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n" + b"".join(b"  k%d: v\n" % n for n in range(20_000))


@pytest.mark.parametrize("end", [b"", b"  broken: [\n"], ids=["read", "refused"])
def test_others_are_served_while_a_large_yaml_is_read(end: bytes) -> None:
    client, answered = Client(), []

    async def ask(method: str, path: str, body: bytes | None, type_: str) -> Reply:
        reply = await client.call(method, path, body, type_=type_)
        answered.append(method)
        return reply

    async def story() -> None:
        large, _ = await asyncio.gather(
            ask("POST", CONFIG_MAPS, BIG + end, "application/yaml"), ask("GET", CONFIG_MAPS, None, "application/json")
        )
        assert answered == ["GET", "POST"]
        if end:
            assert (large.status, "error parsing YAML" in large.json["message"]) == (400, True)
        else:
            assert (large.status, len(large.json["data"])) == (201, 20_000)
        path, body = f"{CONFIG_MAPS}/big?fieldManager=me", BIG + end
        applied = await client.call("PATCH", path, body, type_="application/apply-patch+yaml")
        assert applied.status == (400 if end else 200)

    asyncio.run(story())
