"""Words of other tools (docker-compose, Kubernetes, Helm) that people write by habit, and what the app file calls the same.

Where the value means the same as well, the key is read as the one that was meant; else it is only named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Familiar(NamedTuple):
    """What is said instead of a word: the keys it could mean, and a hint. `same` when its value is that key's as it stands."""

    keys: tuple[str, ...]
    hint: str
    same: bool = False


def _key(key: str, hint: str = "") -> Familiar:
    return Familiar((key,), hint or f"here it is called `{key}`", not hint)


_KEEPS = "a service keeps nothing: `writable` names folders it writes to, and a store keeps what must stay"
_SIZE = "`size: small`, medium or large; your own are under `sizes:`, at the top"
_EXPOSE = "`expose: shop.example.com` lets the world in"
_PROBE = "`health: /healthz`, or `health: {live: …, ready: …, startup: 60s}`"
_KIND = "a store is a PostgreSQL or a Redis: `postgres: 16` or `redis: 7`"
_ELSEWHERE = "the app file has stores of PostgreSQL and Redis; call another one by its URL: `calls: [{name: https://…}]`"

_SERVICE = {
    **dict.fromkeys(("env", "environment", "envs", "variables"), _key("config")),
    **dict.fromkeys(("command", "cmd", "entrypoint", "args", "start"), _key("run")),
    **dict.fromkeys(("depends_on", "dependsOn", "depends", "needs", "links", "uses"), _key("calls")),
    **dict.fromkeys(("ports", "containerPort", "targetPort"), _key("port", "a service has one port: `port: 8080`")),
    **dict.fromkeys(("volumes", "volumeMounts", "mounts", "storage", "persistence"), Familiar(("writable",), _KEEPS)),
    **dict.fromkeys(("resources", "requests", "limits", "cpu", "memory"), Familiar(("size",), _SIZE)),
    **dict.fromkeys(
        ("autoscaling", "hpa", "autoscale", "minReplicas", "maxReplicas"), _key("scale", "`scale: {min: 2, max: 10, cpu: 70%}`")
    ),
    **dict.fromkeys(("ingress", "host", "hosts", "domain", "hostname", "route", "url", "public"), Familiar(("expose",), _EXPOSE)),
    **dict.fromkeys(
        ("probe", "probes", "healthcheck", "livenessProbe", "readinessProbe", "startupProbe", "healthCheck"),
        Familiar(("health",), _PROBE),
    ),
    **dict.fromkeys(
        ("cron", "crons", "cronjobs", "cronJobs", "schedule"), _key("jobs", '`jobs: {nightly: {schedule: "0 3 * * *", run: …}}`')
    ),
    **dict.fromkeys(("secret", "secretRefs"), _key("secrets", "`secrets: [PAYMENTS_KEY]`: the names alone")),
    **dict.fromkeys(("serviceAccount", "serviceAccountName", "role", "iam"), Familiar(("identity",), "`identity` is who it is at "
                    "the cloud, `permissions` what it may do at the Kubernetes API")),
    **dict.fromkeys(("nodeSelector", "affinity"), _key("nodes", "`nodes: {pool: batch}`")),
    **dict.fromkeys(("terminationGracePeriodSeconds", "stop_grace_period"), _key("grace")),
    **dict.fromkeys(("runAsUser", "uid"), _key("user")),
    **dict.fromkeys(("instances", "count"), _key("replicas")),
    **dict.fromkeys(("language", "platform"), _key("runtime")),
    "tag": Familiar((), "it is part of the `image`, or the `version` of the app"),
    "name": Familiar((), "a service is called by the key it stands under"),
    "namespace": Familiar((), "an environment has a `namespace`"),
}  # fmt: skip
_STORE = {
    **dict.fromkeys(("type", "kind", "engine", "version"), Familiar(("postgres", "redis"), _KIND)),
    **dict.fromkeys(
        ("mysql", "mariadb", "mongo", "mongodb", "rabbitmq", "kafka", "elasticsearch"),
        Familiar(("postgres", "redis"), _ELSEWHERE),
    ),
    **dict.fromkeys(("postgresql", "pg"), _key("postgres")),
    **dict.fromkeys(("volume", "disk", "volumeSize"), _key("storage")),
    **dict.fromkeys(("replicas",), _key("instances")),
    **dict.fromkeys(("url", "endpoint", "address"), _key("host", "`host: db.example.com`, without scheme and port")),
    "db": _key("database"),
    **dict.fromkeys(("scale", "schedule", "jobs", "migrate", "calls"), Familiar((), "that is of a service: a store always runs")),
    **dict.fromkeys(("port", "ports"), Familiar((), "a store answers at the port of its kind: 5432 or 6379")),
    **dict.fromkeys(("retention", "retentionPolicy", "backups"), _key("backup", "`backup: s3://acme/shop` keeps 30 days")),
}
_HEALTH = {
    "path": Familiar(("live", "ready"), "one path for all questions is `health: /healthz`"),
    **dict.fromkeys(("liveness", "livenessProbe"), _key("live")),
    **dict.fromkeys(("readiness", "readinessProbe"), _key("ready")),
    **dict.fromkeys(
        ("interval", "timeout", "retries", "start_period", "initialDelaySeconds", "periodSeconds"),
        Familiar((), "how often and how long is worked out; `startup` says how long the first answer may take"),
    ),
}
_SCALE = {
    **dict.fromkeys(("minReplicas", "minimum", "from"), _key("min")),
    **dict.fromkeys(("maxReplicas", "maximum", "to"), _key("max")),
    **dict.fromkeys(("targetCPU", "targetCPUUtilizationPercentage", "cpuUtilization"), _key("cpu")),
    **dict.fromkeys(("metrics", "triggers"), _key("on")),
}
_PROFILE = {"requests": Familiar((), "`cpu` and `memory` are what is requested: `{cpu: 250m, memory: 256Mi}`")}
_JOB = {"cron": _key("schedule"), **dict.fromkeys(("command", "cmd"), _key("run")), "timezone": _key("timeZone")}
_CANARY = {**dict.fromkeys(("weights", "weight", "shares"), _key("steps")), "duration": _key("pause")}
_APP = {
    "name": _key("app"),
    **dict.fromkeys(("databases", "dependencies"), _key("stores", "`stores: {db: {postgres: 16, storage: 20Gi}}`")),
    **dict.fromkeys(("envs", "stages"), _key("environments")),
    **dict.fromkeys(("cluster", "infrastructure"), _key("platform")),
}

