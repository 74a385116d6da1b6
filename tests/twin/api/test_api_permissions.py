"""Who asks, whom they act as, what RBAC lets them do, and that nobody hands on more than they have."""

from __future__ import annotations

from typing import Any

import pytest
from in_process import PODS, Client, Reply, config_map

from seatrial.twin.api.authentication import PEER
from seatrial.twin.api.http import User
from seatrial.world.objects import Obj

GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1"
IN_SHOP = f"{RBAC}/namespaces/shop"
REVIEWS = "/apis/authorization.k8s.io/v1"
JANE = {"impersonate_user": "jane"}


def rule(resources: str, verbs: str, groups: str = "", **more: Any) -> Obj:
    return {"apiGroups": groups.split(",") if groups else [""], "resources": resources.split(), "verbs": verbs.split(), **more}


def role(name: str, *rules: Obj, **more: Any) -> Obj:
    return {"metadata": {"name": name, **more.pop("metadata", {})}, "rules": list(rules), **more}


def binding(name: str, of: str, *subjects: Obj, kind: str = "Role") -> Obj:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": of}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": list(subjects)}


def user(name: str, kind: str = "User") -> Obj:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def let_jane(client: Client, *rules: Obj, everywhere: bool = False) -> None:
    """Jane gets rules, in the namespace `shop` or cluster-wide."""
    if everywhere:
        client.create(f"{RBAC}/clusterroles", role("janes", *rules))
        client.create(f"{RBAC}/clusterrolebindings", binding("janes", "janes", user("jane"), kind="ClusterRole"))
    else:
        client.create(f"{IN_SHOP}/roles", role("janes", *rules))
        client.create(f"{IN_SHOP}/rolebindings", binding("janes", "janes", user("jane")))


def may(client: Client, verb: str, path: str) -> bool:
    reply = client(verb, path, config_map() if verb == "POST" else None, **JANE)
    return reply.status != 403


def refused(reply: Reply) -> str:
    assert (reply.status, reply.json["reason"]) == (403, "Forbidden"), reply.text
    return str(reply.json["message"])


# rules


@pytest.mark.parametrize(
    ("given", "allowed", "forbidden"),
    [
        (rule("pods", "get"), [("GET", "/pods/web")], [("GET", "/pods"), ("GET", "/pods/web/log"), ("DELETE", "/pods/web")]),
        (rule("pods", "*"), [("GET", "/pods"), ("DELETE", "/pods")], [("GET", "/pods/web/log"), ("GET", "/secrets")]),
        (rule("pods/log", "get"), [("GET", "/pods/web/log")], [("GET", "/pods/web")]),
        (rule("*/log", "get"), [("GET", "/pods/web/log")], [("GET", "/pods/web"), ("GET", "/pods/web/status")]),
        (rule("*", "get"), [("GET", "/secrets/s"), ("GET", "/pods/web/log")], [("POST", "/configmaps")]),
        (rule("pods", "get", groups="apps"), [], [("GET", "/pods/web")]),
        (rule("pods", "get", groups="*"), [("GET", "/pods/web")], []),
        (rule("pods", "watch"), [("GET", "/pods?watch=1&resourceVersion=x")], [("GET", "/pods"), ("GET", "/pods/web")]),
        (rule("pods", "deletecollection"), [("DELETE", "/pods")], [("DELETE", "/pods/web")]),
        (
            rule("configmaps", "get list create", resourceNames=["conf"]),
            [("GET", "/configmaps/conf"), ("GET", "/configmaps?fieldSelector=metadata.name%3Dconf")],
            [("GET", "/configmaps/other"), ("GET", "/configmaps"), ("POST", "/configmaps")],
        ),
    ],
)
def test_a_rule_allows_what_it_says(given: Obj, allowed: list[tuple[str, str]], forbidden: list[tuple[str, str]]) -> None:
    client = Client(roles=True)
    let_jane(client, given)
    base = "/api/v1/namespaces/shop"
    assert [one for one in allowed if not may(client, one[0], base + one[1])] == []
    assert [one for one in forbidden if may(client, one[0], base + one[1])] == []


