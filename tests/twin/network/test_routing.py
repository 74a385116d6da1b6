"""Hosts and paths of Ingresses: which rule a request belongs to."""

from __future__ import annotations

import pytest
from net import INGRESSES, Net

from seatrial.twin.clock import VirtualClock
from seatrial.twin.network.routing import Routes, clean_path, local_names


def routes(*rules: str, default: str = "") -> Routes:
    net = Net(VirtualClock())
    net.ingress("web", *rules, default=default)
    return Routes(net.store.list(INGRESSES))


def service(table: Routes, host: str, path: str = "/") -> str | None:
    rule = table.find(host, path).rule
    return rule.service if rule else None


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [  # the table of kubernetes.io/docs/concepts/services-networking/ingress
        ("a/", "/any/path", True),
        ("=a/foo", "/foo", True),
        ("=a/foo", "/bar", False),
        ("=a/foo", "/foo/", False),
        ("=a/foo/", "/foo", False),
        ("a/foo", "/foo", True),
        ("a/foo", "/foo/", True),
        ("a/foo/", "/foo", True),
        ("a/foo/", "/foo/", True),
        ("a/aaa/bb", "/aaa/bbb", False),
        ("a/aaa/bbb", "/aaa/bbb", True),
        ("a/aaa/bbb/", "/aaa/bbb", True),
        ("a/aaa/bbb", "/aaa/bbb/", True),
        ("a/aaa/bbb", "/aaa/bbb/ccc", True),
        ("a/aaa/bbb", "/aaa/bbbxyz", False),
    ],
)
def test_paths_match_as_the_documentation_says(rule: str, path: str, matches: bool) -> None:
    assert (service(routes(f"{rule} -> web:80"), "a", path) == "web") is matches


def test_the_longest_path_wins_and_exact_before_prefix() -> None:
    table = routes("a/ -> root:80", "a/api -> api:80", "a/api/v2 -> v2:80", "=a/api -> exact:80")
    assert [service(table, "a", path) for path in ("/x", "/api", "/api/", "/api/v2/y")] == ["root", "exact", "api", "v2"]


def test_the_most_specific_host_wins_and_a_wildcard_stands_for_one_label() -> None:
    table = routes("shop.example.com/ -> shop:80", "*.example.com/ -> any:80", "/ -> rest:80")
    asked = ["shop.example.com", "blog.example.com", "a.b.example.com", "example.com"]
    assert [service(table, host) for host in asked] == ["shop", "any", "rest", "rest"]


def test_the_oldest_of_two_equal_rules_wins() -> None:
    net = Net(VirtualClock())
    net.ingress("a-young", "a/ -> young:80", created="2026-02-01T00:00:00Z")
    net.ingress("z-old", "a/ -> old:80", created="2026-01-01T00:00:00Z")
    assert service(Routes(net.store.list(INGRESSES)), "a") == "old"


def test_what_no_rule_matches_goes_to_the_default_backend() -> None:
    table = routes("a/api -> api:80", default="web:80")
    assert [service(table, "a", "/api"), service(table, "a", "/x"), service(table, "nowhere.example")] == ["api", "web", "web"]
    assert service(routes("a/api -> api:80"), "a", "/x") is None


def test_a_single_host_answers_to_any_name() -> None:
    table = routes("shop.example.com/ -> web:80")
    assert {service(table, host) for host in ("localhost", "127.0.0.1", "")} == {"web"}


def test_of_several_hosts_each_answers_to_its_first_label_on_localhost() -> None:
    table = routes("shop.example.com/ -> shop:80", "blog.example.com/ -> blog:80")
    assert [service(table, host) for host in ("shop.localhost", "blog.localhost", "localhost")] == ["shop", "blog", None]
    assert table.find("localhost", "/").host is None


def test_local_names_are_those_that_lead_to_their_hosts() -> None:
    assert local_names(["shop.example.com"]) == {"shop.example.com": "localhost"}
    assert local_names(["blog.a.com", "shop.a.com", "shop.b.com", "*.c.com"]) == {
        "blog.a.com": "blog.localhost",
        "shop.a.com": "shop.a.com",
        "shop.b.com": "shop.b.com",
        "*.c.com": "*.c.com",
    }


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/a/b?q=/../x", "/a/b"),
        ("/a%20b", "/a b"),
        ("/public/../admin", "/admin"),
        ("/public/%2e%2e/admin", "/admin"),
        ("/a/./b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/..hidden/...", "/..hidden/..."),
        ("/..", None),
        ("/a/../../etc", None),
    ],
)
def test_a_path_is_matched_without_its_dots(target: str, path: str | None) -> None:
    assert clean_path(target) == path


def test_an_ingress_may_have_nothing_to_say() -> None:
    net = Net(VirtualClock())
    net.put(INGRESSES, {"kind": "Ingress", "metadata": {"name": "bare", "namespace": "default"}})
    resource = {"resource": {"kind": "Bucket", "name": "files"}}
    spec = {"rules": [{"host": "a"}, {"host": "b", "http": {"paths": [{"path": "/", "backend": resource}]}}]}
    net.put(INGRESSES, {"kind": "Ingress", "metadata": {"name": "bucket", "namespace": "default"}, "spec": spec})
    assert Routes(net.store.list(INGRESSES)).hosts == []
