# ruff: noqa: E501 - objects on one line
"""Pictures of a world: what is drawn, where it stands, and what is red."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
import yaml

from seatrial.rules.finding import Finding
from seatrial.views.picture import Edge, Node, Picture, drawn, layered
from seatrial.views.picture.svg import show as as_svg
from seatrial.views.picture.text import show as as_text
from seatrial.world.objects import Ref
from seatrial.world.world import World

SHOP = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: n}
spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: n}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: n}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: w, ports: [{name: http, containerPort: 8080}], env: [{name: DB, value: "postgres://db:5432/x"}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: n}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: n}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: d, ports: [{containerPort: 5432}]}]}}
"""
DENY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: n}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
"""
DEPLOYMENT = Ref("apps", "Deployment", "n", "web")


def world(*texts: str) -> World:
    return World(document for text in texts for document in yaml.safe_load_all(text) if document)


def test_the_text_shows_the_way_from_outside_to_the_store() -> None:
    assert (
        as_text(drawn(world(SHOP), (), "shop"))
        == """\
shop

→ front  shop.example.com
      ─→ web :80
○ web  Deployment × 2
      ─→ db :5432
■ db  StatefulSet
"""
    )


def test_a_call_that_a_policy_forbids_is_marked_with_the_policy() -> None:
    text = as_text(drawn(world(SHOP, DENY)))
    assert "    ! ─→ db :5432\n          deny forbids ingress\n" in text
    svg = as_svg(drawn(world(SHOP, DENY)))
    assert 'class="edge bad"' in svg and "web → db: deny forbids ingress" in svg


def test_a_finding_marks_its_box_and_one_about_nothing_drawn_stands_below() -> None:
    quota = Ref("", "ResourceQuota", "n", "small")
    findings = [
        Finding("a", "error", "web is at fault", (DEPLOYMENT,)),
        Finding("b", "error", "the Service too", (Ref("", "Service", "n", "db"),)),
        Finding("c", "warning", "never shown", (DEPLOYMENT,)),
        Finding("d", "error", "no room", (quota,)),
    ]
    picture = drawn(world(SHOP), findings)
    assert {node.name: node.faults for node in picture.nodes if node.faults} == {
        "web": ("web is at fault",),
        "db": ("the Service too",),
    }
    assert picture.others == ("no room",)
    assert "never shown" not in as_svg(picture)


def box(name: str, **more: Any) -> Node:
    return Node(Ref("apps", "Deployment", "n", name), more.pop("kind", "service"), **more)


def picture(*arrows: str) -> Picture:
    """`a b` is an arrow from a to b."""
    names = sorted({name for arrow in arrows for name in arrow.split()})
    nodes = {name: box(name) for name in names}
    edges = tuple(Edge(nodes[arrow.split()[0]].ref, nodes[arrow.split()[1]].ref, "call") for arrow in arrows)
    return Picture("", tuple(nodes.values()), edges)


@pytest.mark.parametrize(
    ("arrows", "columns"),
    [
        (["a b", "b c", "a c"], [["a"], ["b"], ["c"]]),
        (["a b", "b c", "c a"], [["a"], ["b"], ["c"]]),
        (["a c", "b d"], [["a", "b"], ["c", "d"]]),
        (["a d", "b c"], [["a", "b"], ["d", "c"]]),
        (["a b", "b c", "late c"], [["a"], ["b", "late"], ["c"]]),
        (["a a"], [["a"]]),
    ],
)
def test_callers_stand_left_of_what_they_call_and_ways_do_not_cross(arrows: list[str], columns: list[list[str]]) -> None:
    found = layered(picture(*arrows))
    boxes = [[ref.name for ref in column if ref in {node.ref for node in picture(*arrows).nodes}] for column in found.columns]
    assert boxes == columns


def test_a_long_arrow_has_a_way_of_its_own() -> None:
    found = layered(picture("a b", "b c", "a c"))
    a, c = Ref("apps", "Deployment", "n", "a"), Ref("apps", "Deployment", "n", "c")
    (stand_in,) = found.ways[a, c]
    assert stand_in in found.columns[1]


def test_names_from_outside_cannot_break_out_of_the_picture() -> None:
    nasty = Picture('<script>"', (box("<b>&\x1b[31m\x00", faults=("]]><x>",)),), ())
    root = ElementTree.fromstring(as_svg(nasty))
    assert not [element for element in root.iter() if element.tag.endswith(("script", "b"))]
    assert "\x1b" not in as_text(nasty)


def test_the_same_world_gives_the_same_picture() -> None:
    objects = list(world(SHOP, DENY))
    assert as_svg(drawn(World(objects))) == as_svg(drawn(World(reversed(objects))))


def test_nothing_is_an_empty_picture() -> None:
    assert as_text(drawn(World())) == "\n"
    assert ElementTree.fromstring(as_svg(drawn(World()))) is not None
