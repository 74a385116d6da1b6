"""The garage's stand-in answers as the actuator does; its app file renders what its operators had by hand."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from garage.server import Metrics, answer

import tools
from seatrial.app import environments, load, resolve
from seatrial.package.files import write
from seatrial.package.helm import chart
from seatrial.render import missing, render, values

GARAGE = Path(__file__).parents[2] / "examples" / "garage"


@pytest.mark.parametrize(("database", "status"), [(True, 200), (False, 503)])
def test_readiness_asks_the_database_and_liveness_does_not(database, status):
    assert answer("/actuator/health/liveness", Metrics(), lambda: database)[0] == 200
    code, _, body = answer("/actuator/health/readiness", Metrics(), lambda: database)
    assert (code, json.loads(body)["components"]["db"]["status"]) == (status, "UP" if database else "OUT_OF_SERVICE")


def test_requests_are_counted_as_micrometer_names_them():
    metrics = Metrics()
    metrics.observe("/api/appointments", 200, 0.02)
    text = answer("/actuator/prometheus", metrics, lambda: True)[2]
    assert 'http_server_requests_seconds_count{status="200",uri="/api/appointments"} 1\n' in text
    assert 'http_server_requests_seconds_bucket{status="200",uri="/api/appointments",le="0.05"} 1\n' in text


def kinds(environment):
    return {obj["kind"]: obj for obj in render(resolve(load(GARAGE), environment))}


def test_production_has_keda_and_no_hpa_and_staging_the_other_way_round():
    production, staging = kinds("production"), kinds("staging")
    assert "ScaledObject" in production
    assert "HorizontalPodAutoscaler" not in production
    assert "HorizontalPodAutoscaler" in staging
    assert "ScaledObject" not in staging
    for found in (production, staging):
        assert found.keys() >= {
            "VerticalPodAutoscaler",
            "PodDisruptionBudget",
            "NetworkPolicy",
            "ServiceMonitor",
            "CronJob",
            "Job",
        }


def test_the_jvm_has_three_quarters_of_its_memory_and_five_minutes_are_not_waited_for_it():
    (container,) = kinds("production")["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    variables = {item["name"]: item.get("value", "") for item in container["env"]}
    assert "-XX:MaxRAMPercentage=75" in variables["JAVA_TOOL_OPTIONS"]
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://opentelemetry-collector.observability:4318"
    startup = container["startupProbe"]
    assert startup["httpGet"]["path"] == "/actuator/health/liveness"
    assert startup["failureThreshold"] * startup["periodSeconds"] == 150


# -- secrets -------------------------------------------------------------------------------------------------------------

KEY = GARAGE / "throw-away.agekey"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_its_secret_files_are_for_the_key_of_the_app_file_and_the_throw_away_key_opens_them(environment, monkeypatch):
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(KEY))
    app = resolve(load(GARAGE), environment)
    found = values.read(app)
    assert missing(app, found) == {}
    for keys in found.values():
        assert set(keys.values()) == {f"made-up-for-{environment}"}
    assert f"public key: {app.platform.age[0]}" in KEY.read_text()
    assert "THROW-AWAY" in KEY.read_text().splitlines()[0]


def test_without_a_key_they_stay_closed_and_that_is_said(monkeypatch, tmp_path):
    for name in ("SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    closed: list[str] = []
    assert values.read(resolve(load(GARAGE), "production"), closed) == {}
    assert "secrets.production.sops.yaml" in closed[0]


# -- the chart -----------------------------------------------------------------------------------------------------------


def test_setting_the_tag_of_the_chart_sets_the_version_that_traces_tell(tmp_path):
    app = load(GARAGE)
    worlds = {name: render(resolve(app, name), secrets=values.complete(resolve(app, name))) for name in environments(app)}
    write(chart(app.app, worlds), tmp_path)
    command = [tools.helm(), "template", "garage", str(tmp_path), "--set", "services.backend.image.tag=2.0.1"]
    command += ["--set", "services.backend.secrets.JWT_SIGNING_KEY=x,stores.db.secrets.password=x"]
    text = subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout
    versions = [
        entry["value"]
        for obj in yaml.safe_load_all(text)
        if obj and obj["kind"] in ("Deployment", "Job")
        for container in obj["spec"]["template"]["spec"]["containers"]
        for entry in container.get("env", ())
        if entry["name"] == "OTEL_SERVICE_VERSION"
    ]
    assert versions == ["2.0.1", "2.0.1"]
