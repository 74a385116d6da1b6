"""Any valid app file, for property tests: names that collide when they are careless, every key now and then, environments that
change whatever can be changed."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

from seatrial.app import App, AppFileErrors, loads

NAMES = ["web", "api", "order-api", "a", "a-1", "a1", "worker-2b", "jobs", "global"]
STORES = ["db", "cache", "data", "db-2"]
JOBS = ["tidy", "report-1"]
KEYS = ["LOG_LEVEL", "A", "Z", "_x9", "URL"]
#: Values that trip careless templates: YAML words, numbers, quotes, template braces, HTML, line breaks, other scripts.
VALUES = ["info", "", "on", "no", "null", "1", "1e3", "0x1F", "a: b", "- x", "#no", "'q'", '"', "{{ .Values }}", "<b>&", "$(A)"]
VALUES += [
    "%",
    "@x",
    "`t`",
    "a\nb\n",
    "\n x",
    " lead",
    "trail ",
    "tab\t",
    "é",
    "日本",
    "🚢",
    "~",
    "!x",
    "*a",
    "&a",
    "|",
    "2020-01-01",
    "12:30",
]


def maybe(strategy: st.SearchStrategy[Any], absent: int = 1) -> st.SearchStrategy[Any]:
    """Something, or None, which stands for an absent key."""
    return st.one_of(*[st.none()] * absent, strategy)


config = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), min_size=1, max_size=3)
size = st.sampled_from(["small", "medium", "large", "huge"])
replicas = st.integers(1, 5)


@st.composite
def scale(draw: Any) -> dict[str, Any]:
    low = draw(st.integers(1, 4))
    return {
        "min": low,
        "max": low + draw(st.integers(0, 6)),
        **draw(st.sampled_from([{}, {"cpu": "60%"}, {"memory": 75}, {"cpu": 50, "memory": 90}])),
    }


def keyed(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A map without the keys that came out as None."""
    return st.fixed_dictionaries(strategies).map(lambda found: {key: value for key, value in found.items() if value is not None})


@st.composite
def services(draw: Any, name: str, others: list[str], stores: list[str]) -> dict[str, Any]:
    port = draw(maybe(st.sampled_from([80, 3000, 8080]), 1))
    targets = [*others, *stores]
    urls = ["https://x.example", "http://y.example:8000/v1", {"geo": "https://geo.example/v2"}]
    calls = draw(st.lists(st.sampled_from([*targets, *urls]), max_size=3, unique_by=str))
    number = draw(st.sampled_from(["replicas", "scale", "neither"]))
    health = st.sampled_from(
        ["/healthz", {"live": "/live"}, {"ready": "/ready", "startup": "10m"}, {"live": "/l", "ready": "/r"}]
    )
    jobs = st.dictionaries(st.sampled_from(JOBS), st.just({"schedule": "0 3 * * *", "run": "tidy && up"}), min_size=1)
    return draw(
        keyed(
            image=st.sampled_from([f"ghcr.io/acme/{name}", f"r:5000/{name}:7", f"acme/{name}@sha256:{'0' * 64}", "acme/nginx"]),
            port=st.just(port),
            build=maybe(st.just(name)),
            run=maybe(st.sampled_from(["serve --all", "java -jar x.jar", "a | b"])),
            runtime=maybe(st.sampled_from(["jvm", "node", "go", "python", "nginx", "other"])),
            health=maybe(health) if port else st.none(),
            expose=maybe(st.just(f"{name}.example.com")) if port else st.none(),
            metrics=maybe(st.sampled_from(["/metrics", {"port": 9464}])) if port else st.none(),
            calls=st.just(calls or None),
            config=maybe(config),
            secrets=maybe(st.lists(st.sampled_from(["KEY", "TOKEN"]), min_size=1, unique=True)),
            migrate=maybe(st.just("migrate up")),
            jobs=maybe(jobs),
            size=maybe(size),
            replicas=replicas if number == "replicas" else st.none(),
            scale=scale() if number == "scale" else st.none(),
            drain=maybe(st.sampled_from(["0s", "10s"])),
            writable=maybe(st.just(["/var/cache/x", "/var/cache-x"])),
        )
    )


store = st.one_of(
    keyed(postgres=st.sampled_from([15, 16, "18.1"]), storage=st.sampled_from(["1Gi", "20Gi"]), size=maybe(size)),
    keyed(redis=st.sampled_from([7, "7.4-alpine"]), storage=maybe(st.just("1Gi")), size=maybe(size)),
)
platform = keyed(
    ingress=maybe(st.sampled_from(["nginx", "traefik", "none"])),
    issuer=maybe(st.just("letsencrypt")),
    secrets=maybe(st.sampled_from(["kubernetes", "external-secrets", "existing"])),
    autoscaling=maybe(st.sampled_from(["hpa", "none"])),
    monitoring=maybe(st.sampled_from(["prometheus-operator", "none"])),
    storageClass=maybe(st.just("fast")),
)


@st.composite
def environment(draw: Any, names: list[str], stores: dict[str, Any]) -> dict[str, Any]:
    changes = keyed(
        size=maybe(size),
        config=maybe(config),
        replicas=maybe(replicas, 2),
        secrets=maybe(st.just(["EXTRA"]), 3),
        calls=maybe(st.just([{"geo": "https://sandbox.geo.example"}]), 3),
        drain=maybe(st.just("1s"), 3),
        jobs=maybe(st.just({"tidy": {"schedule": "@daily", "run": "tidy"}}), 3),
        migrate=maybe(st.just("migrate on"), 3),
    )
    host = st.sampled_from([{"host": "db.example.com"}, {"size": "huge"}])
    return draw(
        keyed(
            namespace=maybe(st.just("elsewhere")),
            domain=maybe(st.just("staging.example.com")),
            size=maybe(size),
            replicas=maybe(replicas, 3),
            config=maybe(config, 2),
            services=maybe(st.dictionaries(st.sampled_from(names), changes, max_size=2)),
            stores=maybe(st.dictionaries(st.sampled_from(list(stores)), host, max_size=2)) if stores else st.none(),
            platform=maybe(platform),
        )
    )


@st.composite
def app_files(draw: Any) -> str:
    """The text of a valid app file."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    stores = draw(st.dictionaries(st.sampled_from(STORES), store, max_size=2))
    drawn = {name: draw(services(name, [other for other in names if other != name], list(stores))) for name in names}
    callable_ = {*stores, *(name for name, service in drawn.items() if service.get("port"))}
    for service in drawn.values():
        kept = [call for call in service.get("calls", ()) if not isinstance(call, str) or "://" in call or call in callable_]
        service.pop("calls", None)
        service |= {"calls": kept} if kept else {}
    environments = draw(
        st.dictionaries(st.sampled_from(["dev", "staging", "production"]), environment(names, stores), max_size=3)
    )
    data = {"app": "shop", "version": "1.4", "services": drawn, "stores": stores, "environments": environments}
    data["sizes"] = {"huge": {"cpu": 2, "memory": "4Gi", "limits": {"cpu": 4, "memory": "6Gi"}}}
    data |= draw(keyed(team=maybe(st.just("storefront")), platform=maybe(platform)))
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _load(text: str) -> App:
    try:
        return loads(text)
    except AppFileErrors as errors:
        raise AssertionError(f"{errors}\n\n{text}") from None


def apps() -> st.SearchStrategy[App]:
    """Any valid app."""
    return app_files().map(_load)
