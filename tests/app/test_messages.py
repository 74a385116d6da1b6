"""Messages are for who has not read the reference: words of other tools are known, what was found is shown, secrets are not."""

import pytest

from seatrial.app import AppFileErrors, loads


def mistakes(text: str) -> list[str]:
    with pytest.raises(AppFileErrors) as errors:
        loads(text)
    return [f"{one.line}:{one.column} {one.message} | {one.hint}" for one in errors.value.problems]


def of_service(keys: str) -> list[str]:
    return mistakes(f"app: a\nversion: '1'\nservices:\n  web:\n    image: x/web\n    port: 80\n    {keys}\n")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("env: {A: b}", "7:5 unknown key `env` | here it is called `config`"),
        ("command: serve", "7:5 unknown key `command` | here it is called `run`"),
        ("ports: ['80:80']", "7:5 unknown key `ports` | a service has one port: `port: 8080`"),
        ("volumes: [data]", "7:5 unknown key `volumes` | a service keeps nothing: `writable` names folders it writes to"),
        ("resources: {limits: {cpu: 1}}", "7:5 unknown key `resources` | `size: small`, medium or large"),
        ("ingress: a.example.com", "7:5 unknown key `ingress` | `expose: shop.example.com` lets the world in"),
        ("domain: a.example.com", "7:5 unknown key `domain` | `expose: shop.example.com` lets the world in"),
        ("livenessProbe: /x", "7:5 unknown key `livenessProbe` | `health: /healthz`, or"),
        ("health: {path: /x}", "7:14 unknown key `path` | one path for all questions is `health: /healthz`"),
        ("scale: {minReplicas: 2, max: 4}", "7:13 unknown key `minReplicas` | here it is called `min`"),
        ("jobs: {x: {cron: '0 3 * * *', run: y}}", "7:16 unknown key `cron` | here it is called `schedule`"),
        ("runtime: java", '7:14 the text "java" is not a value of `runtime` | did you mean `jvm`?'),
        ("size: 512Mi", '7:11 "512Mi" is not a size | small, medium, large, or one of the app\'s own `sizes`'),
        ("slo: 0.999\n    metrics: /m", "7:10 0.999 is less than 1%: a share is said in percent | such as 99.9%"),
        ("user: root", '7:11 a user\'s number is wanted here, not the text "root" | such as 10001: nothing runs as root'),
        ("scale: 5", "7:12 `scale` takes a map, not the number 5 | such as `{min: 2, max: 10, cpu: 70%}`"),
        ("config: [A=b]", "7:13 `config` takes a map, not a list | such as `{LOG_LEVEL: info}`"),
        ("calls: [postgres://x/y]", '7:13 "postgres://x/y" is no URL of HTTP | a database is a store, called by its name'),
        ("expose: true", "7:13 a host name is wanted here, not `true` | a host such as shop.example.com"),
    ],
)
def test_what_people_write_by_habit_is_answered_with_what_it_is_here(keys: str, told: str) -> None:
    (found,) = of_service(keys)
    assert found.startswith(told)


REST = "app: a\nversion: '1'\nservices: {web: {image: x/web}}\n"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("stores: {db: postgres}", '4:14 `db` takes a map, not the text "postgres" | such as `{postgres: 16, storage: 20Gi}`'),
        ("stores: [db]", "4:9 `stores` takes a map, not a list | a name for each, and its keys below it"),
        ("stores: {db: {mysql: 8}}", "4:15 unknown key `mysql` | the app file has stores of PostgreSQL and Redis"),
        ("stores: {db: {type: postgres}}", "4:15 unknown key `type` | a store is a PostgreSQL or a Redis: `postgres: 16`"),
        (
            "stores: {db: {redis: 7, storage: 20}}",
            '4:34 "20" is 20 bytes: too little for an amount of storage | bytes with a unit',
        ),
        ("environments: {p: {web: {replicas: 3}}}", "4:20 unknown key `web` | put it under `services:` of `p`"),
        ("environments: [p]", "4:15 `environments` takes a map, not a list | a name for each, and what is different there"),
        ("platform: {secrets: vault}", '4:21 the text "vault" is not a value of `secrets` | `secrets: external-secrets` with'),
        ("platform: {autoscaling: true}", "4:25 `true` is not a value of `autoscaling` | did you mean `hpa`?"),
        ("platform: {prometheus: 'p:9090'}", '4:24 "p:9090" is not a URL | it begins with http:// or https://'),
    ],
)
def test_so_it_is_in_the_rest_of_the_file(lines: str, told: str) -> None:
    (found,) = mistakes(REST + lines + "\n")
    assert found.startswith(told)


def test_a_short_form_is_called_by_the_key_that_was_written() -> None:
    assert of_service("canary: 10%")[0].startswith('7:13 `canary` takes a list, not the text "10%" | the shares it gets')


@pytest.mark.parametrize(
    "keys",
    [
        "secrets: [KEY=hunter2]",
        "secrets: {KEY: hunter2}",
        "config: {KEY=hunter2: x}",
        "calls: ['postgres://me:hunter2@db/x']",
        "calls: [{pay: 'ftp://me:hunter2@x'}]",
        "health: 'http://me:hunter2@x/h'",
    ],
)
def test_a_secret_that_got_into_the_file_is_not_repeated(keys: str) -> None:
    assert "hunter2" not in "".join(of_service(keys))