def test_a_role_holds_in_its_namespace_and_a_cluster_role_where_it_is_bound() -> None:
    client = Client(roles=True)
    client.create("/api/v1/namespaces", {"metadata": {"name": "moon"}})
    client.create(f"{IN_SHOP}/rolebindings", binding("views", "view", user("jane"), kind="ClusterRole"))
    assert may(client, "GET", PODS)
    assert not may(client, "GET", "/api/v1/namespaces/moon/pods")
    assert not may(client, "GET", "/api/v1/pods")
    assert not may(client, "GET", "/api/v1/nodes")
    assert not may(client, "GET", "/api/v1/namespaces/shop/secrets")


def test_whoever_may_see_all_of_a_namespace_may_see_the_namespace() -> None:
    client = Client(roles=True)
    let_jane(client, rule("namespaces", "get"))
    assert client.get("/api/v1/namespaces/shop", **JANE).status == 200
    assert refused(client.get("/api/v1/namespaces/default", **JANE)) == (
        'namespaces "default" is forbidden: User "jane" cannot get resource "namespaces" in API group ""'
        ' in the namespace "default"'
    )


def test_groups_and_service_accounts_are_bound_too() -> None:
    client = Client(roles=True)
    client.create(f"{IN_SHOP}/roles", role("reader", rule("pods", "list")))
    robot = {"kind": "ServiceAccount", "name": "robot"}  # of the binding's own namespace
    client.create(f"{IN_SHOP}/rolebindings", binding("b", "reader", user("crew", "Group"), robot))
    assert client.get(PODS, impersonate_user="anna", impersonate_group="crew").status == 200
    assert client.get(PODS, impersonate_user="anna").status == 403
    assert client.get(PODS, impersonate_user="system:serviceaccount:shop:robot").status == 200
    assert client.get(PODS, impersonate_user="system:serviceaccount:moon:robot").status == 403


def test_paths_that_are_no_resources_have_rules_of_their_own() -> None:
    client = Client(roles=True)
    assert may(client, "GET", "/apis/apps/v1")
    assert refused(client.get("/metrics", **JANE)) == 'forbidden: User "jane" cannot get path "/metrics"'
    let_jane(client, {"nonResourceURLs": ["/metrics", "/debug/*"], "verbs": ["get"]}, everywhere=True)
    assert may(client, "GET", "/metrics")
    assert may(client, "GET", "/debug/pprof/heap")
    assert not may(client, "GET", "/debug")


#: What everybody may see, by system:public-info-viewer; and what only whoever is known may, by system:discovery.
PUBLIC = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
DISCOVERY = ["/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1"]
#: What neither gives.
CLOSED = ["/", "/healthz/ping", "/metrics", "/logs/", "/.well-known/openid-configuration"]
NOBODY = {"authorization": ""}


def test_a_stranger_sees_health_and_version_alone() -> None:
    client = Client(roles=True)
    assert {path: client.get(path, **NOBODY).status for path in PUBLIC} == dict.fromkeys(PUBLIC, 200)
    for path in DISCOVERY + CLOSED:
        assert client.get(path, **NOBODY).json == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f'forbidden: User "system:anonymous" cannot get path "{path}"',
            "reason": "Forbidden",
            "details": {},
            "code": 403,
        }
    assert refused(client("HEAD", "/apis", **NOBODY)) == 'forbidden: User "system:anonymous" cannot head path "/apis"'
    assert refused(client.get("/apis/shop.example/v1/boats", **NOBODY)) == (
        'boats.shop.example is forbidden: User "system:anonymous" cannot list resource "boats" in API group "shop.example"'
        " at the cluster scope"
    )


def test_whoever_is_known_may_discover() -> None:
    client = Client(roles=True)
    assert {path: client.get(path, **JANE).status for path in PUBLIC + DISCOVERY} == dict.fromkeys(PUBLIC + DISCOVERY, 200)
    assert {path: client.get(path, **JANE).status for path in CLOSED} == dict.fromkeys(CLOSED, 403)


def test_a_token_that_nobody_gave_is_no_stranger_but_refused() -> None:
    client = Client(roles=True)
    for path in [*PUBLIC, *DISCOVERY, *CLOSED, PODS]:
        reply = client.get(path, authorization="Bearer made-up")
        assert (reply.status, reply.json["message"], "details" in reply.json) == (401, "Unauthorized", False)


