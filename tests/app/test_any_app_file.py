"""Whatever a file holds, it loads or its mistakes are told with their places; nothing else ever comes out."""

from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import apps
from seatrial.app import AppFileErrors, environments, loads, resolve
from seatrial.app.shape import keys_at

ANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SHOP = (Path(__file__).parents[2] / "examples/shop/seatrial.yaml").read_text()

MAPS = [(), ("services", "x"), ("environments", "x"), ("stores", "x"), ("platform",)]
KEYS = [key for path in MAPS for key in keys_at(path)]
keys = st.sampled_from([*KEYS, "min", "max", "live", "web", "api", "dev", "name", "url", "<<", "1"])
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 99999), st.floats(allow_nan=False), st.sampled_from([*apps.VALUES, "db", "web"])
)
trees = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)), max_leaves=12
)


def survives(text):
    try:
        app = loads(text)
    except AppFileErrors as errors:
        lines = len(text.splitlines()) + 2
        assert errors.problems
        assert all(0 <= problem.line <= lines and problem.message for problem in errors.problems)
        return
    for environment in environments(app):
        resolve(app, environment)


@ANY
@given(st.text(alphabet=st.sampled_from("ab:- \n{}[],&*!|>'\"#%@\t?~<0é\x00\u2028"), max_size=80))
def test_any_text(text):
    survives(text)


@ANY
@given(st.dictionaries(keys, trees, max_size=4))
def test_any_tree_of_known_keys(data):
    survives(yaml.safe_dump(data))


def replaced(data, path, value):
    """Data with one thing in it replaced: the one that a path of numbers leads to."""
    if not path or not isinstance(data, (dict, list)) or not data:
        return value
    parts = list(data.items()) if isinstance(data, dict) else list(enumerate(data))
    key, part = parts[path[0] % len(parts)]
    changed = dict(data) if isinstance(data, dict) else list(data)
    changed[key] = replaced(part, path[1:], value)
    return changed


@ANY
@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), trees)
def test_the_shop_with_any_one_thing_replaced(path, value):
    survives(yaml.safe_dump(replaced(yaml.safe_load(SHOP), path, value)))


@ANY
@given(
    st.integers(0, len(SHOP)),
    st.integers(0, 12),
    st.sampled_from(["", "x", ":", "\n", "- ", "{", "*a", "&a ", "'", "\t", "#", "<<: "]),
)
def test_the_shop_with_any_slip_of_the_keyboard(start, length, typed):
    survives(SHOP[:start] + typed + SHOP[start + length :])


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(apps.app_files())
def test_any_valid_file_loads(text):
    try:
        loads(text)
    except AppFileErrors as errors:  # names, replicas and identities that do not go together, for they are drawn each by itself
        assert apps.by_chance(errors), text
