"""Whatever a valid app renders to, plain YAML, its chart and its Kustomize tree hold exactly that, in every environment."""

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from test_helm_chart import Chart
from test_kustomize_tree import built, by_name

import apps
from seatrial.app import environments, loads
from seatrial.package.files import write
from seatrial.package.helm import chart
from seatrial.package.kustomize import kustomize
from seatrial.package.manifests import files, stream

#: Apps of which one of them once held something else.
EXAMPLES = {
    "a variable that only one environment lacks, in a list that cannot be merged": """\
services: {a: {image: x/a, runtime: jvm}}
environments: {production: {config: {JAVA_TOOL_OPTIONS: x}}, staging: {}}
""",
    "a store of secrets that keeps one value in each": """\
services: {a: {image: x/a, secrets: [KEY, TOKEN]}}
environments: {production: {}}
platform: {secrets: external-secrets, secretProvider: gcp, secretVault: acme}
""",
    "a container that only one environment has, of an image that has its tag elsewhere": """\
services: {a: {image: x/a, migrate: up, calls: [db]}}
stores: {db: {postgres: 16, storage: 1Gi}}
environments: {dev: {}, production: {stores: {db: {host: db.example.com}}}}
""",
    "a migration in the one environment there is": """\
services: {a: {image: x/a, migrate: up}}
environments: {}
""",
}


def check(app, folder):
    made = Chart(app, folder, environments(app)[-1])
    tree = kustomize(made.worlds)
    write(tree, folder / "tree")
    for environment, objects in made.worlds.items():
        assert list(yaml.load_all(stream(objects), yaml.CSafeLoader)) == objects
        assert [yaml.load(text, yaml.CSafeLoader) for text in files(objects).values()] == objects
        assert made.yields(environment) == made.rendered(environment)
        assert built(folder / "tree", environment) == by_name(objects)
    assert chart(app.app, made.worlds, base=environments(app)[-1]) == made.files, "the same objects give the same chart"
    assert kustomize(made.worlds) == tree, "the same objects give the same tree"


@settings(
    max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(app=apps.apps())
def test_plain_yaml_the_chart_and_the_tree_of_any_app_hold_exactly_what_was_rendered(app, tmp_path_factory):
    check(app, tmp_path_factory.mktemp("any"))


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_and_so_they_do_where_they_once_did_not(text, tmp_path):
    check(loads(f'app: shop\nversion: "1"\n{text}'), tmp_path)
