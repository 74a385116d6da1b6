"""Every row of the tables works: an object that is written as the row says gives the reference that the row says."""

import pytest

from seatrial.world.graph import making, selecting, table
from seatrial.world.graph.kinds import GROUPS, kind_of
from seatrial.world.objects import Ref
from seatrial.world.paths import EACH, join, split
from seatrial.world.world import World

ROWS = [(kind, row) for kind, rows in table.KINDS.items() for row in rows]
POD_ROWS = [("Deployment", row) for row in table.POD]
SELECTS = [(kind, row) for kind, rows in selecting.SELECTS.items() for row in rows]


def test_paths_come_apart_and_together_again():
    paths = ["spec.ports[0].name", 'metadata.annotations["nginx.ingress.kubernetes.io/x"]', 'data["a b"]', "[3].x", 'x["a\\"]b"]']
    assert [join(split(path)) for path in paths] == paths
    with pytest.raises(ValueError, match="is no path"):
        split("a[")


def made(kind, path, value, **beside):
    """An object with a value at a path, and words beside it; and the path with numbers for its stars."""
    group, name = kind_of(kind)
    obj = {"apiVersion": f"{group}/v1" if group else "v1", "kind": name, "metadata": {"name": "source", "namespace": "shop"}}
    at, steps, written = obj, split(path), []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        last = following is None
        inner = value if last else [] if following == EACH else {}
        if step == EACH:
            at.append(inner)
            written.append(0)
        else:
            key = "any" if step == "*" else step
            written.append(key)
            if last:
                at.update(beside)
            at[key] = inner if last or key not in at else at[key]
        at = inner if step == EACH or last else at[written[-1]]
    return obj, join(written)


def value_of(row):
    return "http://target:80" if row.form == "urls" else "target"


@pytest.mark.parametrize(("kind", "row"), ROWS + POD_ROWS, ids=lambda one: one if isinstance(one, str) else one.path)
def test_a_row_finds_what_it_describes(kind, row):
    prefix = "spec.template.spec." if kind == "Deployment" else ""
    beside = {"host": "target"} if row.relation == "subset" else {}
    obj, path = made(kind, prefix + row.path, value_of(row), **beside)
    graph = World([obj]).graph
    found = [one for one in graph if one.path == path and one.relation == row.relation]
    assert [one.target.name for one in found] == ["target"]
    group, name = kind_of(row.to.lstrip("?"))
    assert (found[0].target.group, found[0].target.kind) == (group, name)
    assert not any(one.relation == "habit" for one in graph)


@pytest.mark.parametrize(("kind", "row"), SELECTS, ids=lambda one: one if isinstance(one, str) else one.path)
def test_a_selector_finds_what_carries_its_labels(kind, row):
    selector = {"app": "web"} if row.plain else {"matchLabels": {"app": "web"}}
    obj, path = made(kind, row.path, selector)
    labels = {"app": "web"}
    target = {"apiVersion": f"{GROUPS.get(row.of, 'apps')}/v1".removeprefix("/"), "kind": row.of, "metadata": {"labels": labels}}
    if row.of == "pods":
        target = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": labels}, "spec": {"containers": []}}
    others = [{**target, "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}}} for name in ("web", "other")]
    found = [one for one in World([obj, *others]).graph if one.path == path and one.relation == row.relation]
    assert [one.target.name for one in found] == ["web"]


@pytest.mark.parametrize("kind", making.MAKES)
def test_every_maker_is_known_by_what_it_makes(kind):
    for row in making.MAKES[kind]:
        obj, path = made(kind, row.path or "spec.any", "target")
        (maker, *_) = [
            one
            for one in making.makers(obj, Ref(*kind_of(kind), "shop", "source"))
            if one.target.kind == kind_of(row.to)[1]
            and ("target" in one.target.name or "source" in one.target.name or not row.path)
        ]
        assert maker.path in (path, "metadata.name")


def test_hosts_are_found_in_what_can_be_an_address_only():
    env = {
        "URL": "http://user:pw@api.shop.svc.cluster.local:3000/x",
        "REDIS_HOST": "cache",
        "BROKERS": "kafka-0.kafka.shop.svc:9092,kafka-1.kafka.shop.svc:9092",
        "NAME": "cache",
        "ELSEWHERE": "https://example.com/api",
        "UNKNOWN_HOST": "nobody",
    }
    pod = {"containers": [{"name": "c", "image": "i", "env": [{"name": key, "value": value} for key, value in env.items()]}]}
    objects = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": pod}]
    objects.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "cache", "namespace": "shop"}, "spec": {}})
    calls = {(one.path[-8:], one.target.name, one.port) for one in World(objects).graph if one.relation == "call"}
    assert calls == {("0].value", "api", 3000), ("1].value", "cache", None), ("2].value", "kafka", 9092)}
