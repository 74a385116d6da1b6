"""`seatrial init` as a person uses it: a file that loads, what was not carried over with its place, and no secret anywhere."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.app import AppFileErrors, load, loads
from seatrial.cli import seatrial
from seatrial.importing import compose, settled
from seatrial.importing.source import documents

COMPOSE = """\
name: Blog
services:
  web:
    build: ./web
    ports: ["8080:80"]
    depends_on: [api]
  api:
    build: {context: api, args: {RELEASE: one}}
    command: python -m blog
    environment:
      DATABASE_URL: postgres://blog:hunter2@db:5432/blog
      LOG_LEVEL: ${LOG_LEVEL:-info}
      STRIPE_KEY: hunter3
      REGION: ${REGION}
    expose: [3000]
    healthcheck: {test: [CMD, curl, -f, "http://localhost:3000/healthz?key=hunter4"], start_period: 20s}
    volumes: ["uploads:/srv/uploads"]
    deploy: {replicas: 3, resources: {limits: {cpus: "0.5", memory: 512M}}}
    depends_on: {cache: {condition: service_started}, queue: {condition: service_started}}
  db:
    image: postgres:16-alpine
    environment: [POSTGRES_DB=blog, POSTGRES_PASSWORD=hunter2]
    volumes: ["data:/var/lib/postgresql/data"]
  cache: {image: "redis:7", command: redis-server --requirepass hunter5}
  queue: {image: "rabbitmq:3"}
  order_mailer: {image: acme/mailer, command: [mail, --token=hunter6], network_mode: host}
"""

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api-deployment, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
        - name: api
          image: acme/api:1.2
          args: [serve]
          ports: [{containerPort: 3000}]
          envFrom: [{configMapRef: {name: api}}, {secretRef: {name: api-keys}}]
          env:
            - {name: CACHE_ADDR, value: "cache:6379"}
            - {name: DB_PASS, valueFrom: {secretKeyRef: {name: db, key: password}}}
          livenessProbe: {httpGet: {path: /live, port: 3000}}
          readinessProbe: {httpGet: {path: /ready, port: 3000}}
          startupProbe: {httpGet: {path: /live, port: 3000}, failureThreshold: 30, periodSeconds: 2}
          resources: {requests: {cpu: 250m, memory: 256Mi}, limits: {memory: 512Mi}}
          volumeMounts: [{name: work, mountPath: /work}, {name: keep, mountPath: /keep}]
      volumes: [{name: work, emptyDir: {}}, {name: keep, persistentVolumeClaim: {claimName: keep}}]
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 3000}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: api}
data: {LOG_LEVEL: debug}
---
apiVersion: v1
kind: Secret
metadata: {name: api-keys}
stringData: {PAYMENTS: hunter2}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: cache, namespace: shop}
spec:
  template: {spec: {containers: [{name: redis, image: "redis:7-alpine"}]}}
  volumeClaimTemplates: [{spec: {resources: {requests: {storage: 2Gi}}}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: api}
spec:
  ingressClassName: nginx
  rules: [{host: shop.example.com, http: {paths: [{path: /api, pathType: Prefix, backend: {service: {name: api}}}]}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec:
  scaleTargetRef: {kind: Deployment, name: api-deployment}
  minReplicas: 2
  maxReplicas: 9
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {containers: [{name: x, image: "acme/api:1.2", command: [report]}]}}}}
---
apiVersion: v1
kind: List
items: [{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny}}]
"""


