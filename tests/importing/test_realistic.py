"""Files as teams have them: what comes of them loads and renders, names and ports are right, and what is lost is said."""

from pathlib import Path

import pytest

from seatrial.app import load, loads
from seatrial.importing import settled
from seatrial.importing.compose import draft_of as from_compose
from seatrial.importing.draft import Draft
from seatrial.importing.manifests import draft_of as from_manifests
from seatrial.importing.source import documents
from seatrial.render import render

MONOREPO = """\
name: orders
x-common: &common {restart: unless-stopped, env_file: [.env.common]}
services:
  traefik: {image: "traefik:v3.1", ports: ["80:80"], volumes: ["/var/run/docker.sock:/var/run/docker.sock"]}
  frontend:
    <<: *common
    build: frontend
    labels:
      - "traefik.http.routers.f.rule=Host(`app.example.com`)"
      - "traefik.http.services.f.loadbalancer.server.port=3000"
    environment: {ORDERS_API_URL: "http://orders_api:8080/v1", OTEL_ENDPOINT: "http://otel:4317"}
    depends_on: [orders_api]
  orders_api: &api
    build: {context: ., dockerfile: services/orders/Dockerfile}
    environment:
      DATABASE_ADDR: jdbc:postgresql://orders_db:5432/orders
      JAVA_OPTS: -Xmx512m
    ports: [{target: 8080, published: "18080"}, "5005:5005/udp"]
    deploy: {replicas: 2, placement: {constraints: [node.role == worker]}, resources: {limits: {memory: 1g}}}
    stop_signal: SIGINT
    read_only: true
  worker: {<<: *api, command: java -cp app.jar Worker, ports: []}
  upgrade: {<<: *api, command: java -jar app.jar migrate, ports: [], restart: "no"}
  orders_db: {image: "timescale/timescaledb:2.15-pg16", volumes: ["data:/var/lib/postgresql/data"]}
  otel: {image: "otel/opentelemetry-collector:0.100.0"}
  gpu: {image: "x/ml:1", deploy: {resources: {reservations: {devices: [{driver: nvidia}]}}}}
  edge: {image: "x/edge:1", command: ["--config=/etc/edge.yml"]}
"""
SHOP = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: email}
spec:
  selector: {matchLabels: {app: email}}
  template:
    metadata: {labels: {app: email}}
    spec: {containers: [{name: s, image: x/email, ports: [{name: grpc, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: email}
spec: {selector: {app: email}, ports: [{port: 5000, targetPort: grpc}]}
---
apiVersion: v1
kind: Service
metadata: {name: email-public}
spec: {type: LoadBalancer, selector: {app: email}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout}
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
        - name: s
          image: x/checkout:2
          env:
            - {name: EMAIL_SERVICE_ADDR, value: "email:5000"}
            - {name: PUBLIC_ENDPOINT, value: "http://email-public/send"}
            - {name: FULL_HOST, value: "email.shop.svc.cluster.local:5000"}
---
apiVersion: v1
kind: Service
metadata: {name: checkout}
spec: {selector: {app: checkout}, ports: [{port: 80, targetPort: 5050}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: prometheus}
spec:
  selector: {matchLabels: {app: prometheus}}
  template:
    metadata: {labels: {app: prometheus}}
    spec: {containers: [{name: s, image: "prom/prometheus:v3"}]}
"""


def compose(text: str, folder: Path) -> tuple[Draft, str]:
    (node,) = documents(text, str(folder / "compose.yaml"), "a docker-compose file")
    draft = from_compose(node, folder)
    return draft, settled(draft)


@pytest.fixture
def monorepo(tmp_path: Path) -> tuple[Draft, str]:
    (tmp_path / ".env.common").write_text("TZ=UTC\n")
    return compose(MONOREPO, tmp_path)


def said(draft: Draft) -> list[str]:
    return [f"{note.place.line}: {note.message}" for note in draft.notes]


def test_what_comes_of_a_monorepo_renders_in_every_environment(monorepo: tuple[Draft, str]) -> None:
    app = loads(monorepo[1])
    assert list(app.services) == ["frontend", "orders-api", "worker", "gpu", "edge"]
    for environment in ("dev", "production"):
        assert any(obj["kind"] == "Deployment" for obj in render(app, environment))


def test_a_host_that_has_another_name_now_is_asked_by_that(monorepo: tuple[Draft, str]) -> None:
    config = loads(monorepo[1]).services["orders-api"].config or {}
    assert config["DATABASE_ADDR"] == "jdbc:postgresql://orders-db:5432/orders"
    assert any("DATABASE_ADDR of `orders-api` was" in line for line in said(monorepo[0]))


def test_what_a_call_gives_by_itself_is_not_said_again_and_a_path_that_is_lost_is_told(monorepo: tuple[Draft, str]) -> None:
    frontend = loads(monorepo[1]).services["frontend"]
    assert frontend.config == {"TZ": "UTC", "OTEL_ENDPOINT": "http://otel:4317"}
    assert '11: ORDERS_API_URL of `frontend`: it comes from calling `orders-api`, without the path "/v1" it had here' in said(
        monorepo[0]
    )


def test_what_is_of_the_cluster_is_no_service_and_traefiks_labels_say_where_the_world_comes_in(
    monorepo: tuple[Draft, str],
) -> None:
    app, lines = loads(monorepo[1]), said(monorepo[0])
    assert (app.services["frontend"].expose.host, app.services["frontend"].port) == ("app.example.com", 3000)
    assert app.platform.ingress == "traefik"
    assert any(line.startswith("4: `traefik` (traefik) is not of the app but of the cluster") for line in lines)
    assert any("`platform.telemetry: opentelemetry` renders a collector" in line for line in lines)
    assert any("OTEL_ENDPOINT of `frontend` names `otel`, which is not carried over" in line for line in lines)


def test_processes_of_one_build_share_its_image_and_one_that_migrates_is_no_service(monorepo: tuple[Draft, str]) -> None:
    services = loads(monorepo[1]).services
    assert (services["orders-api"].image, services["worker"].image, services["worker"].build) == (
        "orders-orders-api",
        "orders-orders-api",
        None,
    )
    assert services["worker"].run == ("java", "-cp", "app.jar", "Worker")
    assert services["orders-api"].migrate == ("java", "-jar", "app.jar", "migrate")


def test_a_database_with_more_in_it_keeps_its_image_and_its_size_is_said_to_be_a_guess(monorepo: tuple[Draft, str]) -> None:
    store = loads(monorepo[1]).stores["orders-db"]
    assert (store.postgres, store.image, store.storage) == ("16", "timescale/timescaledb:2.15-pg16", "10Gi")
    assert "# 10Gi is a guess: nobody said how large it gets" in monorepo[1]


@pytest.mark.parametrize(
    "words",
    [
        "`deploy.placement` of `orders-api`: see `nodes`",
        "`stop_signal` of `orders-api`: a pod is always ended by SIGTERM",
        "`read_only` of `orders-api`: the root file system of every service is read-only",
        "port 5005 of `orders-api`: only TCP is carried over",
        "`reservations.devices` of `gpu`: a service asks for CPU and memory",
        "services.edge.run: these are options of what the image starts",
    ],
)
def test_what_is_lost_is_said_with_what_is_there_instead(monorepo: tuple[Draft, str], words: str) -> None:
    assert any(words in line for line in said(monorepo[0]))


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Draft, str]:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP)
    draft = from_manifests([path])
    return draft, settled(draft)


def test_callers_ask_the_port_of_the_container_by_every_name_its_services_had(shop: tuple[Draft, str]) -> None:
    app = loads(shop[1])
    assert app.services["checkout"].config == {
        "EMAIL_SERVICE_ADDR": "email:8080",
        "PUBLIC_ENDPOINT": "http://email:8080/send",
        "FULL_HOST": "email:8080",
    }
    assert [call.name for call in app.services["checkout"].calls or ()] == ["email"]
    assert any('EMAIL_SERVICE_ADDR of `checkout` was "email:5000" and is "email:8080" now' in line for line in said(shop[0]))


def test_the_port_of_a_container_that_names_none_is_where_its_service_leads(shop: tuple[Draft, str]) -> None:
    assert loads(shop[1]).services["checkout"].port == 5050


def test_an_image_without_a_tag_stays_what_it_was(shop: tuple[Draft, str]) -> None:
    assert loads(shop[1]).services["email"].image == "x/email:latest"
    assert "# Name a version: latest is another one tomorrow." in shop[1]


def test_what_was_open_to_the_world_and_who_is_called_by_nobody_is_said(shop: tuple[Draft, str]) -> None:
    lines = said(shop[0])
    assert any("Service email-public is a LoadBalancer, which opens `email` to the world" in line for line in lines)
    assert any(
        "nothing says who calls `checkout`: `calls` of a service, or `expose`, opens the network" in line for line in lines
    )
    assert any("prometheus (prometheus) is not of the app but of the cluster" in line for line in lines)


def test_what_is_written_is_what_loads(shop: tuple[Draft, str], tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(shop[1])
    assert not load(tmp_path).remarks
