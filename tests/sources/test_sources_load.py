"""What is given on the command line becomes worlds: folders with what is in them, charts, kustomizations, apps, evidence."""

import json
import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import tools
from seatrial.sources import Loaded, load
from seatrial.world.objects import Ref, name_of
from seatrial.world.world import LogKey

ROOT = Path(__file__).parent.parent.parent
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {{name: {0}}}\nspec:\n  selector: {{app: {0}}}\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
"""
WEB = Ref("apps", "Deployment", "", "web")


@pytest.fixture(autouse=True)
def with_tools(monkeypatch):
    """kubectl and helm of the tests."""
    tools.kubectl()
    monkeypatch.setenv("PATH", f"{tools.TOOLS}{os.pathsep}{os.environ['PATH']}")


def tree(folder: Path, files: dict[str, str | bytes]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def names(loaded: Loaded, variant: str = "") -> set[str]:
    return {name_of(obj) for obj in loaded.worlds[variant]}


def where(loaded: Loaded, ref: Ref, path: str = "") -> str:
    place = loaded.world.place(ref, path)
    return f"{Path(place.file).name}:{place.line}"


def test_a_folder_is_read_to_its_bottom_without_what_is_hidden_or_of_others(tmp_path):
    given = tree(
        tmp_path,
        {
            "a.yaml": SERVICE.format("a"),
            "deep/er/b.yml": SERVICE.format("b"),
            "c.json": json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"}}),
            ".github/workflows/ci.yaml": "on: push\n",
            "node_modules/x/d.yaml": SERVICE.format("d"),
            "vendor/e.yaml": SERVICE.format("e"),
            "docker-compose.yaml": "services: {web: {image: nginx}}\n",
            "notes.txt": "kind: [",
        },
    )
    loaded = load([given])
    assert names(loaded) == {"a", "b", "c"}
    assert not loaded.problems
    assert [(one.kind, one.objects) for one in loaded.inputs] == [("folder", 3)]


def test_one_broken_file_of_many_is_told_and_the_others_are_read(tmp_path):
    given = tree(
        tmp_path,
        {
            "a.yaml": SERVICE.format("a"),
            "broken.yaml": SERVICE.format("b") + "---\nkind: {{ .Values.kind }}\n",
            "binary.yaml": b"\x00\x01\x02",
            "c.yaml": SERVICE.format("c"),
        },
    )
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "nowhere.yaml").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.yaml")
    loaded = load([given])
    assert names(loaded) == {"a", "b", "c"}
    assert [(Path(one.file).name, one.line) for one in loaded.problems] == [
        ("binary.yaml", 0), ("broken.yaml", 7), ("nowhere.yaml", 0), ("pipe.yaml", 0)
    ]  # fmt: skip


def test_what_is_not_there_is_a_problem_and_no_more(tmp_path):
    loaded = load([str(tmp_path / "gone.yaml"), str(tmp_path)])
    assert "No such file" in loaded.problems[0].text
    assert len(loaded.world) == 0


def test_an_object_that_is_written_twice_counts_once_and_both_places_are_known(tmp_path):
    loaded = load([tree(tmp_path, {"a.yaml": SERVICE.format("web"), "b.yaml": "# again\n" + SERVICE.format("web")})])
    ((ref, first, again),) = loaded.duplicates
    assert (ref.name, Path(first.file).name, first.line, Path(again.file).name, again.line) == ("web", "a.yaml", 1, "b.yaml", 2)
    assert where(loaded, ref) == "b.yaml:2"


def test_standard_input_and_a_namespace_for_what_has_none():
    given = SERVICE.format("web") + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    loaded = load(["-"], namespace="shop", stdin=given.encode)
    assert set(loaded.world.refs()) == {Ref("", "Service", "shop", "web"), Ref("", "Namespace", "", "shop")}
    assert where(loaded, Ref("", "Service", "shop", "web"), "spec.selector") == "stdin:5"


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "values.yaml": "replicas: 1\nextra: [a, b]\n",
    "values-production.yaml": "replicas: 3\n",
    "values-dev.yaml": "replicas: 1\n",
    "templates/_helpers.tpl": '{{- define "labels" }}app: web{{ end }}\n',
    "templates/web.yaml": """\
{{- if .Values.replicas }}
# the web
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: {{ .Values.replicas }}
  template:
    metadata:
      labels:
        {{- include "labels" . | nindent 8 }}
    spec:
      containers:
        - name: web
          image: web:1
          {{- with .Values.resources }}
          resources: {{ toYaml . | nindent 12 }}
          {{- end }}
        - name: side
          image: side:1
{{- end }}
---
{{- range .Values.extra }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ . }}
{{- end }}
""",
}


@pytest.mark.parametrize(
    ("own", "called"), [("", "default"), ("environment: production\n", "production"), ("environment: dev\n", "default")]
)
def test_a_charts_own_values_are_an_environments_where_they_name_it(own, called, tmp_path):
    files = {**CHART, "values.yaml": CHART["values.yaml"] + own}
    del files["values-production.yaml"]
    assert list(load([tree(tmp_path, files)]).worlds) == ["dev", called]


def test_a_chart_is_rendered_and_each_field_has_the_line_of_its_template(tmp_path):
    loaded = load([tree(tmp_path, CHART)], values={"replicas": 2}, namespace="shop")
    web = Ref("apps", "Deployment", "shop", "web")
    assert names(loaded) == {"web", "a", "b"}
    assert loaded.world.get(web)["spec"]["replicas"] == 2
    assert where(loaded, web) == "web.yaml:3"
    assert where(loaded, web, "spec.replicas") == "web.yaml:8"
    assert where(loaded, web, "spec.template.metadata.labels.app") == "web.yaml:11"
    assert where(loaded, web, "spec.template.spec.containers[1].image") == "web.yaml:21"
    assert where(loaded, Ref("", "Service", "shop", "b"), "metadata.name") == "web.yaml:29"


def test_what_a_trimmed_template_leaves_behind_a_divider_is_read_as_helm_reads_it(tmp_path):
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {}\n"
    text = account.format("a") + "\n---\n\n{{- if true -}}\n\n# allowed\n" + account.format("b") + "\n---\n{{- end -}}\n# more\n"
    files = {"Chart.yaml": CHART["Chart.yaml"], "templates/accounts.yaml": text + account.format("c")}
    loaded = load([tree(tmp_path, files)])
    assert names(loaded) == {"a", "b", "c"} and not loaded.problems


def test_a_chart_with_values_of_environments_is_a_world_for_each(tmp_path):
    given = tree(tmp_path, {f"chart/{name}": content for name, content in CHART.items()} | {"ns.yaml": SERVICE.format("plain")})
    loaded = load([given])
    assert list(loaded.worlds) == ["dev", "production"]
    assert [world.get(WEB)["spec"]["replicas"] for world in loaded.worlds.values()] == [1, 3]
    assert "plain" in names(loaded, "dev") & names(loaded, "production")
    assert list(load([given], environments=["dev"]).worlds) == ["dev"]


def demanding(tmp_path, template, more=()):
    files = {f"chart/{name}": content for name, content in CHART.items() if "values-" not in name}
    files["chart/templates/more.yaml"] = template
    return tree(tmp_path, files | {"plain.yaml": SERVICE.format("plain")} | dict(more))


def test_a_chart_that_fails_is_told_at_the_line_of_its_template(tmp_path):
    loaded = load([demanding(tmp_path, 'a: b\nc: {{ fail "no host" }}\n')])
    (problem,) = loaded.problems
    assert (Path(problem.file).name, problem.line) == ("more.yaml", 2)
    assert "no host" in problem.text
    assert names(loaded) == {"plain"}


SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: more
stringData:
  password: {{ required "which one?" .Values.db.password | quote }}
  host: {{ .Values.db.host | required "and where?" }}
  port: "{{ required `at what?` .Values.db.port }}"
"""