@pytest.fixture
def init(tmp_path, monkeypatch):
    """Runs the verb in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **files):
        return CliRunner().invoke(seatrial, ["init", *arguments], catch_exceptions=False, **files)

    return run


def test_a_compose_file_becomes_an_app_file_that_loads(init, tmp_path):
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    done = init()
    assert (done.exit_code, done.stdout) == (0, "seatrial.yaml: 3 services, 2 stores\n")
    app = load(tmp_path)
    api = app.services["api"]
    assert (app.app, list(app.services), list(app.stores)) == ("blog", ["web", "api", "order-mailer"], ["db", "cache"])
    assert (app.services["web"].port, app.services["web"].build, app.services["web"].image) == (80, "web", "blog-web")
    assert [call.name for call in api.calls] == ["db", "cache"]
    assert (api.run, api.port, api.replicas, api.config) == (("python", "-m", "blog"), 3000, 3, {"LOG_LEVEL": "info"})
    assert api.secrets == ("DATABASE_URL", "STRIPE_KEY")
    assert (api.health.live, api.health.startup) == ("/healthz", 20)
    assert (app.sizes["api"].cpu, app.sizes["api"].memory) == ("0.5", "512Mi")
    assert (app.stores["db"].postgres, app.stores["db"].database, app.stores["cache"].password) == ("16", "blog", True)


def test_what_could_not_be_carried_over_is_said_with_its_line(init, tmp_path):
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    said = init().stderr.splitlines()
    line = dict(enumerate(COMPOSE.splitlines(), 1))
    for found, word in (
        ("volume /srv/uploads of `api`: a service keeps nothing", "uploads:"),
        ("`queue` (rabbitmq): the app file knows postgres and redis", "rabbitmq"),
        ("`api` calls `queue`, which is not carried over", "queue:"),
        ("REGION of `api` has no value here", "REGION"),
        ("`order_mailer` is called `order-mailer` here", "order_mailer"),
        ("services.order-mailer.run: the command seems to hold a secret", "--token"),
        ("`network_mode` of `order-mailer`: every pod has its own network", "network_mode"),
        ("`build.args` of `api`", "args:"),
    ):
        (told,) = [text for text in said if found in text]
        assert word in line[int(told.split(":")[1])]
    assert re.fullmatch(r"\d+ things not carried over, or not as it was", said[-1])


@pytest.mark.parametrize(("file", "text"), [("docker-compose.yml", COMPOSE), ("all.yaml", MANIFESTS)])
def test_no_value_of_a_secret_is_written_or_said(init, tmp_path, file, text):
    (tmp_path / file).write_text(text)
    done = init(file)
    assert "hunter" in text
    assert "hunter" not in (tmp_path / "seatrial.yaml").read_text() + done.output


def test_manifests_become_an_app_file_that_loads(init, tmp_path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "all.yaml").write_text(MANIFESTS)
    (tmp_path / "deploy" / "template.yaml").write_text("a: {{ .Values.x }}\nb: [\n")
    done = init("deploy", "--app", "shop")
    app = load(tmp_path)
    api = app.services["api"]
    assert list(app.services) == ["api"]
    assert (api.image, api.run, api.port, api.size) == ("acme/api:1.2", ("serve",), 3000, "medium")
    assert (api.health.live, api.health.ready, api.health.startup) == ("/live", "/ready", 60)
    assert (api.scale.min, api.scale.max, api.scale.cpu) == (2, 9, 60)
    assert api.secrets == ("PAYMENTS", "DB_PASS")
    assert (api.config["LOG_LEVEL"], api.calls[0].name, api.writable) == ("debug", "cache", ("/work",))
    assert (api.expose.host, api.expose.path, api.jobs["nightly"].run) == ("shop.example.com", "/api", ("report",))
    assert (app.stores["cache"].storage, app.environments["production"].namespace) == ("2Gi", "shop")
    for said in (
        "deploy/all.yaml:2: Deployment api-deployment is called `api`",
        "NetworkPolicy deny: it is rendered anew, from `calls`",
        "volume /keep of `api`: only empty folders are carried over",
        "the file is passed over: this is not YAML",
    ):
        assert said in done.stderr


def test_a_file_that_is_there_is_left_alone_without_force(init, tmp_path):
    (tmp_path / "seatrial.yaml").write_text("mine\n")
    done = init("--yes")
    assert done.exit_code == 2
    assert "seatrial.yaml is there already; --force writes over it" in done.stderr
    assert (tmp_path / "seatrial.yaml").read_text() == "mine\n"
    assert init("--yes", "--force").exit_code == 0
    assert load(tmp_path).services["web"].port == 8080


def test_questions_have_defaults_from_the_folder(init, tmp_path):
    for folder, port in (("web", 8000), ("api", 3000)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Dockerfile").write_text(f"FROM scratch\nEXPOSE {port}\n")
    assert init("--yes", "--app", "shop").exit_code == 0
    app = load(tmp_path)
    assert {name: (service.port, service.build) for name, service in app.services.items()} == {
        "api": (3000, "api"),
        "web": (8000, "web"),
    }


def test_answers_are_taken(init, tmp_path):
    done = init(input="Shop\nweb api\n\n80\n/healthz\nshop.example.com\n\n3000\n\n\nweb\napi\n\n")
    assert done.exit_code == 0
    app = load(tmp_path)
    assert (app.app, app.services["web"].expose.host, app.stores["db"].postgres) == ("shop", "shop.example.com", "16")
    assert [call.name for call in app.services["api"].calls] == ["web", "db"]


def test_what_a_service_extends_is_laid_below_it_from_this_file_and_others(init, tmp_path):
    (tmp_path / "common.yml").write_text("services: {base: {image: 'x/base:1', environment: [A=1, B=1], ports: ['80:8080']}}\n")
    (tmp_path / "docker-compose.yml").write_text("""\
