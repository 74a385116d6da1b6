"""The chart is a real one: Helm lints it, and its templates yield exactly what was rendered, in every environment."""

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

import tools
from seatrial.app import environments, load, resolve
from seatrial.package.files import write
from seatrial.package.helm import chart, secret_values
from seatrial.package.helm.reference import rows
from seatrial.render import render, values

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/seatrial.yaml"))


def helm(*arguments, check=True):
    done = subprocess.run([tools.helm(), *arguments], text=True, capture_output=True, timeout=60)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout if check else done.stdout + done.stderr


def worlds_of(app):
    resolved = {environment: resolve(app, environment) for environment in environments(app)}
    return {environment: render(one, secrets=values.complete(one)) for environment, one in resolved.items()}


class Chart:
    """A chart on disk, and what Helm makes of it in an environment."""

    def __init__(self, app, folder, base):
        self.app, self.folder, self.base, self.worlds = app, folder, base, worlds_of(app)
        self.files = chart(app.app, self.worlds, base=base)
        write(self.files, folder / "chart")

    def yields(self, environment, *more):
        secrets = self.folder / "secrets.yaml"
        secrets.write_text(yaml.safe_dump(secret_values(self.worlds[environment])))
        arguments = ["template", self.app.app, str(self.folder / "chart"), "-n", resolve(self.app, environment).namespace]
        if environment != self.base:
            arguments += ["-f", str(self.folder / "chart" / f"values-{environment}.yaml")]
        text = helm(*arguments, "-f", str(secrets), *more)
        return {(obj["kind"], obj["metadata"]["name"]): obj for obj in yaml.load_all(text, yaml.CSafeLoader) if obj}

    def rendered(self, environment):
        found = self.worlds[environment]
        return {(obj["kind"], obj["metadata"]["name"]): obj for obj in found if obj["kind"] != "Namespace"}


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request, tmp_path_factory):
    return Chart(load(ROOT / "examples" / request.param), tmp_path_factory.mktemp(request.param), "production")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Chart(load(ROOT / "tests/render/plain_shop.yaml"), tmp_path_factory.mktemp("shop"), "production")


def test_helm_accepts_the_chart(example):
    said = helm("lint", "--strict", str(example.folder / "chart"))
    assert "0 chart(s) failed" in said
    assert "[WARNING]" not in said


@pytest.mark.parametrize("environment", ["dev", "staging", "production"])
def test_the_templates_yield_exactly_what_was_rendered(example, environment):
    assert example.yields(environment) == example.rendered(environment)


def test_the_values_are_those_a_person_would_look_for(shop):
    found = yaml.safe_load(shop.files["values.yaml"])
    assert list(found) == ["services", "stores", "ingress", "monitoring", "quota"]
    api = found["services"]["api"]
    assert api["image"] == {"repository": "ghcr.io/acme/shop-api", "tag": "1.4"}
    assert api["scale"] == {"min": 2, "max": 15, "cpu": 70}
    assert api["config"] == {"LOG_LEVEL": "info"}
    assert api["resources"]["limits"] == {"memory": "2Gi"}
    assert api["jobs"] == {"nightlyReport": {"schedule": "0 3 * * *"}}
    assert found["services"]["web"]["expose"] == {"host": "shop.example.com"}
    assert found["stores"]["db"]["storage"] == "20Gi"


def test_an_environments_values_say_only_what_is_different_there(shop):
    staging = yaml.safe_load(shop.files["values-staging.yaml"])
    assert staging["services"]["api"]["scale"] == {"max": 4}
    assert staging["services"]["web"]["expose"] == {"host": "shop.staging.example.com"}
    assert "image" not in staging["services"]["api"]