def test_a_value_that_a_chart_demands_has_a_placeholder_and_the_rest_is_read(tmp_path):
    loaded = load([demanding(tmp_path, SECRET)], values={"db": {"host": "db.example.com"}})
    (problem,) = loaded.problems
    assert problem.severity == "note"
    assert "demands db.password, db.port" in problem.text
    secret = loaded.world.get(Ref("", "Secret", "", "more"))
    assert secret["stringData"] == {"password": "placeholder", "host": "db.example.com", "port": "8080"}
    assert {"plain", "web"} <= names(loaded)


def test_a_chart_that_brings_values_to_try_it_with_is_read_with_those(tmp_path):
    own = {"chart/ci/test-values.yaml": "db: {password: a, host: b, port: 5432}\n"}
    loaded = load([demanding(tmp_path, SECRET, own)], values={"db": {"host": "mine"}})
    (problem,) = loaded.problems
    assert "ci/test-values.yaml" in problem.text
    secret = loaded.world.get(Ref("", "Secret", "", "more"))
    assert secret["stringData"] == {"password": "a", "host": "mine", "port": "5432"}


def test_a_demand_that_names_a_value_by_its_keys_alone_is_met(tmp_path):
    template = '{{ if not .Values.db.host }}{{ fail "set a db.host, please" }}{{ end }}\n' + SERVICE.format(
        "{{ .Values.db.host }}"
    )
    given = demanding(tmp_path, template, {"chart/values.yaml": "replicas: 1\nname: web\nports: []\ndb: {host: ''}\n"})
    loaded = load([given])
    (problem,) = loaded.problems
    assert "demands db.host" in problem.text and problem.severity == "note"
    assert "placeholder" in names(loaded)


