"""Apps for the tests of rendering, and how to find an object among many."""

from pathlib import Path

import pytest

from seatrial.app import load, loads, resolve
from seatrial.render import render, values

ROOT = Path(__file__).parents[2]


class World:
    """Rendered objects, by kind and name."""

    def __init__(self, objects):
        self.objects = objects
        self.by_name = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
        assert len(self.by_name) == len(objects), "two objects have one name"

    def __getitem__(self, key):
        return self.by_name[key]

    def get(self, kind, name):
        return self.by_name.get((kind, name))

    def names(self, kind):
        return [name for found, name in self.by_name if found == kind]

    def of(self, kind):
        return [obj for obj in self.objects if obj["kind"] == kind]

    def pod(self, kind, name):
        """The pod spec of a workload."""
        spec = self[kind, name]["spec"]
        return (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]["spec"]

    def container(self, kind, name):
        return self.pod(kind, name)["containers"][0]

    def variables(self, kind, name):
        """The variables of a workload, by name: their value, or where it comes from."""
        return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in self.container(kind, name)["env"]}


@pytest.fixture(scope="session")
def shop():
    """The shop on a plain cluster in an environment, its secrets made up."""
    app = load(Path(__file__).with_name("plain_shop.yaml"))

    def world(environment, **options):
        resolved = resolve(app, environment)
        options.setdefault("secrets", values.complete(resolved))
        return World(render(resolved, **options))

    return world


@pytest.fixture
def of():
    """The world of an app file's text: `of(text, "production")`. What is left out of `services` is filled in."""

    def world(services, environment="production", rest="", **options):
        text = f"app: shop\nversion: '1'\nservices:\n{services}\n{rest}\n"
        if "environments" not in rest:
            text += "environments: {production: {}}\n"
        resolved = resolve(loads(text), environment)
        options.setdefault("secrets", values.complete(resolved))
        return World(render(resolved, **options))

    return world
