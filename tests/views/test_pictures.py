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
        "web": ("web is at fault [a]",),
        "db": ("the Service too [b]",),
    }
    assert picture.others == ("no room [d]",)
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


def shown(*nodes: Node, edges: tuple[Edge, ...] = ()) -> list[str]:
    """All texts of a picture."""
    root = ElementTree.fromstring(as_svg(Picture("", nodes, edges)))
    return [element.text or "" for element in root.iter() if element.tag.endswith("text")]


def test_a_name_too_long_for_its_box_is_cut_in_the_middle_where_names_are_alike() -> None:
    front, back = box("tbyte-microservices-of-the-storefront-frontend"), box("tbyte-microservices-of-the-storefront-backend")
    names = [text for text in shown(front, back) if "tbyte" in text]
    assert {name[-9:] for name in names} == {"-frontend", "t-backend"} and all("…" in name for name in names)


def test_the_port_to_which_all_arrows_go_is_written_once() -> None:
    a, b, db = box("a"), box("b"), box("db")
    edges = tuple(Edge(one.ref, db.ref, "call", "5432") for one in (a, b))
    assert shown(a, b, db, edges=edges).count("5432") == 1


def test_what_is_not_connected_stands_below_in_rows() -> None:
    def places(*nodes: Node) -> list[tuple[int, int]]:
        root = ElementTree.fromstring(as_svg(Picture("", nodes, ())))
        boxes = [element for element in root.iter() if element.get("class", "").startswith("box")]
        return [(int(element.get("x", "")), int(element.get("y", ""))) for element in boxes]

    found = places(*(box(f"s{number}") for number in range(6)))
    assert len({y for _, y in found}) == 2 and len({x for x, _ in found}) == 4


def test_several_faults_of_a_box_are_counted_in_it_and_stand_below() -> None:
    texts = shown(box("web", faults=("Deployment web: one", "Service web: two")), box("api", faults=("Service api: alone",)))
    assert "2 faults" in texts and "alone" in texts
    assert {"! Deployment web: one", "! Service web: two", "! Service api: alone"} <= set(texts)


def test_policies_are_counted_in_the_picture_and_named_in_the_text() -> None:
    found = drawn(world(SHOP, DENY))
    assert "policies deny" in as_text(found)
    assert any("1 policy" in text for text in shown(*found.nodes))


def test_a_call_that_stands_in_a_mounted_file_is_a_call() -> None:
    proxy = SHOP.replace('env: [{name: DB, value: "postgres://db:5432/x"}]', "volumeMounts: [{name: conf, mountPath: /etc/x}]")
    proxy = proxy.replace(
        "spec: {containers: [{name: web", "spec: {volumes: [{name: conf, configMap: {name: conf}}], containers: [{name: web"
    )
    conf = '\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: n}, data: {a: "proxy_pass http://db:5432;"}}\n'
    assert "─→ db :5432" in as_text(drawn(world(proxy + conf)))


def test_long_words_about_a_fault_go_on_in_the_next_line() -> None:
    fault = "calls Deployment tbyte-microservices-backend, which its policy does not let it reach"
    lines = as_text(Picture("", (box("web", faults=(fault,)),), ()), 60).split("\n")
    assert max(map(len, lines)) <= 60 and " ".join(line.strip(" !") for line in lines[1:]).strip() == fault


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


def test_a_fault_says_its_rule_and_one_that_has_no_room_in_its_box_is_its_rule_there() -> None:
    policy = "NetworkPolicy default-deny: does not let Deployment web ask for names [dns-blocked]"
    texts = shown(box("web", faults=(policy,)), box("api", faults=("Service api: is alone [a-b]",)))
    assert "dns-blocked" in texts and f"! {policy}" in texts
    assert "is alone" in texts


def test_what_a_rule_says_of_a_call_is_not_said_again_of_its_arrow() -> None:
    web, db = box("web", faults=("Deployment web: calls db, which does not let it in [call-blocked-arriving]",)), box("db")
    edge = Edge(web.ref, db.ref, "call", "5432", ("deny forbids ingress",))
    assert not any("deny forbids" in text for text in shown(web, db, edges=(edge,)))
    assert any("deny forbids" in text for text in shown(box("web"), db, edges=(edge,)))


def test_who_cannot_see_the_picture_is_told_what_it_shows() -> None:
    root = ElementTree.fromstring(as_svg(drawn(world(SHOP, DENY), (), "shop")))
    named = {element.get("id"): element.text for element in root if element.get("id")}
    assert root.get("aria-labelledby") == "t d" and named["t"] == "shop"
    assert named["d"] == "1 way in, 1 service, 1 store. web calls db. front calls web. web → db: deny forbids ingress."


def test_a_picture_is_light_on_a_light_page_and_dark_on_a_dark_one() -> None:
    svg = as_svg(drawn(world(SHOP)))
    assert '<rect class="page"' in svg and "@media (prefers-color-scheme:dark){.page{fill:#161b22}" in svg


@pytest.mark.parametrize(
    ("image", "kind"), [("redis:8-alpine", "store"), ("acme/postgres@sha256:0", "store"), ("acme/redis-ui:1", "service")]
)
def test_a_deployment_that_runs_a_server_which_keeps_data_is_a_store(image: str, kind: str) -> None:
    found = drawn(world(SHOP.replace("image: w", f'image: "{image}"')))
    assert {node.name: node.kind for node in found.nodes}["web"] == kind