def test_a_demand_that_no_placeholder_meets_is_told_as_it_was(tmp_path):
    template = '{{ if ne .Values.kind "a" }}{{ fail "db.kind is not known: see .Values.kind" }}{{ end }}\n'
    (problem,) = load([demanding(tmp_path, template)]).problems
    assert problem.severity == "error" and "is not known" in problem.text


def test_a_chart_in_a_folder_that_is_only_a_version_goes_by_its_own_name(tmp_path):
    files = {f"chart/1.2.0/{name}": content for name, content in CHART.items() if "values-" not in name}
    files["chart/1.2.0/templates/more.yaml"] = SERVICE.format("{{ .Release.Name }}")
    assert "shop" in names(load([tree(tmp_path, files)]))


def test_a_chart_whose_schema_of_values_is_elsewhere_is_read_without_it(tmp_path):
    schema = '{"properties": {"replicas": {"$ref": "http://127.0.0.1:1/numbers.json#/whole"}}}'
    loaded = load([demanding(tmp_path, "", {"chart/values.schema.json": schema})])
    assert {"plain", "web"} <= names(loaded)
    assert [one for one in loaded.problems if one.severity == "error"] == []


DEPENDING = """\
apiVersion: v2
name: shop
version: 0.1.0
dependencies:
- {name: helpers, version: 2.x.x, repository: "file://../helpers"}
- {name: words, version: 1.x.x, repository: "https://charts.example"}
- {name: redis, version: 18.x.x, repository: "https://charts.example"}
- {name: mongodb, version: 14.x.x, repository: "https://charts.example", condition: mongodb.enabled}
"""


def depending(tmp_path, template):
    library = "apiVersion: v2\nname: {}\nversion: 0.1.0\ntype: library\n"
    files = {
        "shop/Chart.yaml": DEPENDING,
        "shop/values.yaml": "mongodb: {enabled: false}\n",
        "shop/templates/all.yaml": template,
        "helpers/Chart.yaml": library.format("helpers"),
        "helpers/templates/_name.tpl": '{{ define "helpers.name" }}web{{ end }}',
        "words/Chart.yaml": library.format("words"),
        "words/templates/_name.tpl": '{{ define "words.port" }}80{{ end }}',
    }
    return f"{tree(tmp_path, files)}/shop"


def test_a_chart_is_read_without_the_dependencies_that_nobody_fetched(tmp_path):
    service = SERVICE.format('{{ include "helpers.name" . }}') + '  ports: [{port: {{ include "words.port" . }}}]\n'
    loaded = load([depending(tmp_path, service)])
    (problem,) = loaded.problems
    assert names(loaded) == {"web"}
    assert problem.severity == "note" and "without redis," in problem.text and "helm dependency build" in problem.hint
    assert loaded.world.facts["without"] == {"redis"}


def test_a_chart_that_is_nothing_without_a_dependency_is_told_so_and_no_more(tmp_path):
    (problem,) = load([depending(tmp_path, 'a: {{ include "redis.name" . }}\n')]).problems
    assert problem.text == "this chart cannot be rendered without redis, which is not in charts/"


def test_a_chart_that_renders_to_nothing_is_empty(tmp_path):
    loaded = load([tree(tmp_path, {"Chart.yaml": CHART["Chart.yaml"], "templates/a.yaml": "{{ if .Values.on }}a: b{{ end }}"})])
    assert not names(loaded) and not loaded.problems


