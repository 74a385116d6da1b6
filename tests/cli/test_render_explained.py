"""`seatrial render --explain` says where a value came from, `--diff` what tells two environments apart, `--out` what went."""

import json

import pytest
from click.testing import CliRunner

from seatrial.cli import seatrial

APP = """\
app: shop
version: "1"
services:
  api:
    image: acme/api
    port: 80
    size: medium
    secrets: [KEY]
    jobs: {tidy: {schedule: "@daily", run: tidy}}
environments:
  staging: {services: {api: {jobs: null}}}
  production: {size: large, replicas: 3}
"""


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "seatrial.yaml"
    path.write_text(APP)

    def call(*arguments):
        return CliRunner().invoke(seatrial, ["render", str(path), *arguments], catch_exceptions=False)

    return call


def test_a_value_is_explained_with_its_line_and_what_it_was_below(run, tmp_path):
    lines = run("--explain", "services.api.size", "-e", "production").stdout.splitlines()
    assert lines[0].split() == [
        "services.api.size",
        "=",
        "large",
        f"{tmp_path}/seatrial.yaml:12",
        "(environments.production.size)",
    ]
    assert lines[1].split() == ["was", "medium", f"{tmp_path}/seatrial.yaml:7", "(services.api.size)"]


def test_a_default_is_called_one(run):
    said = run("--explain", "services.api.user").stdout
    assert said.startswith("services.api.user = 10001  default: The number of the user it runs as"), "with what it is for"


def test_what_an_environment_says_of_all_services_is_told_of_each(run, tmp_path):
    said = run("--explain", "services.api.replicas", "-e", "production").stdout
    assert said.split() == [
        "services.api.replicas",
        "=",
        "3",
        f"{tmp_path}/seatrial.yaml:12",
        "(environments.production.replicas)",
    ]


def test_a_key_that_nothing_sets_is_told_by_what_it_is_for(run):
    assert run("--explain", "services.api.metrics").stdout.startswith("services.api.metrics is not set in production: ")


MEMORY = "Deployment/api:spec.template.spec.containers[0].resources.limits.memory"


def test_a_value_of_an_object_is_told_by_the_lines_it_depends_on_its_size_and_its_reason(run, tmp_path):
    title, layer, size, why = run("--explain", MEMORY).stdout.splitlines()
    assert title == "Deployment/api spec.template.spec.containers[api].resources.limits.memory = 2Gi"
    assert layer.split() == ["environments.production.size:", "large", f"{tmp_path}/seatrial.yaml:12"]
    assert size.split("  ")[-1] == "a size that every app has"
    assert "memory has a limit" in why


def test_the_same_value_comes_from_another_line_in_another_environment(run, tmp_path):
    said = run("--explain", MEMORY, "-e", "staging").stdout
    assert said.splitlines()[1].split() == ["services.api.size:", "medium", f"{tmp_path}/seatrial.yaml:7"]


def test_what_no_line_asks_for_is_told_by_its_reason_alone(run):
    lines = run(
        "--explain", "deploy/api:spec.template.spec.containers[api].securityContext.readOnlyRootFilesystem"
    ).stdout.splitlines()
    assert len(lines) == 2
    assert "`writable` names folders" in lines[1]


def test_a_secret_is_not_shown(tmp_path):
    (tmp_path / "seatrial.yaml").write_text(APP)
    (tmp_path / "secrets.production.yaml").write_text("api: {KEY: hunter2}\n")
    said = CliRunner().invoke(seatrial, ["render", str(tmp_path), "--explain", "Secret/api:stringData.KEY"]).stdout
    assert "hunter2" not in said
    assert "services.api.secrets" in said


def test_all_keys_of_a_service_are_explained_at_once(run):
    found = run("--explain", "services.api.*").stdout
    assert "services.api.port = 80" in found
    assert "services.api.jobs.tidy.schedule = @daily" in found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--explain", "service.api"), "did you mean `services`?"),
        (("--explain", "services.api.prot"), "shop has no `services.api.prot` in production; did you mean `port`?"),
        (("--explain", "Deployment/apo"), "did you mean `Deployment/api`?"),
        (("--explain", "Deploymen/api"), "did you mean `Deployment`?"),
        (("--explain", "Deployment/api:spec.template.spc"), "did you mean `spec`?"),
        (("--explain", "Deployment/api:spec.template.spec.containers[1]"), "has: api"),
        (("--explain", "services.api", "--diff", "staging", "production"), "choose one of them"),
        (("--explain", "Deployment/api:spec.template.spec.containers.web.image"), "spec.template.spec.containers has: api"),
        (("--explain", "Deployment/api:spec.replicas.x"), "spec.replicas has nothing below it"),
        (("-o", "json", "--explain", "services.api"), "--explain prints text"),
        (("-o", "json", "--out", "here"), "files are YAML"),
        (("-o", "kustomize"), "a Kustomize tree is a folder: say where with --out DIR"),
        (("--diff", "staging", "prod"), "did you mean `production`?"),
    ],
)
def test_wrong_usage_is_explained(run, arguments, said):
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_objects_are_printed_as_one_list_of_json(run):
    found = json.loads(run("-o", "json", "-e", "production").stdout)
    assert found["kind"] == "List"
    assert [obj["metadata"]["name"] for obj in found["items"] if obj["kind"] == "Deployment"] == ["api"]


