"""Any valid app file, for property tests: names that collide when they are careless, every key now and then, environments that
change whatever can be changed."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import reject
from hypothesis import strategies as st

import platforms
from platforms import IDENTITIES, Wants, keyed, maybe
from seatrial.app import App, AppFileErrors, loads

NAMES = ["web", "api", "order-api", "a", "a-1", "a1", "worker-2b", "jobs", "global"]
#: Names that something made for another one could have: an app in which that happens is refused, with the reason.
COLLIDING = ["web-canary", "api-canary", "a-jobs", "a-tidy", "api-report-1", "db-rw", "db-pods", "cache-pods", "web-public"]
COLLIDING += ["default", "default-deny", "otel-collector", "otel-collector-senders", "allow-gateway", "shop-secrets", "api-tls"]
COLLIDING += ["web-db", "api-cache", "a-to-https", "shop-dashboard", "shop", "db-primary", "db-ca", "solver", "kubernetes"]
STORES = ["db", "cache", "data", "db-2"]
JOBS = ["tidy", "report-1"]
KEYS = ["LOG_LEVEL", "A", "Z", "_x9", "URL", "JAVA_TOOL_OPTIONS", "HOME", "OTEL_SERVICE_NAME"]
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


config = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), min_size=1, max_size=3)
size = st.sampled_from(["small", "medium", "large", "huge"])
replicas = st.integers(1, 5)
jobs = st.dictionaries(
    st.sampled_from(JOBS), st.sampled_from([{"schedule": "0 3 * * *", "run": "tidy && up"}, {"schedule": "@daily", "run": "x"}])
)
health = st.sampled_from(
    [
        "/healthz",
        {"live": "/live"},
        {"ready": "/ready", "startup": "10m"},
        {"live": "/l", "ready": "/r"},
        {"startup": "0.5s"},
        {"ready": "/r", "port": 9000},
        {"live": "/l", "port": 9464},
    ]
)
permissions = st.lists(
    st.sampled_from(
        [
            {"resources": ["configmaps"], "verbs": ["get", "list"]},
            {"resources": ["jobs.batch", "pods/log", "secrets"], "verbs": ["create", "get", "get"], "names": ["one"]},
            {"resources": ["pods"], "verbs": ["create"], "names": ["two"]},
        ]
    ),
    min_size=1,
    max_size=2,
)


@st.composite
def scale(draw: Any, wanted: Wants, lists: list[str]) -> dict[str, Any]:
    """A range of replicas and what moves it; what only KEDA understands where there is KEDA, lists of the Redises there are."""
    low, more = draw(st.integers(1, 4)), draw(st.integers(0, 6))
    triggers: list[Any] = [{"metric": "queue_depth", "target": 2.5}]
    if wanted.keda:
        triggers += [
            {"prometheus": 'sum(rate(x{a="b"}[2m]))', "target": 0.125},
            {"schedule": "0 8 * * *", "until": "0 18 * * *", "replicas": min(3, low + more)},
        ]
        triggers += [{"list": "jobs:todo", "store": store, "target": 5} for store in lists]
    return {
        "min": low,
        "max": low + more,
        **draw(st.sampled_from([{}, {"cpu": "60%"}, {"memory": 75}, {"cpu": 50, "memory": 90}])),
        **draw(keyed(on=maybe(st.lists(st.sampled_from(triggers), min_size=1, max_size=3)))),
    }


canaries = st.one_of(
    st.sampled_from([[20], [10, 50, 100]]),
    keyed(
        steps=maybe(st.just([5, 60])),
        pause=maybe(st.sampled_from(["0s", "45s", "1h"])),
        success=maybe(st.just("99.5%")),
        latency=maybe(st.sampled_from(["300ms", "1s"])),
        requests=maybe(st.just(10)),
        checks=maybe(st.just({"orders": {"query": 'sum(orders{pod=~"{{args.service}}-{{args.hash}}-.+"})', "min": 1}})),
    ).filter(bool),
)
objectives = st.sampled_from([99.9, {"availability": "99%"}, {"latency": "300ms"}, {"latency": "1s", "percentile": "95%"}])


@st.composite
def watched(draw: Any, name: str, wanted: Wants, port: int | None) -> dict[str, Any]:
    """What a service shows of itself, what it promises, how its versions come, and where the world reaches it."""
    if not port:
        return draw(keyed(metrics=maybe(st.just({"port": 9464}), 3)))
    metrics = [
        "/metrics",
        {"port": 9464},
        {"port": 9464, "also": [{"port": 9465}, {"port": 9466, "path": "/more"}]},
        {"also": [{"port": 9465}]},
        {"path": "/actuator/prometheus", "requests": "http_server_requests_seconds_count", "status": "code", "latency": "h"},
    ]
    found = draw(keyed(metrics=maybe(st.sampled_from(metrics))))
    hosts = [f"{name}.example.com", "*.example.com", {"host": "shop.example.com", "path": f"/{name}"}]
    secured = {"host": f"{name}.example.com", "path": "/v1/", "tls": draw(st.booleans())}
    found |= draw(
        keyed(health=maybe(health), expose=maybe(st.sampled_from([*hosts[: 1 if name != "web" else 2], hosts[2], secured])))
    )
    found |= draw(keyed(slo=maybe(objectives))) if found.get("metrics") else {}
    judged = found.get("metrics") or wanted.header  # in a mesh, proxies count
    if wanted.canary and judged and draw(st.booleans()):
        canary = draw(canaries)
        if (wanted.header or (wanted.door and found.get("expose"))) and draw(st.booleans()):
            canary = {"header": "X-Try", **(canary if isinstance(canary, dict) else {"steps": canary})}
        found["canary"] = canary
    return found


@st.composite
def services(draw: Any, name: str, others: list[str], stores: dict[str, Any], wanted: Wants) -> dict[str, Any]:
    port = draw(maybe(st.sampled_from([80, 3000, 8080]), 1))
    targets = [*others, *stores]
    urls = ["https://x.example", "http://y.example:8000/v1", {"geo": "https://geo.example/v2"}]
    urls += [{"pay": "http://payments.billing.svc:8080"}, "http://10.9.8.7:9000", {"near": "http://neighbour:8081"}]
    calls = draw(st.lists(st.sampled_from([*targets, *urls]), max_size=3, unique_by=str))
    number = draw(st.sampled_from(["replicas", "scale", "neither"]))
    lists = [store for store, found in stores.items() if "redis" in found]
    return draw(watched(name, wanted, port)) | draw(
        keyed(
            image=st.sampled_from([f"ghcr.io/acme/{name}", f"r:5000/{name}:7", f"acme/{name}@sha256:{'0' * 64}", "acme/nginx"]),
            port=st.just(port),
            build=maybe(st.just(name)),
            run=maybe(st.sampled_from(["serve --all", "java -jar x.jar", "a | b"])),
            runtime=maybe(st.sampled_from(["jvm", "node", "go", "python", "nginx", "other"])),
            heap=maybe(st.just("60%"), 3),
            workers=maybe(st.just(3), 3),
            calls=st.just(calls or None),
            config=maybe(config),
            secrets=maybe(st.lists(st.sampled_from(["KEY", "TOKEN"]), min_size=1, unique=True)),
            migrate=maybe(st.just("migrate up")),
            jobs=maybe(jobs),
            size=maybe(size),
            replicas=replicas if number == "replicas" else st.none(),
            scale=scale(wanted, lists) if number == "scale" else st.none(),
            drain=maybe(st.sampled_from(["0s", "10s"])),
            grace=maybe(st.sampled_from(["1s", "2m"])),
            writable=maybe(st.just(["/var/cache/x", "/var/cache-x"])),
            identity=maybe(st.sampled_from(IDENTITIES), 2),
            permissions=maybe(permissions, 2),
            nodes=maybe(st.sampled_from([{"disk": "ssd"}, {"pool": "own"}, {"spot": False}, {"disk": True}]), 2),
            tracing=maybe(st.just(False), 2),
            user=maybe(st.just(1001), 2),
        )
    )


@st.composite
def store(draw: Any, wanted: Wants) -> dict[str, Any]:
    """A store. What only CloudNativePG can do is asked of it where it is everywhere."""
    common = {"storage": st.sampled_from(["1Gi", "20Gi"]), "size": maybe(size)}
    if draw(st.booleans()):
        managed = keyed(host=st.just("redis.example.com"), tls=maybe(st.booleans()), password=maybe(st.booleans()))
        own = keyed(password=maybe(st.booleans()), storage=maybe(st.just("1Gi")), size=maybe(size))
        return {"redis": draw(st.sampled_from([7, "7.4-alpine"])), **draw(st.one_of(own, own, managed))}
    found = {"postgres": draw(st.sampled_from([15, 16, "18.1"])), **draw(keyed(**common))}
    if wanted.operated:
        buckets = ["s3://acme/shop", "gs://acme-backups", "https://acme.blob.core.windows.net/shop"]
        where = draw(st.sampled_from([0, 1, 2]))
        found |= draw(
            keyed(
                instances=maybe(st.integers(1, 3)),
                backup=maybe(st.just(buckets[where])),
                identity=maybe(st.just(IDENTITIES[where])),
                tls=maybe(st.booleans()),
            )
        )
    return found | draw(keyed(database=maybe(st.just("orders"), 3), user=maybe(st.just("owner"), 3)))


@st.composite
def environment(draw: Any, title: str, drawn: dict[str, Any], stores: dict[str, Any], wanted: Wants) -> dict[str, Any]:
    """What an environment says. Of scales it speaks only where those of the file can be."""
    ranged = title != "dev"
    changed = keyed(
        size=maybe(size),
        config=maybe(config),
        replicas=maybe(replicas, 2),
        secrets=maybe(st.just(["EXTRA"]), 3),
        calls=maybe(st.just([{"geo": "https://sandbox.geo.example"}]), 3),
        drain=maybe(st.just("1s"), 3),
        jobs=maybe(st.just({"tidy": {"schedule": "@daily", "run": "tidy"}}), 3),
        migrate=maybe(st.just("migrate on"), 3),
        tracing=maybe(st.booleans(), 3),
        identity=maybe(st.sampled_from(IDENTITIES), 3),
    )
    larger = st.fixed_dictionaries({"scale": st.fixed_dictionaries({"max": st.integers(11, 12)})})
    ways = [changed, larger] if ranged else [changed]
    host = st.sampled_from([{"host": "db.example.com"}, {"size": "huge"}])
    return draw(
        keyed(
            namespace=maybe(st.just("elsewhere")),
            domain=maybe(st.just("staging.example.com")),
            size=maybe(size),
            replicas=maybe(replicas, 3),
            config=maybe(config, 2),
            services=maybe(st.dictionaries(st.sampled_from(list(drawn)), st.one_of(*ways), max_size=2)),
            stores=maybe(st.dictionaries(st.sampled_from(list(stores)), host, max_size=2)) if stores else st.none(),
            platform=maybe(platforms.changes(wanted)),
        )
    )


@st.composite
def app_files(draw: Any) -> str:
    """The text of a valid app file."""
    wanted = draw(platforms.wants)
    names = draw(st.lists(st.sampled_from([*NAMES, *NAMES, *COLLIDING]), min_size=1, max_size=4, unique=True))
    stores = draw(st.dictionaries(st.sampled_from(STORES), store(wanted), max_size=2))
    drawn = {name: draw(services(name, [other for other in names if other != name], stores, wanted)) for name in names}
    callable_ = {*stores, *(name for name, service in drawn.items() if service.get("port"))}
    for service in drawn.values():
        kept = [call for call in service.get("calls", ()) if not isinstance(call, str) or "://" in call or call in callable_]
        service.pop("calls", None)
        service |= {"calls": kept} if kept else {}
    titles = draw(st.lists(st.sampled_from(["dev", "staging", "production"]), max_size=3, unique=True))
    environments = {title: draw(environment(title, drawn, stores, wanted)) for title in titles}
    data = {"app": "shop", "version": "1.4", "services": drawn, "stores": stores, "environments": environments}
    data["sizes"] = {"huge": {"cpu": 2, "memory": "4Gi", "limits": {"cpu": 4, "memory": "6Gi"}}}
    data |= draw(keyed(team=maybe(st.just("storefront"))))
    data["platform"] = draw(platforms.platforms(wanted))
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


#: What is wrong with files whose parts, each drawn by itself, do not go together: names, replicas under a canary, identities.
CHANCE = ("would both have the", "and there is one pod:", "for its secrets, and is somebody at")


def by_chance(errors: AppFileErrors) -> bool:
    """Whether nothing else is wrong with a file than what chance put together."""
    return all(any(words in problem.message for words in CHANCE) for problem in errors.problems)


def _load(text: str) -> App:
    try:
        return loads(text)
    except AppFileErrors as errors:
        if by_chance(errors):
            reject()
        raise AssertionError(f"{errors}\n\n{text}") from None


def apps() -> st.SearchStrategy[App]:
    """Any valid app."""
    return app_files().map(_load)