KUSTOMIZE = {
    "base/kustomization.yaml": "resources: [web.yaml]\nconfigMapGenerator: [{name: conf, literals: [A=1]}]\n",
    "base/web.yaml": DEPLOYMENT,
    "base/not-named.yaml": SERVICE.format("left-out"),
    "overlays/dev/kustomization.yaml": "resources: [../../base]\nnamePrefix: dev-\n",
    "overlays/production/kustomization.yaml": "resources: [../../base]\npatches: [{path: more.yaml}]\n",
    "overlays/production/more.yaml": DEPLOYMENT.partition("  template")[0].replace("replicas: 1", "# more\n  replicas: 4"),
}


def test_overlays_are_built_each_as_a_world_and_a_patched_field_has_the_line_of_its_patch(tmp_path):
    loaded = load([tree(tmp_path, KUSTOMIZE)])
    assert not loaded.problems
    assert list(loaded.worlds) == ["dev", "production"]
    assert loaded.worlds["production"].get(WEB)["spec"]["replicas"] == 4
    assert where(loaded, WEB, "spec.replicas") == "more.yaml:7"
    assert where(loaded, WEB, "spec.template.spec.containers[0].image") == "web.yaml:12"
    prefixed = loaded.worlds["dev"].place(Ref("apps", "Deployment", "", "dev-web"), "spec.replicas")
    assert (Path(prefixed.file).name, prefixed.line) == ("web.yaml", 6)
    assert not {"left-out"} & names(loaded, "dev")


def test_a_kustomization_that_cannot_be_built_is_told_and_its_files_are_read(tmp_path):
    files = {**KUSTOMIZE, "base/kustomization.yaml": "resources: [web.yaml, gone.yaml]\n"}
    loaded = load([tree(tmp_path, files)])
    assert [Path(one.file).parent.name for one in loaded.problems] == ["dev", "production"]
    assert "web" in names(loaded, "production")


def test_a_kustomization_whose_generator_has_no_input_here_is_read_file_by_file_with_a_warning(tmp_path):
    base = "resources: [web.yaml]\nsecretGenerator: [{name: keys, envs: [keys.env]}]\n"
    loaded = load([tree(tmp_path, {"base/kustomization.yaml": base, "base/web.yaml": DEPLOYMENT})])
    (problem,) = loaded.problems
    assert problem.severity == "warning" and problem.text.endswith("base/keys.env is not here")
    assert names(loaded) == {"web"}
    assert [Path(file).name for file in loaded.world.facts["pieces"]] == ["web.yaml"]


def test_a_host_that_does_not_answer_is_asked_once(tmp_path, monkeypatch):
    asked = []

    def refused(command, _patience):
        asked.append(command[-1])
        return CompletedProcess(command, 1, b"", b"error: accumulating resources: exit status 128")

    monkeypatch.setattr("seatrial.sources.kustomizations.run", refused)
    base = "resources: [web.yaml, 'https://code.example/shop//base?ref=v1']\n"
    files = {"base/kustomization.yaml": base, "base/web.yaml": DEPLOYMENT}
    overlays = {f"{name}/kustomization.yaml": "resources: [../base]\n" for name in ("dev", "production")}
    loaded = load([tree(tmp_path, files | overlays)])
    assert len(asked) == 1
    assert [one.severity for one in loaded.problems] == ["warning", "warning"]
    assert all("code.example" in one.text for one in loaded.problems)


SETTINGS = "kind: Cluster\napiVersion: tool.example/v1\nnodes: [{role: worker}]\n"


def test_what_is_no_manifest_is_left_out_of_a_folder_with_a_note(tmp_path):
    files = {
        "web.yaml": SERVICE.format("web"),
        "settings.yaml": SETTINGS,
        "template.yaml": "apiVersion: v1\nkind: Service\n{{- if .Values.on }}\nmetadata: {name: {{ .Values.x }}}\n{{- end }}\n",
        "pages.yml": "icons: !!python/name:icons.all\n",
    }
    loaded = load([tree(tmp_path, files)])
    assert names(loaded) == {"web"}
    assert {(Path(one.file).name, one.severity) for one in loaded.problems} == {("template.yaml", "note"), ("pages.yml", "note")}


def test_an_app_file_is_a_world_for_each_environment_with_the_lines_of_the_app_file():
    app = ROOT / "examples" / "shop" / "seatrial.yaml"
    lines = app.read_text().splitlines()
    loaded = load([str(app)])
    assert list(loaded.worlds) == ["dev", "staging", "production"]
    world = loaded.worlds["dev"]

    def line(kind: str, name: str, path: str) -> str:
        obj = world.find(kind, "shop-dev", name)
        group = obj["apiVersion"].rpartition("/")[0]
        return lines[world.place(Ref(group, kind, "shop-dev", name), path).line - 1].strip()

    assert line("Deployment", "web", "spec.template.spec.containers[0].image").startswith("image:")
    assert line("Service", "api", "spec.ports[0].port").startswith("port:")
    assert line("CronJob", "api-nightly-report", "spec.schedule").startswith("jobs:")
    assert line("NetworkPolicy", "api", "spec.egress[0]").startswith("calls:")
    assert line("Service", "db", "").startswith("db:")


