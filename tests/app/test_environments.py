"""An environment overrides and never repeats: what comes of defaults, the file and the environment, and where it came from."""

import pytest

from seatrial.app import UnknownEnvironmentError, environments, loads, resolve

FILE = """\
app: shop
version: "1.4"
services:
  web:
    image: acme/web
    port: 8080
    expose: shop.example.com
    calls: [api]
    scale: {min: 2, max: 10, memory: 80%}
  api:
    image: acme/api
    port: 3000
    run: java -jar api.jar
    size: medium
    health: {live: /health, ready: /ready}
    config: {LOG_LEVEL: info, REGION: eu}
    secrets: [KEY]
    calls: [db, {pay: https://pay.example}]
stores:
  db: {postgres: 16, storage: 20Gi}
environments:
  staging:
    domain: staging.example.com
    replicas: 3
    config: {LOG_LEVEL: debug}
    services:
      api: {scale: {min: 1, max: 4}, health: {startup: 5m}, calls: [{pay: https://sandbox.pay.example}], secrets: [OTHER]}
    stores:
      db: {storage: 5Gi}
  review: {extends: staging, namespace: review, size: small, services: {web: {expose: null}}}
  production: {size: large, namespace: shop, platform: {secrets: external-secrets}}
platform: {ingress: traefik, monitoring: prometheus-operator}
"""


@pytest.fixture(scope="module")
def app():
    return loads(FILE)


def test_dev_is_there_without_being_named(app):
    assert environments(app) == ["dev", "staging", "review", "production"]
    dev = resolve(app, "dev")
    assert dev.namespace == "shop-dev"
    assert {name: (service.size, service.replicas, service.scale) for name, service in dev.services.items()} == {
        "web": ("small", 1, None),
        "api": ("small", 1, None),
    }
    assert dev.services["web"].expose.host == "shop.localhost"
    assert (dev.platform.ingress, dev.platform.secrets, dev.platform.monitoring) == ("traefik", "kubernetes", "none")


def test_what_an_environment_says_of_dev_is_laid_over_what_dev_is():
    app = loads(FILE.replace("environments:", "environments:\n  dev: {replicas: 2}"))
    dev = resolve(app, "dev")
    assert (dev.services["api"].replicas, dev.services["api"].size) == (2, "small")


def test_maps_are_laid_over_one_another_key_by_key(app):
    staging = resolve(app, "staging")
    assert staging.services["api"].config == {"LOG_LEVEL": "debug", "REGION": "eu"}
    health = staging.services["api"].health
    assert (health.live, health.ready, health.startup) == ("/health", "/ready", 300)


def test_calls_are_replaced_by_name_and_secrets_added(app):
    api = resolve(app, "staging").services["api"]
    assert [(call.name, call.url) for call in api.calls] == [("db", None), ("pay", "https://sandbox.pay.example")]
    assert api.secrets == ("KEY", "OTHER")


def test_the_replicas_of_an_environment_replace_a_scale_and_a_services_scale_comes_after_both(app):
    staging = resolve(app, "staging")
    assert (staging.services["web"].replicas, staging.services["web"].scale) == (3, None)
    scale = staging.services["api"].scale
    assert (scale.min, scale.max, scale.cpu, scale.memory) == (1, 4, 70, None)


def test_a_scale_keeps_what_it_aims_at(app):
    scale = resolve(app, "production").services["web"].scale
    assert (scale.min, scale.max, scale.cpu, scale.memory) == (2, 10, None, 80)


def test_an_environment_that_extends_another_starts_from_it_but_has_its_own_namespace(app):
    review = resolve(app, "review")
    assert review.namespace == "review"
    assert review.services["api"].config["LOG_LEVEL"] == "debug"
    assert review.services["api"].size == "small"
    assert review.stores["db"].storage == "5Gi"


def test_null_takes_a_value_away(app):
    assert resolve(app, "review").services["web"].expose is None


def test_the_domain_of_an_environment_replaces_what_follows_the_first_dot(app):
    assert resolve(app, "staging").services["web"].expose.host == "shop.staging.example.com"
    assert resolve(app, "production").services["web"].expose.host == "shop.example.com"


def test_defaults_fill_what_the_file_leaves_out(app):
    api = resolve(app, "production").services["api"]
    assert (api.drain, api.grace, api.user, api.replicas, api.runtime) == (5, 30, 10001, 2, "jvm")
    assert resolve(app, "production").stores["db"].database == "shop"


@pytest.mark.parametrize(
    ("environment", "path", "origin"),
    [
        ("production", ("services", "api", "size"), "environments.production.size (line 31)"),
        ("staging", ("services", "api", "size"), "services.api.size (line 14)"),
        ("dev", ("services", "api", "size"), "default of dev"),
        ("staging", ("services", "web", "size"), "default"),
        ("staging", ("services", "api", "scale", "max"), "environments.staging.services.api.scale.max (line 27)"),
        ("review", ("services", "api", "config", "LOG_LEVEL"), "environments.staging.config.LOG_LEVEL (line 25)"),
        ("review", ("services", "api", "config", "REGION"), "services.api.config.REGION (line 16)"),
        ("production", ("namespace",), "environments.production.namespace (line 31)"),
        ("production", ("platform", "secrets"), "environments.production.platform.secrets (line 31)"),
    ],
)
def test_every_value_knows_where_it_came_from(app, environment, path, origin):
    assert str(resolve(app, environment).origin(path)) == origin


def test_an_unknown_environment_is_refused_with_the_nearest(app):
    with pytest.raises(UnknownEnvironmentError) as caught:
        resolve(app, "prod")
    assert (str(caught.value), caught.value.hint) == ("shop has no environment `prod`", "did you mean `production`?")


def test_the_order_of_a_release_puts_what_is_called_first(app):
    assert resolve(app, "dev").order() == ["db", "api", "web"]


def test_services_that_call_each_other_are_ordered_all_the_same():
    app = loads("app: x\nservices: {a: {image: x/a:1, port: 1, calls: [b]}, b: {image: x/b:1, port: 1, calls: [a]}}")
    assert resolve(app, "dev").order() == ["b", "a"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python -m shop_api", ("python", "-m", "shop_api")),
        ("echo 'a b' \"c d\"", ("echo", "a b", "c d")),
        ("serve --listen $(POD_IP):80", ("serve", "--listen", "$(POD_IP):80")),
        ("migrate && serve", ("/bin/sh", "-c", "migrate && serve")),
        ("serve > /tmp/log", ("/bin/sh", "-c", "serve > /tmp/log")),
        ("echo $HOME", ("/bin/sh", "-c", "echo $HOME")),
        ("A=1 serve", ("/bin/sh", "-c", "A=1 serve")),
        ("find . -name '*.py'", ("find", ".", "-name", "*.py")),
        ("'[serve, --all]'", ("[serve,", "--all]")),
    ],
)
def test_a_command_is_a_list_of_words_and_gets_a_shell_only_if_it_needs_one(command, words):
    app = loads(f"app: x\nservices:\n  a:\n    image: x/a:1\n    migrate: {command}\n")
    assert app.services["a"].migrate == words
