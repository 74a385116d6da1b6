"""Requests that may be passed on, and those that may not; what a pod and a client get to read."""

from __future__ import annotations

import pytest

from seatrial.twin.network.http1 import Headers, Limits, Refusal, Request, check_request, response_headers, upstream_head

LIMITS = Limits(head=1000, target=100, headers=10)


def check(method: str = "GET", target: str = "/", *headers: str, version: str = "1.1", host: str | None = "a") -> Request:
    pairs: Headers = [(b"host", host.encode())] if host is not None else []
    for header in headers:
        name, _, value = header.partition(": ")
        pairs.append((name.encode(), value.encode("latin-1")))
    return check_request(method.encode(), target.encode(), version, pairs, LIMITS)


@pytest.mark.parametrize(
    "headers",
    [
        ("content-length: 3", "transfer-encoding: chunked"),
        ("content-length: 3", "content-length: 3"),
        ("content-length: 3", "content-length: 4"),
        ("content-length: +3",),
        ("content-length: -1",),
        ("content-length: 3, 3",),
        ("content-length: 0x3",),
        ("content-length: ",),
        ("content-length: ³",),
        ("content-length: 9999999999999999999",),
        ("transfer-encoding: gzip, chunked",),
        ("transfer-encoding: chunked, chunked",),
        ("transfer-encoding: chunked", "transfer-encoding: chunked"),
        ("transfer-encoding: xchunked",),
        ("transfer-encoding: identity",),
        ("transfer-encoding: ",),
        ("connection: upgrade", "upgrade: websocket", "content-length: 3"),
    ],
)
def test_a_request_whose_end_is_in_doubt_is_refused(headers: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        check("POST", "/", *headers)
    assert refused.value.status == 400


def test_http_1_0_knows_no_chunks() -> None:
    with pytest.raises(Refusal):
        check("POST", "/", "transfer-encoding: chunked", version="1.0")


@pytest.mark.parametrize("host", [None, "a b", "a,b", "a/b", "user@a", 'a"b'])
def test_a_request_without_a_proper_host_is_refused(host: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        check(host=host)
    assert refused.value.status == 400


def test_two_hosts_are_refused_and_http_1_0_needs_none() -> None:
    with pytest.raises(Refusal):
        check("GET", "/", "host: b")
    assert check(version="1.0", host=None).host == ""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"method": "CONNECT", "target": "a:80"}, 405),
        ({"target": "/" + "x" * 100}, 414),
        ({"version": "2.0"}, 505),
        ({"target": "elsewhere"}, 400),
    ],
)
def test_what_is_no_request_for_a_reverse_proxy_is_refused(arguments: dict[str, str], status: int) -> None:
    with pytest.raises(Refusal) as refused:
        check(**arguments)
    assert refused.value.status == status


def test_too_many_headers_and_too_large_ones_are_refused() -> None:
    for headers in ([f"x-{number}: 1" for number in range(10)], ["x: " + "y" * 1000]):
        with pytest.raises(Refusal) as refused:
            check("GET", "/", *headers)
        assert refused.value.status == 431


@pytest.mark.parametrize(
    ("host", "name"),
    [("Shop.Example.COM", "shop.example.com"), ("a:8080", "a"), ("a.:80", "a"), ("[::1]:8080", "[::1]"), ("", "")],
)
def test_hosts_are_compared_without_port_case_and_final_dot(host: str, name: str) -> None:
    assert check(host=host).host == name


def test_a_url_for_a_target_says_the_host() -> None:
    request = check("GET", "http://shop.example.com:8080/a?b#c")
    assert (request.target, request.host, request.authority) == (b"/a?b", "shop.example.com", b"shop.example.com:8080")
    assert check("GET", "http://shop.example.com").target == b"/"
    assert check("GET", "http://shop.example.com?q").target == b"/?q"


@pytest.mark.parametrize(
    ("version", "headers", "keeps"),
    [
        ("1.1", (), True),
        ("1.1", ("connection: Close",), False),
        ("1.1", ("connection: x, close",), False),
        ("1.0", (), False),
        ("1.0", ("connection: keep-alive",), True),
    ],
)
def test_whether_the_connection_stays(version: str, headers: tuple[str, ...], keeps: bool) -> None:
    assert check("GET", "/", *headers, version=version).keep_alive is keeps


def test_only_websocket_is_switched_to() -> None:
    assert check("GET", "/", "connection: keep-alive, Upgrade", "upgrade: WebSocket").websocket
    assert not check("GET", "/", "connection: upgrade", "upgrade: h2c").websocket
    assert not check("GET", "/", "upgrade: websocket").websocket
    assert not check("POST", "/", "connection: upgrade", "upgrade: websocket").websocket


def sent(request: Request) -> list[str]:
    return upstream_head(request, "127.0.0.9", 8080, b"id-1").decode().lower().rstrip().split("\r\n")


def test_what_is_meant_for_the_next_hop_stays_here_and_so_does_a_made_up_origin() -> None:
    lines = sent(
        check(
            *("GET", "/a?b"),
            *("connection: close, x-secret-hop", "x-secret-hop: 1", "keep-alive: timeout=5", "te: trailers"),
            *("x-forwarded-for: 6.6.6.6", "forwarded: for=6.6.6.6", "x-kept: yes"),
        )
    )
    assert lines[0] == "get /a?b http/1.1"
    assert sorted(lines[1:]) == [
        "connection: close",
        "host: a",
        "x-forwarded-for: 127.0.0.9",
        "x-forwarded-host: a",
        "x-forwarded-port: 8080",
        "x-forwarded-proto: http",
        "x-kept: yes",
        "x-real-ip: 127.0.0.9",
        "x-request-id: id-1",
    ]


def test_a_client_cannot_take_out_of_a_request_what_frames_it() -> None:
    lines = sent(check("POST", "/", "connection: content-length, host, x-forwarded-for", "content-length: 5"))
    assert "content-length: 5" in lines
    assert "host: a" in lines
    assert "x-forwarded-for: 127.0.0.9" in lines


def test_a_websocket_handshake_keeps_its_upgrade_and_another_does_not() -> None:
    assert {"connection: upgrade", "upgrade: websocket"} <= set(
        sent(check("GET", "/", "connection: upgrade", "upgrade: websocket"))
    )
    assert not any(line.startswith("upgrade") for line in sent(check("GET", "/", "connection: upgrade", "upgrade: h2c")))


def test_answers_lose_what_is_for_one_hop() -> None:
    cookies: Headers = [(b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")]
    hop: Headers = [(b"Connection", b"X-Hop"), (b"X-Hop", b"1"), (b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")]
    assert response_headers(hop + cookies) == cookies