#: The class of the map -> the word -> what it is here.
FAMILIAR: Mapping[str, Mapping[str, Familiar]] = {
    "App": _APP,
    "Service": _SERVICE,
    "ServiceKeys": _SERVICE,
    "StoreKeys": _STORE,
    "Health": _HEALTH,
    "Scale": _SCALE,
    "Profile": _PROFILE,
    "Job": _JOB,
    "Canary": _CANARY,
}

#: The key -> a value that people give it -> the one that is meant.
VALUES: Mapping[str, Mapping[str, str]] = {
    "runtime": {
        **dict.fromkeys(("java", "kotlin", "scala", "spring"), "jvm"),
        **dict.fromkeys(("nodejs", "node.js", "javascript", "typescript"), "node"),
        "golang": "go",
        **dict.fromkeys(("python3", "django", "flask"), "python"),
        **dict.fromkeys(("dotnet", "ruby", "php", "rust", "c++", "elixir"), "other"),
    },
    "ingress": {**dict.fromkeys(("gateway-api", "gatewayapi"), "gateway"), "ingress-nginx": "nginx"},
    "rollouts": {"argo": "argo-rollouts", "true": "argo-rollouts"},
    "gitops": {"argo": "argocd", "argo-cd": "argocd", "fluxcd": "flux"},
    "autoscaling": {"true": "hpa", "false": "none"},
    "recommendations": {"true": "vpa", "false": "none"},
    "monitoring": {"true": "prometheus-operator", "kube-prometheus-stack": "prometheus-operator", "false": "none"},
    "telemetry": {"otel": "opentelemetry", "true": "opentelemetry", "false": "none"},
    "postgres": {"cnpg": "cloudnative-pg", "cloudnativepg": "cloudnative-pg"},
    "secrets": {"eso": "external-secrets", "externalsecrets": "external-secrets"},
    "secretProvider": {"google": "gcp", "amazon": "aws", "hashicorp": "vault"},
    "verbs": {"read": "get", "write": "update", "remove": "delete"},
}

#: Values that need another key as well.
WORDS: Mapping[tuple[str, str], str] = {
    ("secrets", key): f"`secrets: external-secrets` with `secretProvider: {provider}`"
    for key, provider in (("vault", "vault"), ("aws", "aws"), ("gcp", "gcp"), ("azure", "azure"), ("aws-secrets-manager", "aws"))
}

#: What a map or list looks like, for who wrote something else.
SUCH: Mapping[str, str] = {
    "services": "a name for each, and its keys below it, such as `web: {image: acme/web, port: 8080}`",
    "stores": "a name for each, and its keys below it, such as `db: {postgres: 16, storage: 20Gi}`",
    "environments": "a name for each, and what is different there, such as `production: {size: large}`",
    "platform": "such as `{ingress: nginx, autoscaling: hpa}`",
    "sizes": "such as `huge: {cpu: 4, memory: 8Gi}`",
    "calls": "such as `[db, api]`",
    "config": "such as `{LOG_LEVEL: info}`",
    "secrets": "their names alone, such as `[PAYMENTS_KEY]`: values never stand in this file",
    "scale": "such as `{min: 2, max: 10, cpu: 70%}`",
    "on": "such as `[{schedule: …, until: …, replicas: 5}]`",
    "canary": "the shares it gets, such as `[10%, 50%]`",
    "steps": "such as `[10%, 50%]`",
    "jobs": 'a name for each, such as `nightly: {schedule: "0 3 * * *", run: tidy}`',
    "nodes": "the labels of nodes, such as `{pool: batch}`",
    "writable": "such as `[/var/cache/app]`",
    "permissions": "such as `[{resources: [configmaps], verbs: [get]}]`",
    "health": "a path such as /healthz, or `{live: /health, ready: /ready}`",
    "expose": "a host such as shop.example.com, or `{host: shop.example.com, path: /api}`",
    "metrics": "a path such as /metrics, or `{path: /metrics, port: 9000}`",
    "slo": "such as 99.9%, or `{availability: 99.9%, latency: 300ms}`",
    "age": "such as `[age1…]`",
    "limits": "such as `{memory: 1Gi}`",
}
#: The same for the entries of maps whose keys are names.
SUCH_ENTRY: Mapping[str, str] = {
    "services": "such as `{image: acme/web, port: 8080}`",
    "stores": "such as `{postgres: 16, storage: 20Gi}`",
    "environments": "what is different there, such as `{size: large}`",
    "jobs": 'such as `{schedule: "0 3 * * *", run: tidy}`',
    "sizes": "such as `{cpu: 4, memory: 8Gi}`",
    "checks": "such as `{query: …, min: 1}`",
}


def familiar(kind: type | None, key: object) -> Familiar | None:
    """What a word of another tool is called in a map of a class."""
    return FAMILIAR.get(kind.__name__, {}).get(str(key)) if kind else None