services:
  api: {extends: {file: common.yml, service: base}, environment: {B: "2"}}
  beat: {extends: api, command: tick}
  lost: {extends: {file: ../other.yml, service: x}, image: "x/lost:1"}
""")
    done = init("docker-compose.yml")
    services = load(tmp_path).services
    assert (services["beat"].image, services["beat"].port, services["beat"].config) == ("x/base:1", 8080, {"A": "1", "B": "2"})
    assert "docker-compose.yml:4: `lost` extends `x` of ../other.yml, which was not found in this folder" in done.stderr


def test_what_runs_once_before_a_service_becomes_its_migration(init, tmp_path):
    (tmp_path / "docker-compose.yml").write_text("""\
services:
  api:
    build: api
    depends_on: {schema: {condition: service_completed_successfully}}
  schema: {build: {context: api}, command: alembic upgrade head, restart: "no"}
  seed: {image: "x/seed:1", profiles: [seed], restart: "no"}
""")
    done = init("docker-compose.yml")
    services = load(tmp_path).services
    assert list(services) == ["api"]
    assert services["api"].migrate == ("alembic", "upgrade", "head")
    assert "docker-compose.yml:5: `schema` runs once: it is the `migrate` command of `api` now" in done.stderr
    assert "docker-compose.yml:6: `seed` runs once and ends" in done.stderr


def test_a_variable_that_names_a_file_or_something_left_out_is_said(init, tmp_path):
    (tmp_path / "docker-compose.yml").write_text("""\
services:
  web:
    image: x/web:1
    ports: ["9000-9010:8000-8010"]
    secrets: [pass]
    environment: {DB_PASSWORD_FILE: /run/secrets/pass, BROKER_HOST: rabbit}
  rabbit: {image: "rabbitmq:3"}
