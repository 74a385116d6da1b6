"""No object breaks a rule: examples of all rules, with any part of them replaced by something else, are read to their end."""

import random
from copy import deepcopy
from functools import partial

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.finding import RULES
from seatrial.rules.joining import joined
from seatrial.rules.looking import found
from seatrial.rules.patching import applied
from seatrial.world.world import World

findings = partial(found, live=False)

JUNK = (
    None,
    "",
    "x",
    "{{ .Values.x }}",
    0,
    -1,
    1.5,
    True,
    [],
    [None],
    ["x"],
    [[]],
    {},
    {"a": {}},
    {"name": 1},
    10**30,
    "1e9999",
    "a/b:c@d",
)
EXAMPLES = [rule.wrong for rule in RULES.values() if rule.wrong]


def places(document):
    """Every place below the kind and name of an object, which loading has seen to."""
    found, waiting = [], [document[key] for key in document if key not in ("apiVersion", "kind")]
    while waiting:
        node = waiting.pop()
        inner = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        for key in inner:
            found.append((node, key))
            waiting.append(node[key])
    return found


def spoiled(text, seed, times):
    """The documents of an example with some parts replaced; metadata stays a mapping, names stay texts."""
    dice = random.Random(seed)
    documents = [document for document in yaml.safe_load_all(text) if document]
    for _ in range(times):
        document = dice.choice(documents)
        chosen = places(document)
        if chosen:
            node, key = dice.choice(chosen)
            if node is not document["metadata"] or key in ("labels", "annotations"):
                node[key] = deepcopy(dice.choice(JUNK))
    return documents


def look(documents):
    world = World(documents)
    told = findings(world)
    joined(world, told)
    for finding in told:
        finding.as_json()
        if finding.patch:
            applied(world, finding.patch)


@pytest.mark.parametrize("example", range(0, len(EXAMPLES), 12))
def test_spoiled_examples_are_read_to_their_end(example):
    for text in EXAMPLES[example : example + 12]:
        for seed in range(4):
            look(spoiled(text, seed * 7919 + example, times=1 + seed % 3))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(EXAMPLES), min_size=2, max_size=6), st.integers(0, 10**6))
def test_spoiled_worlds_are_read_to_their_end(texts, seed):
    look([document for place, text in enumerate(texts) for document in spoiled(text, seed + place, times=2)])


def test_half_a_replica_beside_bounds_without_end_is_told_at_once():
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "r.example/web:1"}]}}
    spec = {"replicas": 1.5, "selector": {"matchLabels": labels}, "template": template}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 10**18}
    look(
        [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": scaler},
        ]
    )