def test_what_a_person_changes_in_the_values_goes_where_it_belongs(shop):
    found = shop.yields(
        "production",
        *("--set", "services.api.image.tag=2.0", "--set", "services.web.scale=null", "--set", "services.web.replicas=1"),
        *("--set-string", "services.api.config.LOG_LEVEL=debug", "--set", "services.web.expose.host=www.example.com"),
    )
    kinds = {kind for kind, name in found if name == "web"}
    assert "HorizontalPodAutoscaler" not in kinds
    assert "PodDisruptionBudget" not in kinds
    assert found["Deployment", "web"]["spec"]["replicas"] == 1
    assert "topologySpreadConstraints" not in found["Deployment", "web"]["spec"]["template"]["spec"]
    assert found["Ingress", "web"]["spec"]["rules"][0]["host"] == "www.example.com"
    assert found["ConfigMap", "api"]["data"] == {"LOG_LEVEL": "debug"}
    migration = next(obj for (kind, _), obj in found.items() if kind == "Job")
    (container,) = migration["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "ghcr.io/acme/shop-api:2.0"
    assert {"name": "LOG_LEVEL", "value": "debug"} in container["env"]
    before = shop.rendered("production")
    assert ("Job", migration["metadata"]["name"]) not in before, "another image is another migration"
    sums = [objects["Deployment", "api"]["spec"]["template"]["metadata"]["annotations"] for objects in (before, found)]
    assert sums[0]["checksum/config"] != sums[1]["checksum/config"]


def test_a_misspelt_value_is_refused(shop):
    said = helm("template", str(shop.folder / "chart"), "--set", "services.api.replica=3", check=False)
    assert "services" in said
    assert "replica" in said
    assert "additional properties" in said.lower()


def test_the_schema_accepts_every_environments_values(shop):
    schema = json.loads(shop.files["values.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in ("values.yaml", "values-dev.yaml", "values-staging.yaml"):
        jsonschema.validate(yaml.safe_load(shop.files[path]), schema)


def test_no_secret_value_is_in_a_chart_and_one_that_is_not_passed_is_asked_for(shop):
    made_up = [value for world in shop.worlds.values() for obj in world for value in obj.get("stringData", {}).values()]
    assert made_up
    assert not any(value in text for value in made_up for text in shop.files.values())
    folder = str(shop.folder / "chart")
    said = helm("template", folder, "-f", f"{folder}/values-dev.yaml", check=False)
    assert "services.api.secrets.PAYMENTS_KEY has no value" in said or "stores.db.secrets.password has no value" in said


def test_the_namespace_is_beside_the_chart_and_not_in_it(shop):
    assert yaml.safe_load(shop.files["namespaces/production.yaml"])["kind"] == "Namespace"
    assert not any(kind == "Namespace" for kind, _ in shop.yields("production"))


def test_the_templates_read_as_a_persons(shop):
    deployment = shop.files["templates/api/deployment.yaml"]
    for line in (
        '    {{- include "shop.labels" (list $ "api" "service") | nindent 4 }}',
        "  {{- if not .Values.services.api.scale }}",
        '          image: {{ include "shop.image" .Values.services.api.image }}',
        "            {{- toYaml .Values.services.api.resources | nindent 12 }}",
        "        checksum/config: {{ toJson .Values.services.api.config | sha256sum }}",
    ):
        assert line in deployment.splitlines()


def test_the_same_app_gives_the_same_chart(shop):
    assert chart("shop", shop.worlds, base="production") == shop.files


def test_the_readme_says_what_each_value_is_for_and_each_can_be_set(example):
    environments = [name.removeprefix("values-").removesuffix(".yaml") for name in example.files if name.startswith("values-")]
    values = {name: yaml.safe_load(example.files[f"values-{name}.yaml"]) for name in environments}
    table = rows({"production": yaml.safe_load(example.files["values.yaml"]), **values}, "production", {})
    assert len(table) > 10
    arguments = []
    for row in table:
        assert row.words, f"{row.path} is explained"
        assert f"| `{row.path}` | {row.type} |" in example.files["README.md"]
        arguments += ["--set-json", f"{row.path}={json.dumps('given' if row.example in (None, '') else row.example)}"]
    assert "kind: " in helm("template", str(example.folder / "chart"), *arguments)


def test_what_environments_cannot_say_in_a_value_stays_in_the_templates(example):
    lines = sum(text.count("\n") for path, text in example.files.items() if path.startswith("values") and "schema" not in path)
    assert lines < 300, "values are what a person would set"
    assert "alert" not in example.files["values.yaml"]