""")
    done = init("docker-compose.yml")
    web = load(tmp_path).services["web"]
    assert (web.port, web.secrets) == (8000, ("DB_PASSWORD",))
    assert ":4: ports 8000-8010 of `web`: a service has one port" in done.stderr
    assert ":6: BROKER_HOST of `web` names `rabbit`, which is not carried over" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: [", "bad.yaml:2:1: this is not YAML"),
        ("a: &a [*a]\n", "`*a` has no anchor `&a` before it"),
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
            "more than 50,000 values",
        ),
        ("services: {web: {image: !!python/object:os.system x}}\n", "means nothing in a docker-compose file or a manifest"),
        ("services: 3\n", "nothing here could be a service"),
        ("services: {web: 3}\n", "`web` is no map of keys"),
        ("services: {web: {image: [x], ports: {a: b}, environment: 7, build: [], volumes: 1, deploy: x}}\n", ""),
        ("services: {'': {image: x}, 'Ä!': {image: 'y:1', environment: ['=', 'a b=c', 'OK=1']}}\n", ""),
        ("kind: Deployment\nspec: {template: 7}\n", "nothing here could be a service"),
        ("kind: Deployment\nmetadata: {name: x}\nspec: {template: {spec: {containers: {a: b}}}}\n", "nothing here"),
        ("kind: [List]\nitems: x\n", "nothing here could be a service"),
        ("a: " + "[" * 500 + "\n", "nested more than 40 levels deep"),
        ("# only a comment\n", "nothing here could be a service"),
        ("", "nothing here could be a service"),
        ("\x00", "control character"),
    ],
)
def test_hostile_files_are_told_without_a_stack_trace(init, tmp_path, text, said):
    (tmp_path / "bad.yaml").write_text(text)
    done = init("bad.yaml")
    assert "Traceback" not in done.output
    if said:
        assert (done.exit_code, done.stdout) == (2, "")
        assert said in done.stderr
    else:
        assert load(tmp_path).services
    assert (tmp_path / "seatrial.yaml").exists() is not bool(said)


WORDS = st.sampled_from(
    ["", "x", "a b", "80", "8080:80/udp", "${A:-b}", "$", "../..", "a\nb", "é", "0", "true", "http://web:80", "web"]
)
VALUES = st.recursive(
    WORDS | st.none() | st.integers(-1, 70000), lambda v: st.lists(v, max_size=2) | st.dictionaries(WORDS, v, max_size=2)
)
KEYS = st.sampled_from(
    [
        "build",
        "command",
        "ports",
        "environment",
        "depends_on",
        "healthcheck",
        "volumes",
        "secrets",
        "deploy",
        "user",
        "tmpfs",
        "env_file",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["web", "A_B", "a-b", "1", ""]), st.dictionaries(KEYS, VALUES, max_size=4), min_size=1))
def test_whatever_a_compose_file_says_the_app_file_loads_or_the_reason_is_told(tmp_path_factory, services):
    text = yaml.safe_dump({"services": {name: {"image": "acme/x:1", **part} for name, part in services.items()}})
    folder = tmp_path_factory.getbasetemp()
    (node,) = documents(text, str(folder / "compose.yml"), "a docker-compose file")
    try:
        loads(settled(compose.draft_of(node, folder)))
    except AppFileErrors as errors:
        assert errors.problems


def test_where_nobody_answers_the_way_out_is_named(init, tmp_path):
    done = init()
    assert done.exit_code == 2
    assert "nobody answered; name a docker-compose file or manifests, or take the defaults with --yes" in done.stderr
    assert not (tmp_path / "seatrial.yaml").exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("Chart.yaml", "deploy: is a Helm chart: give what it becomes\n    helm template APP deploy > all.yaml"),
        ("kustomization.yaml", "deploy: is a Kustomize tree: give what it becomes\n    kubectl kustomize deploy > all.yaml"),
        ("overlays/production/kustomization.yaml", "kubectl kustomize deploy/overlays/production > all.yaml"),
    ],
)
def test_a_chart_or_a_kustomize_tree_is_given_as_what_it_becomes(init, tmp_path, path, said):
    (tmp_path / "deploy" / path).parent.mkdir(parents=True)
    (tmp_path / "deploy" / path).write_text("kind: Kustomization\n")
    done = init("deploy")
    assert done.exit_code == 2
    assert said in done.stderr


def test_an_app_that_was_rendered_comes_back_with_what_makes_it_up(init, tmp_path):
    (tmp_path / "before").mkdir()
    (tmp_path / "before/seatrial.yaml").write_text("""\
app: shop
version: "1.4"
services:
  web: {image: x/web, port: 80, expose: shop.example.com, calls: [api], metrics: /stats, drain: 7s, grace: 20s}
  api: {image: x/api, port: 3000, calls: [db], size: large, canary: {steps: [50%]}, metrics: /metrics}
stores: {db: {postgres: 16, storage: 20Gi}}
environments: {production: {}}
platform: {monitoring: prometheus-operator, rollouts: argo-rollouts}
""")
    rendered = CliRunner().invoke(seatrial, ["render", "before"], catch_exceptions=False)
    (tmp_path / "all.yaml").write_text(rendered.stdout)
    assert init("all.yaml").exit_code == 0
    services = load(tmp_path).services
    assert list(services) == ["api", "web"], "a canary's Service does not rename it"
    assert services["api"].size == "large"
    assert [call.name for call in services["api"].calls] == ["db"]
    assert (services["web"].drain, services["web"].grace) == (7, 20)
    assert services["web"].metrics.path == "/stats"


def test_the_page_shows_what_is_written(init, tmp_path):
    page = (Path(__file__).parents[2] / "docs/init.md").read_text()
    source, written = re.findall(r"```yaml\n(.*?)```", page, re.S)[:2]
    (tmp_path / "docker-compose.yml").write_text(source)
    done = init("--app", "blog")
    assert (tmp_path / "seatrial.yaml").read_text() == written
    assert (done.stderr + done.stdout) in page
