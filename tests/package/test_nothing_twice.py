"""A Kustomize tree says nothing twice: no long text and no part of an object stands in more files than there are objects that
have it; and a namespace is written where the overlay says it, and nowhere else.
"""

import re

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from test_kustomize_tree import EXAMPLES, ROOT, worlds_of

import apps
from seatrial.app import load, loads
from seatrial.package.emit import document
from seatrial.package.kustomize import kustomize
from seatrial.package.manifests import stream

#: Texts of more characters, and parts of more lines, are long.
LONG, LINES = 60, 8
#: What is taken away is taken from each, and what is filled in is not said.
NOT_SAID = re.compile(r"\$patch|\b(?:SERVICE|VERSION)\b")
#: Tags stand in one place, and are taken from images everywhere else.
TAGS = re.compile(r"(?m)(image: (?:\S+/)?[^\s:@]+)[:@]\S+$")
#: Where something stands, and which image has a tag, is said wherever something is.
ADDRESSES = ("images", "path", "fieldPath", "fieldPaths", "select", "target", "image")
#: What an object is known by in whatever environment: the checksum in a migration's name is none of it.
CHECKSUM = re.compile(r"-[0-9a-f]{10}$")


def parts(obj):
    """Every long text and large part in an object, as text; of a patch that says where, what it says there."""
    if isinstance(obj, dict) and "op" in obj:
        obj = obj.get("value")
    if isinstance(obj, dict | list):
        lines = TAGS.sub(r"\1", document({"": obj}))
        if obj and lines.count("\n") > LINES and not NOT_SAID.search(lines):
            yield lines
        for key, part in obj.items() if isinstance(obj, dict) else enumerate(obj):
            if key not in ADDRESSES:
                yield from parts(yaml.load(part, yaml.CSafeLoader) if key == "patch" else part)
    elif isinstance(obj, str) and len(obj) > LONG and not re.fullmatch("[0-9a-f]{64}", obj):
        yield obj


def twice(worlds, tree):
    """What stands in more files than objects have it, whatever the environment and its namespace are called."""
    names = {obj["metadata"]["name"] for world in worlds.values() for obj in world if obj["kind"] == "Namespace"}
    words = "|".join(sorted({*names, *worlds, "NAMESPACE", "ENVIRONMENT"}, key=len, reverse=True))
    named = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])")
    objects, files = {}, {}
    for world in worlds.values():
        for obj in world:
            kind = obj["kind"].replace("Rollout", "Deployment")
            for part in parts(obj):
                objects.setdefault(named.sub("…", part), set()).add((kind, CHECKSUM.sub("", obj["metadata"]["name"])))
    for path, text in tree.items():
        if "/secrets/" not in path and path.endswith(".yaml"):
            for data in yaml.load_all(text, yaml.CSafeLoader):
                for part in parts(data):
                    files.setdefault(named.sub("…", part), set()).add(path)
    return {part: sorted(own) for part, own in files.items() if len(own) > max(1, len(objects.get(part, ())))}


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_file_says_what_another_says_of_the_same_object(example):
    worlds = worlds_of(load(ROOT / "examples" / example))
    assert twice(worlds, kustomize(worlds)) == {}


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_is_half_of_what_all_environments_have(example):
    worlds = worlds_of(load(ROOT / "examples" / example))
    assert size(kustomize(worlds)) < 0.65 * sum(len(stream(world)) for world in worlds.values())


def test_an_environment_like_another_costs_little_more_than_its_name():
    text = (ROOT / "examples/shop/seatrial.yaml").read_text()
    more = re.sub(
        r"(?m)^environments:$", "environments:\n  qa: {domain: qa.example.com, services: {api: {scale: {max: 4}}}}", text
    )
    before, after = (kustomize(worlds_of(loads(one))) for one in (text, more))
    assert size(after) - size(before) < 3000


def size(tree):
    return sum(len(text) for path, text in tree.items() if "/secrets/" not in path)


@settings(max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(app=apps.apps())
def test_of_no_app_much_is_told_twice(app):
    worlds = worlds_of(app)
    tree = kustomize(worlds)
    more = sum(len(part) * (len(files) - 1) for part, files in twice(worlds, tree).items())
    assert more <= 0.03 * size(tree)
