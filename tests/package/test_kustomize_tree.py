"""The Kustomize tree is a real one: kubectl builds each overlay into exactly what was rendered, and nothing is said twice."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

import tools
from seatrial.app import environments, load, loads, resolve
from seatrial.package.files import write
from seatrial.package.kustomize import kustomize
from seatrial.render import render, values

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/seatrial.yaml"))


def worlds_of(app):
    resolved = {environment: resolve(app, environment) for environment in environments(app)}
    return {environment: render(one, secrets=values.complete(one)) for environment, one in resolved.items()}


def by_name(objects):
    return {(obj["apiVersion"], obj["kind"], obj["metadata"]["name"]): obj for obj in objects}


def built(folder, environment):
    done = subprocess.run(
        [tools.kubectl(), "kustomize", str(folder / "overlays" / environment)], text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return by_name(yaml.load_all(done.stdout, yaml.CSafeLoader))


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_overlay_is_exactly_what_was_rendered(example, tmp_path):
    worlds = worlds_of(load(ROOT / "examples" / example))
    write(kustomize(worlds), tmp_path)
    for environment, objects in worlds.items():
        assert built(tmp_path, environment) == by_name(objects)


@pytest.fixture(scope="module")
def shop():
    return worlds_of(load(ROOT / "tests/render/plain_shop.yaml"))


def test_the_same_objects_give_the_same_tree(shop):
    assert kustomize(shop) == kustomize(shop)


def test_no_two_files_say_the_same_and_labels_and_tags_stand_in_one_place(shop):
    files = {path: text for path, text in kustomize(shop).items() if "secrets/" not in path}
    assert len(set(files.values())) == len(files)
    assert [path for path, text in files.items() if "seatrial.dev/team" in text] == ["components/common/kustomization.yaml"]
    assert [path for path, text in files.items() if 'newTag: "1.4"' in text] == ["components/common/kustomization.yaml"]


def test_secret_values_are_only_in_a_folder_that_version_control_ignores(shop):
    files = kustomize(shop)
    made_up = [value for world in shop.values() for obj in world for value in obj.get("stringData", {}).values()]
    assert made_up
    assert {path for path, text in files.items() if any(value in text for value in made_up)} == {
        "overlays/dev/secrets/api-secret.yaml",
        "overlays/dev/secrets/db-secret.yaml",
    }
    assert files["overlays/dev/secrets/.gitignore"] == "*\n"


def test_an_annotation_goes_though_other_patches_come_after(tmp_path):
    text = """\
app: shop
version: "1"
services:
  web: {image: acme/web, port: 80, migrate: up, config: {A: "1"}, calls: [https://x.example]}
environments:
  dev: {config: {A: "2"}, services: {web: {migrate: null}}}
  staging: {config: {A: "2"}, replicas: 3}
  production: {size: large}
"""
    worlds = worlds_of(loads(text))
    write(kustomize(worlds), tmp_path)
    for environment, objects in worlds.items():
        assert built(tmp_path, environment) == by_name(objects)


def test_one_line_moves_an_overlay_and_one_gives_it_another_version(tmp_path):
    write(kustomize(worlds_of(load(ROOT / "examples" / "garage"))), tmp_path)
    overlay = tmp_path / "overlays/staging/kustomization.yaml"
    text = overlay.read_text().replace("namespace: garage-staging", "namespace: garage-next")
    overlay.write_text(text + 'images:\n  - name: ghcr.io/acme/garage-backend\n    newTag: "9.9"\n')
    objects = built(tmp_path, "staging")
    told = yaml.safe_dump_all(objects.values())
    assert "garage-next" in told
    assert "garage-staging" not in told
    own = [obj for obj in objects.values() if obj["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "backend"]
    assert {obj["metadata"]["labels"]["app.kubernetes.io/version"] for obj in own} == {"9.9"}
    assert re.findall(r"- name: OTEL_SERVICE_VERSION\n +value: (.*)", told) == ["'9.9'"] * 3, "of the service and both its jobs"
    assert not re.findall(r"(?<![\w$])(?:NAMESPACE|ENVIRONMENT|VERSION|SERVICE|MIGRATION)(?!\w)", told), "all is filled in"
