"""Network policies: open where none selects, closed but for what a rule permits, at both ends."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from seatrial.world.objects import name_of
from seatrial.world.policies import End, in_the_way
from seatrial.world.world import World

WEB = End("shop", {"app": "web"})
API = End("shop", {"app": "api"}, named_ports={"http": 8080})
CONTROLLER = End("ingress", {"app": "nginx"})
OUTSIDE = End(address="203.0.113.7")


def policy(name: str, spec: str, namespace: str = "shop") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": yaml.safe_load(spec)}


DENY = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
FROM_WEB = (
    "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: %s}]}]}"
)
TO_API = (
    "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: api}}}]}]}"
)
FROM_INGRESS = (
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]}]}"
)
FROM_LABEL = """{podSelector: {}, ingress: [{from: [
  {namespaceSelector: {matchLabels: {tier: edge}}, podSelector: {matchLabels: {app: nginx}}}]}]}"""
TO_BLOCK = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [203.0.113.0/24]}}]}]}"
RANGE = "{podSelector: {}, ingress: [{ports: [{port: 8000, endPort: 9000}]}]}"
UDP = "{podSelector: {}, ingress: [{ports: [{protocol: UDP, port: 8080}]}]}"

#: policies, caller, callee -> the directions in which the connection to 8080 is forbidden.
CASES: dict[str, tuple[list[str], End, End, set[str]]] = {
    "no policy": ([], WEB, API, set()),
    "default deny closes both ends": ([DENY], WEB, API, {"Ingress", "Egress"}),
    "both ends open": ([DENY, FROM_WEB % 8080, TO_API], WEB, API, set()),
    "the caller's end is forgotten": ([DENY, FROM_WEB % 8080], WEB, API, {"Egress"}),
    "another port": ([FROM_WEB % 3000], WEB, API, {"Ingress"}),
    "a port by name": ([FROM_WEB % "http"], WEB, API, set()),
    "a name that the callee has not": ([FROM_WEB % "grpc"], WEB, API, {"Ingress"}),
    "a selector without namespace means the own one": ([FROM_WEB % 8080], End("other", {"app": "web"}), API, {"Ingress"}),
    "a namespace by its name": ([FROM_INGRESS], CONTROLLER, API, set()),
    "… and not from elsewhere": ([FROM_INGRESS], WEB, API, {"Ingress"}),
    "namespace and pod together": ([FROM_LABEL], CONTROLLER, API, set()),
    "an address that is excepted": ([TO_BLOCK], WEB, OUTSIDE, {"Egress"}),
    "an address that is not": ([TO_BLOCK], WEB, End(address="198.51.100.1"), set()),
    "a block is no pod": ([TO_BLOCK], WEB, API, {"Egress"}),
    "a range of ports": ([RANGE], WEB, API, set()),
    "another protocol": ([UDP], WEB, API, {"Ingress"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_in_the_way(case: str) -> None:
    specs, caller, callee, wanted = CASES[case]
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ingress", "labels": {"tier": "edge"}}}]
    world = World([*namespaces, *(policy(f"p{number}", spec) for number, spec in enumerate(specs))])
    assert set(in_the_way(world, caller, callee, 8080)) == wanted


def test_the_policies_that_forbid_are_named_and_those_of_other_namespaces_are_not() -> None:
    world = World([policy("deny", DENY), policy("theirs", DENY, "other")])
    found = in_the_way(world, WEB, API, 80)
    assert {way: [name_of(each) for each in policies] for way, policies in found.items()} == {
        "Ingress": ["deny"],
        "Egress": ["deny"],
    }