def test_what_stands_in_a_list_is_told_part_by_part(run, tmp_path):
    path = tmp_path / "seatrial.yaml"
    path.write_text("""\
app: shop
version: "1"
services:
  api:
    image: acme/api
    port: 80
    scale:
      max: 4
      on:
        - {prometheus: "sum(rate(requests[2m]))", target: 50}
platform: {autoscaling: keda, prometheus: "http://prometheus.monitoring:9090"}
environments: {production: {}}
""")
    lines = run("--explain", "services.api.scale.on").stdout.splitlines()
    assert [line.partition(" = ")[0] for line in lines] == [
        "services.api.scale.on.0.prometheus",
        "services.api.scale.on.0.target",
    ]
    assert lines[1].split()[2:4] == ["50", f"{path}:10"]


@pytest.mark.parametrize("path", ["spec.template.spec.containers.0.image", "spec.template.spec.containers.api.image"])
def test_an_item_of_an_object_is_found_by_number_or_name_without_brackets(run, path):
    said = run("--explain", f"Deployment/api:{path}").stdout
    assert said.startswith("Deployment/api spec.template.spec.containers[api].image = acme/api:1")


def test_two_environments_are_told_apart_by_objects_and_fields(run):
    found = {
        (one["sign"], one["object"], one["path"]): one
        for one in json.loads(run("--diff", "staging", "production", "-o", "json").stdout)
    }
    assert ("+", "CronJob/api-tidy", "") in found
    replicas = found["~", "Deployment/api", "spec.replicas"]
    assert (replicas["before"], replicas["after"]) == (2, 3)
    words = run("--diff", "staging", "production").stdout
    assert "+ CronJob/api-tidy" in words
    assert "- CronJob/api-tidy" in run("--diff", "production", "staging").stdout


def test_a_secret_is_shown_as_a_short_hash(run, tmp_path):
    (tmp_path / ".env.staging").write_text("KEY=first-value\n")
    (tmp_path / ".env.production").write_text("KEY=second-value\n")
    said = run("--diff", "staging", "production").stdout
    assert "stringData.KEY" in said
    assert "sha256:" in said
    assert "-value" not in said


def test_files_of_what_went_are_removed_and_a_strangers_file_is_not(run, tmp_path):
    out = tmp_path / "out"
    run("--out", str(out))
    (out / "mine.yaml").write_text("mine")
    before = {path.name for path in out.iterdir()}
    assert any("cronjob" in name for name in before)
    done = run("--out", str(out), "-e", "staging")
    assert "- " in done.stdout
    after = {path.name for path in out.iterdir()}
    assert "mine.yaml" in after
    assert not any("cronjob" in name for name in after)


def test_a_manifest_that_was_tampered_with_removes_nothing_outside(run, tmp_path):
    out = tmp_path / "out"
    run("--out", str(out))
    (tmp_path / "precious").write_text("mine")
    (out / ".seatrial-files").write_text("../precious\n/etc/hostname\n")
    run("--out", str(out), "-e", "staging")
    assert (tmp_path / "precious").exists()


def test_environments_that_differ_in_their_namespace_alone_are_the_same(tmp_path):
    text = 'app: a\nversion: "1"\nservices: {b: {image: x/b, port: 80, metrics: /metrics}}\n'
    text += "environments: {staging: {}, production: {}}\n"
    (tmp_path / "seatrial.yaml").write_text(text + "platform: {monitoring: prometheus-operator}\n")
    done = CliRunner().invoke(seatrial, ["render", str(tmp_path), "--diff", "staging", "production"], catch_exceptions=False)
    lines = done.stdout.splitlines()
    assert lines[0] == "~ Namespace/a"
    assert lines[1].split() == ["metadata.labels.seatrial.dev/environment", "staging", "->", "production"]
    assert len(lines) == 2, "rules that name their namespace are no difference"


@pytest.mark.parametrize(("there", "said"), [("file", "Not a directory"), ("values.yaml", "did not write it")])
def test_a_folder_that_cannot_be_written_is_told(run, tmp_path, there, said):
    out = tmp_path / "out"
    out.mkdir()
    (out / there).write_text("mine")
    done = run("-o", "helm", "--out", str(out / "file/sub" if there == "file" else out))
    assert done.exit_code == 1
    assert said in done.stderr
    assert (out / there).read_text() == "mine"