def test_only_health_needs_no_role_at_all() -> None:
    client = Client(roles=True)
    client("DELETE", f"{RBAC}/clusterrolebindings/system:public-info-viewer")
    assert [client.get(path, **NOBODY).status for path in ("/healthz", "/livez", "/readyz", "/version")] == [200, 200, 200, 403]


def test_the_message_names_subresource_object_and_namespace() -> None:
    client = Client(roles=True)
    assert refused(client("POST", f"{PODS}/web/eviction", {}, **JANE)) == (
        'pods "web" is forbidden: User "jane" cannot create resource "pods/eviction" in API group "" in the namespace "shop"'
    )
    client.create(f"{IN_SHOP}/rolebindings", binding("b", "gone", user("jane")))
    assert refused(client.get(PODS, **JANE)) == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "shop":'
        ' RBAC: role.rbac.authorization.k8s.io "gone" not found'
    )


def test_a_cluster_role_gathers_the_rules_of_others() -> None:
    client = Client(roles=True)
    roles = {one["metadata"]["name"]: one["rules"] for one in client.get(f"{RBAC}/clusterroles").json["items"]}
    assert all(one in roles["edit"] for one in roles["view"])
    assert all(one in roles["admin"] for one in roles["edit"])
    assert [one for one in roles["view"] if "secrets" in one["resources"]] == []


# who


def test_a_certificate_comes_before_a_token() -> None:
    client = Client(roles=True)
    peer = User("anna", ("crew", "system:authenticated"))
    state = {PEER: peer}
    assert client.api.authenticator.user({"state": state}, {b"authorization": b"Bearer secret"}) is peer
    assert client.api.authenticator.user({"state": {}}, {b"authorization": b"Bearer secret"}).name == "admin"


def test_a_token_opens_the_door_for_its_service_account() -> None:
    client = Client(roles=True)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = client.create("/api/v1/namespaces/shop/serviceaccounts/default/token", asked)["status"]["token"]
    door = {"authorization": f"Bearer {token}"}
    told = client("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, **door).json["status"]["userInfo"]
    assert told["username"] == "system:serviceaccount:shop:default"
    assert told["groups"] == ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]
    assert told["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")
    account = {"kind": "ServiceAccount", "name": "default", "namespace": "shop"}
    client.create(f"{IN_SHOP}/rolebindings", binding("b", "view", account, kind="ClusterRole"))
    assert client.get(PODS, **door).status == 200
    assert client.get("/api/v1/namespaces/shop/secrets", **door).status == 403
    client.registry.delete("serviceaccounts", "shop", "default")
    client.create("/api/v1/namespaces/shop/serviceaccounts", {"metadata": {"name": "default"}})
    assert client.get(PODS, **door).status == 401, "another account of the same name"


# acting as others


