"""What cannot both be satisfied is refused with what was found and what to do; what works and is hardly meant is a remark."""

from textwrap import dedent
from zoneinfo import available_timezones

import pytest

from seatrial.app import AppFileErrors, loads

APP = """\
app: shop
version: "1"
services:
  api: {image: acme/api, port: 80, calls: [db]%s}
stores: {db: {postgres: 16, storage: 1Gi%s}}
environments: {production: {}, staging: {platform: {%s}}}
platform: {%s}
"""
ROLE = "arn:aws:iam::123456789012:role/shop"
GOOGLE = "shop@acme.iam.gserviceaccount.com"


def text(api: str = "", db: str = "", staging: str = "", platform: str = "") -> str:
    return APP % (f", {api}" if api else "", f", {db}" if db else "", staging, platform)


def refused(text: str) -> str:
    with pytest.raises(AppFileErrors) as errors:
        loads(text)
    (problem,) = errors.value.problems
    return f"{problem.line}:{problem.column} {problem.message} | {problem.hint}"


KEDA = "autoscaling: keda, monitoring: prometheus-operator"
ARGO = "rollouts: argo-rollouts, monitoring: prometheus-operator"
CSI = "secrets: csi, secretProvider: aws, region: eu-west-1"
ESO = "secrets: external-secrets"


@pytest.mark.parametrize(
    ("parts", "at", "told"),
    [
        (
            {"platform": "gateway: infra/public"},
            "infra/public",
            "in production and staging the world comes in by `ingress: nginx`, which knows",
        ),
        (
            {"platform": "gatewayClass: eg"},
            "eg",
            "in dev, production and staging the world comes in by `ingress: nginx`, so there is no Ga",
        ),
        (
            {"platform": "secretStore: vault"},
            "vault",
            "in production and staging secrets are `kubernetes`, which asks no ClusterSecretSt",
        ),
        (
            {"platform": f"{ESO}, secretStore: vault, secretProvider: aws, region: eu-west-1"},
            "vault",
            "in production and staging with `secretProvider` the app has a SecretStore of its own",
        ),
        (
            {"platform": "secretProvider: aws, region: eu-west-1"},
            "aws",
            "in production and staging secrets are `kubernetes`, and `se",
        ),
        (
            {"platform": f"{ESO}, secretVault: x"},
            "x",
            "in production and staging `secretVault` says where secrets are, and nothing who",
        ),
        ({"platform": f"{CSI}, secretTenant: x"}, "x", "in dev, production and staging `secretTenant` is of Azure's key vault"),
        (
            {"platform": f"{CSI}, secretCredentials: x"},
            "x",
            "in production and staging secrets are `csi`, and the Secret `x` is for",
        ),
        (
            {"platform": f"{CSI}, secretIdentity: {GOOGLE}"},
            "shop@",
            "in production and staging secrets are kept by aws, and `secretIde",
        ),
        (
            {"platform": f"{CSI}, secretVault: here"},
            "here",
            'in production and staging secrets are kept by aws, and `secretVault` is "here"',
        ),
        (
            {"platform": "otlp: 'http://a.b:4318'"},
            "'http://a.b",
            "in production and staging there is a collector at http://a.b:4318",
        ),
        (
            {"platform": "monitoringLabels: {a: b}"},
            "{a: b}",
            "in production and staging there are labels for monitors, and no mon",
        ),
        ({"staging": "gateway: infra/public"}, "infra/public", "in staging the world comes in by `ingress: nginx`"),
        (
            {"platform": CSI, "api": f"identity: {GOOGLE}"},
            "shop@",
            "in production and staging `api` asks AWS for its secrets, and is somebody at G",
        ),
        (
            {"api": "metrics: /m, canary: [50], replicas: 1", "platform": ARGO},
            "[50]",
            "in production and staging the canary of `api` is a share of",
        ),
        (
            {"api": "scale: {max: 4, on: [{prometheus: up, target: 1}]}", "platform": "autoscaling: keda"},
            "{prometheus",
            "in production and staging no Prometheus answers the query that scales `api`",
        ),
        (
            {"api": "scale: {max: 4, on: [{prometheus: up, target: 1}]}", "platform": "autoscaling: none"},
            "{prometheus",
            "in production and staging nothing scales `api`, whatever its `prometheus` says",
        ),
        (
            {"api": "scale: {max: 4, on: [{schedule: '@daily', until: '@hourly', replicas: 6}]}", "platform": KEDA},
            "6",
            "in production and staging a schedule asks for 6 replicas of `api`, and `max` is 4",
        ),
        (
            {"api": "scale: {max: 4, on: [{schedule: '@daily', until: '@daily', replicas: 3}]}", "platform": KEDA},
            "'@daily'",
            "the `schedule` of `api` is over when it begins",
        ),
        (
            {"api": "scale: {max: 4, on: [{prometheus: up, target: 1, until: '@daily'}]}", "platform": KEDA},
            "'@daily'",
            "a trigger by `prometheus` takes no `until`",
        ),
        ({"api": "scale: {max: 4, on: [{metric: m, target: 0}]}"}, "0", "the `target` of `api` is 0: no number of pods"),
        (
            {"api": "config: {JAVA_TOOL_OPTIONS: -Xmx4g}"},
            "-Xmx4g",
            "in production and staging `JAVA_TOOL_OPTIONS` allows a heap of 4g",
        ),
        (
            {"api": "config: {NODE_OPTIONS: --max-old-space-size=4096}"},
            "--max-old",
            "in production and staging `NODE_OPTIONS` allows",
        ),
        ({"api": "writable: [/usr/]"}, "/usr/", "an empty folder over `/usr/` hides"),
        ({"api": "secrets: [A, A]"}, "A]", "`A` is listed twice"),
        (
            {"db": f"backup: s3://acme/shop, identity: {GOOGLE}", "platform": "postgres: cloudnative-pg"},
            "shop@",
            "in production and staging `db` w",
        ),
        ({"db": "host: db2"}, "db2", "`db` would be another name for `db2`"),
        ({"db": "password: true"}, "true", "`db` is a PostgreSQL, which always has a password"),
        ({"db": "instances: 2"}, "2", "in production and staging nothing looks after the 2 instances of `db`"),
    ],
)
def test_what_cannot_both_be_satisfied_is_refused(parts: dict[str, str], at: str, told: str) -> None:
    with pytest.raises(AppFileErrors) as errors:
        loads(text(**parts))
    (problem,) = errors.value.problems
    assert problem.message.startswith(told)
    assert problem.hint
    assert text(**parts).splitlines()[problem.line - 1][problem.column - 1 :].startswith(at)


