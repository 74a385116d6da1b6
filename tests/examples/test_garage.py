"""The garage's stand-in answers as the actuator does; its app file renders what its operators had by hand."""

import json
from pathlib import Path

import pytest
from garage.server import Metrics, answer

from seatrial.app import load, resolve
from seatrial.render import render

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