def who(client: Client, **headers: str) -> Obj:
    reply = client("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, **headers)
    assert reply.status == 201, reply.text
    return dict(reply.json["status"]["userInfo"])


def test_an_administrator_acts_as_anybody() -> None:
    client = Client(roles=True)
    assert who(client, **JANE) == {"username": "jane", "groups": ["system:authenticated"]}
    assert who(client, impersonate_user="jane", impersonate_group="crew", impersonate_uid="7") == {
        "username": "jane",
        "uid": "7",
        "groups": ["crew", "system:authenticated"],
    }
    assert who(client, **JANE, **{"impersonate-extra-scopes": "view"})["extra"] == {"scopes": ["view"]}
    assert who(client, impersonate_user="system:serviceaccount:shop:robot")["groups"][0] == "system:serviceaccounts"
    robot = {"impersonate_user": "system:serviceaccount:shop:robot", "impersonate_group": "crew"}
    assert who(client, **robot)["groups"] == ["crew", "system:authenticated"]
    reply = client.get(PODS, impersonate_group="crew")
    assert (reply.status, reply.json["message"]) == (
        500,
        "Internal error occurred: requested [crew] without impersonating a user",
    )


@pytest.mark.parametrize(
    ("given", "headers", "what"),
    [
        (rule("users", "impersonate", resourceNames=["otto"]), {"impersonate_user": "otto"}, ""),
        (
            rule("users", "impersonate", resourceNames=["otto"]),
            {"impersonate_user": "anna"},
            'users "anna" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster scope',
        ),
        (
            rule("users", "impersonate"),
            {"impersonate_user": "otto", "impersonate_group": "system:masters"},
            'groups "system:masters" is forbidden: User "bob" cannot impersonate resource "groups" in API group ""'
            " at the cluster scope",
        ),
        (rule("users groups", "impersonate"), {"impersonate_user": "otto", "impersonate_group": "crew"}, ""),
        (
            rule("users", "impersonate"),
            {"impersonate_user": "system:serviceaccount:shop:robot"},
            'serviceaccounts "robot" is forbidden: User "bob" cannot impersonate resource "serviceaccounts" in API group ""'
            ' in the namespace "shop"',
        ),
        (
            rule("users", "impersonate"),
            {"impersonate_user": "otto", "impersonate-extra-scopes": "view"},
            'userextras.authentication.k8s.io "view" is forbidden: User "bob" cannot impersonate resource "userextras/scopes"'
            ' in API group "authentication.k8s.io" at the cluster scope',
        ),
        (
            rule("users", "impersonate"),
            {"impersonate_user": "otto", "impersonate_uid": "7"},
            'uids.authentication.k8s.io "7" is forbidden: User "bob" cannot impersonate resource "uids"'
            ' in API group "authentication.k8s.io" at the cluster scope',
        ),
    ],
)
def test_others_act_as_whom_they_may(given: Obj, headers: dict[str, str], what: str) -> None:
    client = Client(roles=True)
    client.api.authenticator._headers[b"Bearer bobs"] = User("bob", ("system:authenticated",))
    client.create(f"{RBAC}/clusterroles", role("bobs", given))
    client.create(f"{RBAC}/clusterrolebindings", binding("bobs", "bobs", user("bob"), kind="ClusterRole"))
    reply = client("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, authorization="Bearer bobs", **headers)
    if what:
        assert refused(reply) == what
    else:
        assert reply.json["status"]["userInfo"]["username"] == headers["impersonate_user"]


# nobody hands on more than they have


def test_a_role_of_more_than_its_author_has_is_refused() -> None:
    client = Client(roles=True)
    let_jane(client, rule("roles", "get create update patch", groups=GROUP), rule("pods", "get list"))
    assert client("POST", f"{IN_SHOP}/roles", role("less", rule("pods", "get")), **JANE).status == 201
    more = role("more", rule("pods secrets", "get delete", resourceNames=["a"]), rule("pods", "watch delete"))
    assert refused(client("POST", f"{IN_SHOP}/roles", more, **JANE)) == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting to'
        " grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get" "delete"]}'
    )
    grown = client.get(f"{IN_SHOP}/roles/less").json | {"rules": [rule("*", "*")]}
    assert client("PUT", f"{IN_SHOP}/roles/less", grown, **JANE).status == 403
    patch = {"metadata": {"labels": {"a": "b"}}}
    reply = client("PATCH", f"{IN_SHOP}/roles/less", patch, type_="application/merge-patch+json", **JANE)
    assert reply.status == 200, "what she holds she may write again"