@pytest.mark.skipif(len(available_timezones()) < 300, reason="this machine has no whole database of time zones")
def test_a_time_zone_that_there_is_not_is_refused_with_the_nearest() -> None:
    told = refused(text("jobs: {tidy: {schedule: '@daily', run: x, timeZone: Europe/Pariss}}"))
    assert told == "4:101 there is no time zone `Europe/Pariss` | did you mean `Europe/Paris`?"


def test_a_setting_that_an_environment_makes_useless_is_silently_of_no_use_there() -> None:
    assert loads(text(platform="ingress: gateway, gateway: infra/public", staging="ingress: nginx"))
    assert loads(text(platform=f"{CSI}, secretIdentity: {ROLE}", staging="secrets: kubernetes"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("sizes: {odd: {cpu: 2, memory: 1Gi, limits: {cpu: 1}}}", "the size `odd` sets 2 of cpu aside and allows 1 at most"),
        (
            "sizes: {odd: {cpu: 2, memory: 1Gi, limits: {memory: 1G}}}",
            "the size `odd` sets 1Gi of memory aside and allows 1G at most",
        ),
    ],
)
def test_a_limit_below_what_is_set_aside_is_refused(change: str, told: str) -> None:
    assert told in refused(f"{text()}{change}\n")


def test_two_services_at_one_path_are_told_with_and_without_its_last_slash() -> None:
    with pytest.raises(AppFileErrors, match=r":6:44: in dev and production `b` and `a` are both exposed at x.example.com/v1\n"):
        loads(
            dedent("""\
                app: shop
                version: "1"
                environments: {production: {}}
                services:
                  a: {image: x/a, port: 80, expose: {host: x.example.com, path: /v1}}
                  b: {image: x/b, port: 80, expose: {host: x.example.com, path: /v1/}}
                """)
        )


@pytest.mark.parametrize("namespace", ["kube-system", "kube-public"])
def test_the_namespaces_of_the_cluster_are_refused(namespace: str) -> None:
    told = refused(text().replace("production: {}", f"production: {{namespace: {namespace}}}"))
    assert told.startswith(f"6:40 in production the namespace is `{namespace}`, which is the cluster's own")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (
            {"api": "scale: {min: 2, max: 6}", "platform": "autoscaling: none"},
            "in production and staging nothing scales `api`: `autosc",
        ),
        (
            {"api": "scale: {min: 3}"},
            "in production and staging the `scale` of `api` does not move: its least and its most are 3",
        ),
        ({"api": "heap: 60%"}, "`api` has a `heap`, and its `runtime` is other"),
        ({"api": "heap: 95%, runtime: jvm"}, "a heap of 95% leaves `api` too little memory"),
        ({"api": "workers: 2, runtime: go"}, "`api` has `workers`, and its `runtime` is go"),
        (
            {"api": "metrics: /m, canary: [5, 50]", "platform": ARGO},
            "in production and staging the first step of `api` is 5%, and one of 3 pods",
        ),
        (
            {"platform": "gitops: argocd"},
            "in production and staging the Secret of `db` comes with the release, which argocd takes from git",
        ),
        (
            {"platform": "ingress: none", "api": "expose: a.example.com"},
            "in dev, production and staging `api` is exposed, and nothing",
        ),
        (
            {"platform": "ingress: none, issuer: le"},
            "in production and staging nothing lets the world in, so `le` certifies nothing",
        ),
        (
            {"platform": "zones: 3, nodes: {topology.kubernetes.io/zone: a}"},
            "in production and staging all pods are in `a`, and `zones` is 3",
        ),
        ({"db": f"identity: {ROLE}"}, "in production and staging `db` is somebody at AWS, and nothing asks it"),
    ],
)
def test_what_is_hardly_meant_is_a_remark(parts: dict[str, str], told: str) -> None:
    (remark,) = loads(text(**parts)).remarks
    assert remark.message.startswith(told)
    assert remark.hint
    assert remark.line


def test_a_store_nobody_calls_and_a_migration_that_reaches_no_database_are_remarked() -> None:
    app = loads(text().replace("calls: [db]", "migrate: up"))
    assert [remark.message for remark in app.remarks] == [
        "`api` migrates something and calls no database: its Job reaches none",
        "nothing calls `db`",
    ]


def test_there_is_nothing_odd_about_the_plain_app() -> None:
    assert loads(text()).remarks == ()
