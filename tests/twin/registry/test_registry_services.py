"""Addresses and node ports of Services (pkg/registry/core/service)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from samples import registry, service

from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, clone


def spec_of(made: Registry, **spec: object) -> Obj:
    return dict(made.create("services", service(**spec))["spec"])


def refusal(made: Registry, **spec: object) -> str:
    with pytest.raises(ApiError) as refused:
        made.create("services", service("other", **spec))
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    return refused.value.message


def test_a_service_gets_an_address_of_the_range() -> None:
    spec = spec_of(registry())
    assert ip_address(spec["clusterIP"]) in ip_network("127.96.0.0/16")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


def test_a_headless_service_has_no_address() -> None:
    spec = spec_of(registry(), clusterIP="None", selector={"a": "b"})
    assert (spec["clusterIP"], spec["clusterIPs"], spec["ipFamilies"]) == ("None", ["None"], ["IPv4"])


def test_a_headless_service_without_selector_speaks_both_families() -> None:
    spec = spec_of(registry(), clusterIP="None")
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")


def test_an_external_name_has_neither_address_nor_family() -> None:
    spec = spec_of(registry(), type="ExternalName", externalName="db.example.com", ports=None)
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(spec)


def test_an_address_is_given_once_and_again_when_it_is_free() -> None:
    made = registry()
    spec_of(made, clusterIP="127.96.0.77")
    assert refusal(made, clusterIP="127.96.0.77") == (
        'Service "other" is invalid: spec.clusterIPs: Invalid value: ["127.96.0.77"]:'
        " failed to allocate IP 127.96.0.77: provided IP is already allocated"
    )
    made.delete("services", "shop", "web")
    assert made.create("services", service("other", clusterIP="127.96.0.77"))["spec"]["clusterIP"] == "127.96.0.77"


def test_an_address_outside_the_range_is_refused_in_the_words_of_the_reference() -> None:
    assert refusal(registry(), clusterIP="1.2.3.4") == (
        'Service "other" is invalid: spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4:'
        " the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 127.96.0.0/16"
    )


def test_a_node_port_is_given_and_taken() -> None:
    made = registry()
    spec = spec_of(made, type="NodePort", ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81, "nodePort": 30080}])
    given = [port["nodePort"] for port in spec["ports"]]
    assert given[1] == 30080
    assert given[0] in range(30000, 32768)
    assert refusal(made, type="NodePort", ports=[{"port": 80, "nodePort": 30080}]) == (
        'Service "other" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated'
    )


def test_a_node_port_outside_the_range_is_refused() -> None:
    why = "provided port is not in the valid range. The range of valid ports is 30000-32767"
    said = refusal(registry(), type="NodePort", ports=[{"port": 80, "nodePort": 80}])
    assert said == f'Service "other" is invalid: spec.ports[0].nodePort: Invalid value: 80: {why}'


def test_an_update_keeps_what_was_given() -> None:
    made = registry()
    before = spec_of(made, type="NodePort")
    after = made.update("services", service(type="NodePort", selector={"a": "b"}))["spec"]
    assert after["clusterIP"] == before["clusterIP"]
    assert after["ports"][0]["nodePort"] == before["ports"][0]["nodePort"]


def test_a_service_that_stops_being_a_node_port_gives_it_back() -> None:
    made = registry()
    spec_of(made, type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    changed = clone(made.get("services", "shop", "web"))
    changed["spec"]["type"] = "ClusterIP"
    assert "nodePort" not in made.update("services", changed)["spec"]["ports"][0]
    made.create("services", service("other", type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))


def test_services_of_another_network_are_taken_in_at_the_same_place() -> None:
    made = registry()
    old = ip_network("127.95.16.0/20")
    for number, name in ((1, "first"), (300, "taken"), (301, "free")):
        made.store.create("services", service(name, clusterIP=str(old[number]), clusterIPs=[str(old[number])]))
    made.create("services", service("none", clusterIP="None"))
    made.addresses.network = ip_network("127.96.32.0/20")
    made.create("services", service("mine", clusterIP=str(made.addresses.network[300])))
    moved = made.addresses.take_in()
    assert "shop/first: 127.95.16.1 is now 127.96.32.1" in moved
    assert "shop/free: 127.95.17.45 is now 127.96.33.45" in moved
    assert len(moved) == 3
    now = [one["spec"]["clusterIP"] for one in made.list("services")]
    assert "None" in now
    assert len({*now}) == 5
    assert all(one == "None" or ip_address(one) in made.addresses.network for one in now)
    assert made.addresses.take_in() == []