def test_a_binding_of_more_than_its_author_has_is_refused() -> None:
    client = Client(roles=True)
    let_jane(client, rule("rolebindings", "create", groups=GROUP), rule("pods", "get"))
    client.create(f"{IN_SHOP}/roles", role("pods", rule("pods", "get")))
    client.create(f"{IN_SHOP}/roles", role("secrets", rule("secrets", "get")))
    assert client("POST", f"{IN_SHOP}/rolebindings", binding("a", "pods", user("otto")), **JANE).status == 201
    assert refused(client("POST", f"{IN_SHOP}/rolebindings", binding("b", "secrets", user("jane")), **JANE)) == (
        'rolebindings.rbac.authorization.k8s.io "b" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting'
        ' to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    )
    missing = client("POST", f"{IN_SHOP}/rolebindings", binding("c", "gone", user("jane")), **JANE)
    assert (missing.status, missing.json["message"]) == (404, 'roles.rbac.authorization.k8s.io "gone" not found')


def test_the_verbs_escalate_and_bind_lift_the_limit() -> None:
    client = Client(roles=True)
    let_jane(client, rule("roles rolebindings", "create", groups=GROUP))
    everything = rule("*", "*", groups="*")
    assert client("POST", f"{IN_SHOP}/roles", role("all", everything), **JANE).status == 403
    client.create(f"{IN_SHOP}/roles", role("lifts", rule("roles", "escalate bind", groups=GROUP)))
    client.create(f"{IN_SHOP}/rolebindings", binding("lifts", "lifts", user("jane")))
    assert client("POST", f"{IN_SHOP}/roles", role("all", everything), **JANE).status == 201
    assert client("POST", f"{IN_SHOP}/rolebindings", binding("all", "all", user("jane")), **JANE).status == 201


def test_to_gather_rules_takes_an_administrator() -> None:
    client = Client(roles=True)
    let_jane(client, rule("clusterroles", "create", groups=GROUP), everywhere=True)
    gathers = role("all", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
    assert refused(client("POST", f"{RBAC}/clusterroles", gathers, **JANE)) == (
        'clusterroles.rbac.authorization.k8s.io "all" is forbidden: must have cluster-admin privileges to use an aggregationRule'
    )
    client.create(f"{RBAC}/clusterrolebindings", binding("jane", "cluster-admin", user("jane"), kind="ClusterRole"))
    assert client("POST", f"{RBAC}/clusterroles", gathers, **JANE).status == 201


# reviews


def test_reviews_say_who_may_what_and_why() -> None:
    client = Client(roles=True)
    let_jane(client, rule("pods", "list"))
    listing = {"verb": "list", "resource": "pods", "namespace": "shop"}

    def ask(kind: str, spec: Obj, **headers: str) -> Obj:
        reply = client("POST", f"{REVIEWS}/{kind}", {"spec": spec}, **headers)
        assert reply.status == 201, reply.text
        return dict(reply.json["status"])

    why = 'RBAC: allowed by RoleBinding "janes/shop" of Role "janes" to User "jane"'
    assert ask("selfsubjectaccessreviews", {"resourceAttributes": listing}) == {"allowed": True}
    assert ask("selfsubjectaccessreviews", {"resourceAttributes": listing}, **JANE) == {"allowed": True, "reason": why}
    assert ask("subjectaccessreviews", {"user": "jane", "resourceAttributes": listing}) == {"allowed": True, "reason": why}
    deleting = {**listing, "verb": "delete"}
    assert ask("subjectaccessreviews", {"user": "jane", "resourceAttributes": deleting}) == {"allowed": False}
    path = {"path": "/apis", "verb": "get"}
    grouped = {"user": "x", "groups": ["system:authenticated"], "nonResourceAttributes": path}
    assert ask("subjectaccessreviews", grouped) == {
        "allowed": True,
        "reason": 'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery"'
        ' to Group "system:authenticated"',
    }
    local = client(
        "POST",
        f"{REVIEWS}/namespaces/shop/localsubjectaccessreviews",
        {"spec": {"user": "jane", "resourceAttributes": listing}},
    )
    assert local.json["status"]["allowed"] is True


def test_reviews_that_ask_nothing_are_refused() -> None:
    client = Client(roles=True)
    empty = client("POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {}})
    assert (empty.status, empty.json["message"]) == (
        422,
        'SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null:'
        " exactly one of nonResourceAttributes or resourceAttributes must be specified",
    )
    nobody = client("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": {"resourceAttributes": {"verb": "get"}}})
    assert 'spec.user: Invalid value: "": at least one of user or group must be specified' in nobody.json["message"]
    spec = {"user": "jane", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "moon"}}
    elsewhere = client("POST", f"{REVIEWS}/namespaces/shop/localsubjectaccessreviews", {"spec": spec})
    assert 'spec.resourceAttributes.namespace: Invalid value: "moon": must match metadata.namespace' in elsewhere.json["message"]


def test_a_review_of_rules_lists_what_a_user_holds() -> None:
    client = Client(roles=True)
    let_jane(client, rule("pods", "list", resourceNames=["web"]))
    reply = client("POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "shop"}}, **JANE)
    status = reply.json["status"]
    assert {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"]} in status["resourceRules"]
    assert [path for one in status["nonResourceRules"] for path in one["nonResourceURLs"] if path == "/apis"] == ["/apis"]
    assert status["incomplete"] is False
    assert client("POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {}}).json["message"] == "no namespace on request"
