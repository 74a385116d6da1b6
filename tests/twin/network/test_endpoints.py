"""Which endpoints of a Service port are usable, and which one is next."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from net import Net

from seatrial.twin.clock import VirtualClock
from seatrial.twin.network import endpoints
from seatrial.twin.network.endpoints import Balancer, Endpoint, Endpoints, PortKey, endpoints_in, usable


def piece(*entries: dict[str, Any], port: int | None = 8080, name: str = "", **more: Any) -> dict[str, Any]:
    return {"addressType": "IPv4", "ports": [{"name": name, "port": port}], "endpoints": list(entries), **more}


def test_absent_conditions_mean_ready_and_serving() -> None:
    [found] = endpoints_in([piece({"addresses": ["127.97.0.1"]})], "")
    assert (found.ready, found.serving, found.terminating) == (True, True, False)
    [found] = endpoints_in([piece({"addresses": ["127.97.0.1"], "conditions": {"ready": False}})], "")
    assert (found.ready, found.serving, found.terminating) == (False, False, False)


@pytest.mark.parametrize(
    "unusable",
    [
        piece({"addresses": ["db.example.com"]}, addressType="FQDN"),
        piece({"addresses": ["127.97.0.1"]}, port=None),
        piece({"addresses": ["127.97.0.1"]}, name="metrics"),
        piece({"addresses": ["127.97.0.1"]}, ports=[{"name": "", "port": 53, "protocol": "UDP"}]),
        piece({"addresses": ["127.97.0.1"]}, ports=None),
        piece(endpoints=None),
    ],
)
def test_slices_that_say_nothing_about_a_port_are_left_out(unusable: dict[str, Any]) -> None:
    assert endpoints_in([unusable], "") == ()


def test_an_endpoint_in_two_slices_counts_once() -> None:
    twice = piece({"addresses": ["127.97.0.1"]})
    assert len(endpoints_in([twice, twice], "")) == 1


READY = Endpoint("127.97.0.1", 80)
LEAVING = Endpoint("127.97.0.2", 80, ready=False, serving=True, terminating=True)
SICK = Endpoint("127.97.0.3", 80, ready=False, serving=False)
STARTING = Endpoint("127.97.0.4", 80, ready=False, serving=True, terminating=False)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([READY, LEAVING, SICK], [READY]),
        ([LEAVING, SICK, STARTING], [LEAVING]),
        ([SICK, STARTING], []),
        ([], []),
    ],
)
def test_ready_endpoints_and_without_any_those_that_leave_and_still_serve(
    there: list[Endpoint], expected: list[Endpoint]
) -> None:
    assert usable(there) == expected


POOL = [Endpoint(f"127.97.0.{number}", 80) for number in range(1, 4)]


def balancer(clock: VirtualClock | None = None) -> Balancer:
    return Balancer(lambda: POOL, (clock or VirtualClock()).now)


def test_equal_endpoints_take_turns() -> None:
    chosen = balancer()
    assert Counter(chosen.pick() for _ in range(9)) == dict.fromkeys(POOL, 3)


def test_every_endpoint_is_tried_before_a_connection_is_given_up() -> None:
    chosen, tried = balancer(), list[tuple[str, int]]()
    while endpoint := chosen.pick(tried=tried):
        tried.append(endpoint.key)
    assert sorted(tried) == [endpoint.key for endpoint in POOL]


def test_an_endpoint_that_refused_comes_last_for_a_second() -> None:
    clock = VirtualClock()
    chosen = balancer(clock)
    chosen.refused(POOL[0])
    for endpoint in POOL[1:]:
        for _ in range(5):
            chosen.opened(endpoint)
    assert chosen.pick() != POOL[0]
    clock.run_for(endpoints.COOLING)
    assert chosen.pick() == POOL[0]


def test_clients_with_affinity_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "REMEMBERED", 2)
    chosen = balancer()
    chosen.affinity_timeout = 60.0
    first = chosen.pick("one")
    for client in ("two", "one", "three", "four"):
        chosen.pick(client)
    assert chosen.pick("two") is not None
    assert first == POOL[0]
    assert len(chosen._affinity) == 2


def test_endpoints_follow_the_store_at_once() -> None:
    net, heard = Net(VirtualClock()), list[tuple[str, str]]()
    known = Endpoints(net.context, lambda namespace, name: heard.append((namespace, name)))
    key = PortKey("default", "web", "")
    assert known.of(key) == ()
    net.endpoints("web", "127.97.0.1", "127.97.0.2", port=80)
    assert [endpoint.address for endpoint in known.of(key)] == ["127.97.0.1", "127.97.0.2"]
    net.endpoints("web", "127.97.0.2", port=80, leaving="127.97.0.2")
    assert [(endpoint.address, endpoint.terminating) for endpoint in known.of(key)] == [("127.97.0.2", True)]
    assert heard == [("default", "web")] * 2
    known.close()
    net.store.delete(endpoints.SLICES, "default", "web-slice")
    assert len(heard) == 2
