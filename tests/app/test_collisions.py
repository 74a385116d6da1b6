"""Two objects that would have one name are a mistake, told at the line of the service that can be called otherwise."""

import pytest

from seatrial.app import AppFileErrors, loads

JOB = "jobs: {b-c: {schedule: '@daily', run: x}}"


def app(services, rest="", platform=""):
    lines = "\n".join(f"  {line}" for line in services)
    return f"app: shop\nversion: '1'\nservices:\n{lines}\nenvironments: {{production: {{}}}}\n{rest}\nplatform: {{{platform}}}\n"


API = "api: {image: x/a, port: 80, metrics: /m, %s}"
ARGO = "rollouts: argo-rollouts, monitoring: prometheus-operator"


@pytest.mark.parametrize(
    ("services", "rest", "platform", "line", "told"),
    [
        ([API % "canary: [50]", "api-canary: {image: x/b, port: 80}"], "", ARGO, 5, "the canary of `api`"),
        ([API % "migrate: up", "api-jobs: {image: x/b}"], "", "", 5, "the jobs of `api`"),
        ([API % JOB, "api-b: {image: x/b, jobs: {c: {schedule: '@daily', run: x}}}"], "", "", 5, "CronJob `api-b-c`"),
        (["otel-collector: {image: x/b}", API % ""], "", "telemetry: opentelemetry", 4, "collector of traces"),
        (["default: {image: x/b}"], "", "", 4, "the namespace's own account"),
        (["db-pods: {image: x/b, port: 80}"], "stores: {db: {postgres: 16, storage: 1Gi}}", "", 4, "the pods of `db`"),
        (
            ["db-rw: {image: x/b, port: 80}"],
            "stores: {db: {postgres: 16, storage: 1Gi}}",
            "postgres: cloudnative-pg",
            4,
            "of `db`",
        ),
        (["default-deny: {image: x/b}"], "", "", 4, "denied to everybody"),
    ],
)
def test_it_is_told_where_it_is_written(services, rest, platform, line, told):
    with pytest.raises(AppFileErrors) as errors:
        loads(app(services, rest, platform))
    (problem,) = errors.value.problems
    assert problem.line == line
    assert told in problem.message


def test_names_that_only_look_alike_are_none_of_it():
    assert loads(app([API % "", "api-jobs: {image: x/b}", "api-canary: {image: x/c, port: 80}", "otel-collector: {image: x/d}"]))
