"""`seatrial render` and `seatrial schema` as a person uses them: output that pipes cleanly, mistakes told, exit code 2."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from seatrial.cli import seatrial

ROOT = Path(__file__).parents[2]
SHOP = str(ROOT / "examples" / "shop")


def run(*arguments):
    return CliRunner().invoke(seatrial, list(arguments), catch_exceptions=False)


def test_production_is_printed_unless_another_environment_is_named():
    done = run("render", SHOP)
    assert done.exit_code == 0
    found = {obj["metadata"].get("namespace", "shop") for obj in yaml.safe_load_all(done.stdout) if obj["kind"] != "Certificate"}
    assert found == {"shop"}
    assert next(yaml.safe_load_all(run("render", SHOP, "-e", "staging").stdout))["metadata"]["name"] == "shop-staging"


def test_notes_do_not_stand_in_what_is_piped_on():
    done = run("render", SHOP, "-e", "dev")
    assert "note: Secret api in shop-dev (PAYMENTS_KEY) is left out" in done.stderr
    assert "note" not in done.stdout
    assert "Secret" not in {obj["kind"] for obj in yaml.safe_load_all(done.stdout)}


def test_mistakes_are_told_on_standard_error_with_their_number_and_exit_code_2(tmp_path):
    path = tmp_path / "seatrial.yaml"
    path.write_text("app: shop\nservices:\n  web: {image: a/b:1, prt: 1}\n  api: {image: a/c:1, calls: [wbe]}\n")
    done = run("render", str(path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"{path}:3:23: unknown key `prt`",
        "    did you mean `port`?",
        f"{path}:4:31: `api` calls `wbe`, which is no service or store",
        "    did you mean `web`?",
        "2 mistakes",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((SHOP, "-e", "prod"), "shop has no environment `prod`; did you mean `production`?"),
        ((SHOP, "-o", "helm"), "a Helm chart is a folder: say where with --out DIR"),
        (("nowhere.yaml",), "nowhere.yaml: there is no such file"),
        ((str(ROOT / "docs"),), "there is no seatrial.yaml in this folder"),
    ],
)
def test_wrong_usage_is_explained_with_exit_code_2(arguments, said):
    done = run("render", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_chart_is_written_and_what_changed_is_said(tmp_path):
    done = run("render", SHOP, "-o", "helm", "--out", str(tmp_path / "chart"))
    assert done.exit_code == 0
    assert f"+ {tmp_path}/chart/values.yaml" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(f"0 changed, 0 unchanged in {tmp_path}/chart")
    again = run("render", SHOP, "-o", "helm", "--out", str(tmp_path / "chart"))
    assert again.stdout.startswith("0 created, 0 changed, ")


def test_yaml_can_be_written_a_file_an_object(tmp_path):
    run("render", SHOP, "--out", str(tmp_path / "out"))
    names = sorted(path.name for path in (tmp_path / "out").glob("[!.]*"))
    assert names[0] == "01-namespace-shop.yaml"
    assert len(names) == len(list(yaml.safe_load_all(run("render", SHOP).stdout)))


def test_secret_values_of_the_files_beside_the_app_file_are_used(tmp_path):
    (tmp_path / "seatrial.yaml").write_text("app: x\nservices: {a: {image: x/a:1, secrets: [KEY]}}\n")
    (tmp_path / ".env.dev").write_text("KEY=hidden\n")
    done = run("render", str(tmp_path))
    (secret,) = [obj for obj in yaml.safe_load_all(done.stdout) if obj["kind"] == "Secret"]
    assert secret["stringData"] == {"KEY": "hidden"}
    assert done.stderr == ""


def test_the_schema_is_printed_as_json():
    assert json.loads(run("schema").stdout)["title"] == "Seatrial app file"


ODD = """\
app: shop
version: "1"
services:
  web: {image: acme/web, port: 80, heap: 60%, expose: shop.example.com, secrets: [KEY]}
environments: {production: {}}
platform: {secrets: external-secrets, issuer: letsencrypt}
"""


def test_what_is_odd_and_what_has_to_be_there_is_noted_beside_what_is_rendered(tmp_path):
    (tmp_path / "seatrial.yaml").write_text(ODD)
    done = run("render", str(tmp_path))
    assert done.exit_code == 0
    what = "`web` has a `heap`, and its `runtime` is other: nothing takes a share of the memory"
    assert done.stderr.splitlines() == [
        f"note: {tmp_path}/seatrial.yaml:4:42: {what}",
        "    name its `runtime`: jvm, node, go; or leave it out",
        "note: not made here, and must be in the cluster: the ClusterSecretStore shop, which finds shop/production/web",
        "note: not made here, and must be in the cluster: the ClusterIssuer letsencrypt, of cert-manager",
    ]
    assert "note" not in done.stdout


def test_check_warns_of_what_is_odd(tmp_path):
    (tmp_path / "seatrial.yaml").write_text(ODD)
    done = run("check", str(tmp_path))
    assert done.exit_code == 0
    assert "seatrial.yaml:4:42: `web` has a `heap`" in " ".join(done.stdout.split())
