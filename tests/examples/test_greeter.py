"""The greeter: gets ready in its time, fails at its rate, and measures every request."""

from __future__ import annotations

import pytest
from asgi import Client
from greeter.app import build
from greeter.settings import Settings, SettingsError, load


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def greeter(time: Time | None = None, chance: float = 0.5, **settings: float) -> Client:
    configured = Settings("Good day", work=1, **settings)  # type: ignore[arg-type]
    return Client(build(configured, time or Time(), lambda: chance))


def counts(service: Client) -> dict[tuple[str, str], float]:
    """(route, status) -> how many latencies were observed."""
    found = {}
    for line in service("GET", "/metrics").body.decode().splitlines():
        if line.startswith("http_request_duration_seconds_count{"):
            labels, _, value = line.partition("{")[2].partition("} ")
            route, status = (label.split('"')[1] for label in labels.split(","))
            found[route, status] = float(value)
    return found


def test_it_is_alive_at_once_and_ready_after_its_delay() -> None:
    time = Time()
    service = greeter(time, readiness_delay=10.0)
    assert (service("GET", "/healthz").status, service("GET", "/readyz").status) == (200, 503)
    assert service("GET", "/readyz").body == b"ready in 10 s\n"
    time.now += 9.9
    assert service("GET", "/readyz").status == 503
    time.now += 0.1
    assert service("GET", "/readyz").status == 200


def test_it_greets() -> None:
    assert greeter()("GET", "/work").json() == {"greeting": "Good day"}


@pytest.mark.parametrize(("rate", "chance", "status"), [(0.0, 0.0, 200), (0.3, 0.29, 500), (0.3, 0.3, 200), (1.0, 0.999, 500)])
def test_work_fails_at_its_rate(rate: float, chance: float, status: int) -> None:
    assert greeter(chance=chance, fail_rate=rate)("GET", "/work").status == status


@pytest.mark.parametrize(("rate", "status"), [(0.0, "200"), (1.0, "500")])
def test_latency_is_observed_for_successes_and_failures_alike(rate: float, status: str) -> None:
    service = greeter(fail_rate=rate)
    for _ in range(3):
        service("GET", "/work")
    service("GET", "/nowhere")
    assert counts(service) == {("/work", status): 3, ("unmatched", "404"): 1}


def test_the_greeting_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        greeter()("GET", "/work")
    assert "/work" in caplog.text
    assert "Good day" not in caplog.text


def test_settings_come_from_the_environment() -> None:
    found = load(
        {"GREETING": "Hi", "READINESS_DELAY_SEC": "2.5", "FAIL_RATE": "0.02", "POD_IP": "127.97.0.3", "WORK_ROUNDS": "5"}
    )
    assert found == Settings("Hi", 2.5, 0.02, 5, "127.97.0.3", 8000)


def test_everything_wrong_with_the_environment_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load({"FAIL_RATE": "2", "READINESS_DELAY_SEC": "soon"})
    assert str(error.value) == (
        "GREETING is not set; READINESS_DELAY_SEC is 'soon', and must be a number from 0 to 3600; "
        "FAIL_RATE is '2', and must be a number from 0 to 1"
    )