APP = "app: a\nversion: '1'\nservices:\n  web: {image: acme/web, port: 8080}\nenvironments: {staging: {}, production: {}}\n"


@pytest.mark.parametrize(
    ("asked", "hint"), [("prod", "did you mean 'production'?"), ("x", "there are: dev, production, staging")]
)
def test_an_environment_that_nobody_has_is_told_with_those_that_there_are(tmp_path, asked, hint):
    loaded = load([tree(tmp_path, {"seatrial.yaml": APP})], environments=[asked])
    assert [(one.text, one.hint, one.severity) for one in loaded.problems] == [
        (f"there is no environment {asked!r} here", hint, "error")
    ]


def test_the_environment_of_developers_is_one_also_where_the_app_file_does_not_name_it(tmp_path):
    loaded = load([tree(tmp_path, {"seatrial.yaml": APP})], environments=["dev"])
    assert (list(loaded.worlds), loaded.problems) == (["dev"], [])
    assert len(loaded.world) > 0


def test_manifests_of_no_environment_are_of_every_one(tmp_path):
    loaded = load([tree(tmp_path, {"web.yaml": SERVICE.format("web")})], environments=["production"])
    assert (names(loaded), loaded.problems) == ({"web"}, [])


def test_what_is_wrong_with_an_app_file_is_told_by_its_line(tmp_path):
    loaded = load([tree(tmp_path, {"seatrial.yaml": "app: x\nservices:\n  web: {imag: nginx}\n"})])
    assert {one.line for one in loaded.problems} == {3}


def test_the_evidence_of_a_release_is_a_world_with_events_and_logs(tmp_path):
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1.x, namespace: shop}\nstatus: {phase: Running}\n"
    indented = pod.replace("\n", "\n  ").rstrip()
    given = tree(
        tmp_path,
        {
            "finding.json": json.dumps({"version": "seatrial.dev/evidence/v1", "namespace": "shop"}),
            "objects.yaml": f"apiVersion: v1\nkind: List\nitems:\n- {indented}\n",
            "logs/web-1.x.main.log": "up\n",
            "logs/web-1.x.main.previous.log": "panic: no database\n",
            "missing.txt": "listing secrets in shop: forbidden\n",
            "index.html": "<!doctype html>",
        },
    )
    loaded = load([given])
    web = Ref("", "Pod", "shop", "web-1.x")
    assert loaded.world.logs == {LogKey(web, "main"): ["up"], LogKey(web, "main", True): ["panic: no database"]}
    assert [(one.kind, one.objects) for one in loaded.inputs] == [("evidence", 1)]
    assert [(one.severity, "forbidden" in one.text) for one in loaded.problems] == [("note", True)]
    assert where(loaded, web) == "objects.yaml:4"


def test_evidence_of_a_version_that_nobody_knows_is_read_with_a_word(tmp_path):
    given = tree(tmp_path, {"finding.json": '{"version": "v9"}', "objects.yaml": SERVICE.format("web")})
    loaded = load([given])
    assert names(loaded) == {"web"}
    assert "v9" in loaded.problems[0].text


def test_a_kustomization_and_an_app_are_known_by_what_they_are_however_they_are_given(tmp_path):
    tree(tmp_path, KUSTOMIZE)
    app = tmp_path / "garage.yaml"
    app.write_text("app: garage\nservices:\n  web:\n    image: web:1\n    port: 8080\n    health: /\n")
    loaded = load([str(tmp_path / "overlays/production/kustomization.yaml"), str(app)])
    assert [(one.kind, bool(one.objects)) for one in loaded.inputs] == [("kustomization", True), ("app", True)]
    assert {"conf", "garage"} & {name.partition("-")[0] for name in names(loaded)} == {"conf", "garage"}


def test_a_chart_that_is_a_library_is_left_out_with_a_word(tmp_path):
    loaded = load([tree(tmp_path, {"Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n"})])
    assert [one.severity for one in loaded.problems] == ["note"]
