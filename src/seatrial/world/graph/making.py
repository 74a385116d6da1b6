"""Who makes what: Secrets, Services and claims that no manifest holds because an operator, or Kubernetes, makes them.

A row says where the name of the made object stands (or how it is formed of the maker's own name, `{name}`), and which keys it
will have: fixed ones, ones listed at a path, or unknown ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from seatrial.world.graph.edges import Maker
from seatrial.world.graph.kinds import kind_of
from seatrial.world.graph.walk import hits, weave
from seatrial.world.objects import Obj, Ref, annotations_of
from seatrial.world.paths import at, join

#: The keys of a TLS Secret as cert-manager writes it.
TLS = ("tls.crt", "tls.key", "ca.crt")
_STORES = ("keystore.jks", "truststore.jks", "keystore.p12", "truststore.p12", "tls-combined.pem", "key.der")
#: What CloudNativePG writes into the Secret of a role (pkg/specs/secrets.go).
CNPG_KEYS = ("username", "user", "password", "dbname", "host", "port", "pgpass", "uri", "jdbc-uri", "fqdn-uri", "fqdn-jdbc-uri")
#: Annotations that make cert-manager write the certificate of an Ingress or a Gateway.
ISSUED = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme")


class Makes(NamedTuple):
    """`path`: where the name stands (a pattern; "" when only `named` says it). `named`: the name when the path has none, with
    `{name}` for the maker's own. `keys`: fixed ones; `listed`: patterns, beside the name or from the top (with a leading `.`), of
    further ones; neither: unknown."""

    to: str
    path: str = ""
    named: str = ""
    keys: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()


def _of(to: str, *names: str, keys: tuple[str, ...] = ()) -> tuple[Makes, ...]:
    return tuple(Makes(to, named=name, keys=keys) for name in names)


#: kind -> what its controller makes.  Kinds are written with their group where the graph's tables do not know them.
MAKES: dict[str, tuple[Makes, ...]] = {
    "Certificate": (Makes("Secret", "spec.secretName", keys=(*TLS, *_STORES)),),
    "Issuer": (Makes("Secret", "spec.acme.privateKeySecretRef.name", keys=("tls.key",)),),
    "ClusterIssuer": (Makes("Secret", "spec.acme.privateKeySecretRef.name", keys=("tls.key",)),),
    "SealedSecret": (
        Makes("Secret", "spec.template.metadata.name", "{name}", listed=(".spec.encryptedData.*", ".spec.template.data.*")),
    ),
    "SecretProviderClass": (Makes("Secret", "spec.secretObjects[*].secretName", listed=("data[*].key",)),),
    "StatefulSet": (),
    "postgresql.cnpg.io/Cluster": (
        *_of("Service", "{name}-rw", "{name}-ro", "{name}-r"),
        *_of("Secret", "{name}-app", keys=CNPG_KEYS),
        *_of("Secret", "{name}-superuser", keys=CNPG_KEYS),
        *_of("Secret", "{name}-ca", keys=("ca.crt", "ca.key")),
        *_of("Secret", "{name}-server", "{name}-replication", keys=("tls.crt", "tls.key")),
        *_of("ServiceAccount", "{name}"),
    ),
    "Pooler": _of("Service", "{name}"),
    "ScaledObject": (Makes("HorizontalPodAutoscaler", "spec.advanced.horizontalPodAutoscalerConfig.name", "keda-hpa-{name}"),),
    "Prometheus": _of("Service", "prometheus-operated"),
    "Alertmanager": _of("Service", "alertmanager-operated"),
    "OpenTelemetryCollector": (
        *_of("Service", "{name}-collector", "{name}-collector-headless", "{name}-collector-monitoring"),
        *_of("ServiceAccount", "{name}-collector"),
    ),
    "flagger.app/Canary": (
        Makes("Service", "spec.service.name"),
        *(Makes("Service", "spec.targetRef.name", f"{{}}{end}") for end in ("", "-primary", "-canary")),
        Makes("Deployment", "spec.targetRef.name", "{}-primary"),
    ),
    "serving.knative.dev/Service": _of("Service", "{name}"),
    # secrets from elsewhere
    **dict.fromkeys(
        ("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret"),
        (Makes("Secret", "spec.destination.name"),),
    ),
    "onepassword.com/OnePasswordItem": _of("Secret", "{name}"),
    "secrets.doppler.com/DopplerSecret": (Makes("Secret", "spec.managedSecret.name"),),
    "secrets.infisical.com/InfisicalSecret": (Makes("Secret", "spec.managedSecretReference.secretName"),),
    "spv.no/AzureKeyVaultSecret": (Makes("Secret", "spec.output.secret.name"),),
    "isindir.github.com/SopsSecret": (Makes("Secret", "spec.secretTemplates[*].name", listed=("stringData.*", "data.*")),),
    "trust.cert-manager.io/Bundle": (Makes("ConfigMap", named="{name}"),),
    # operators of stores
    "acid.zalan.do/postgresql": _of("Service", "{name}", "{name}-repl", "{name}-pooler"),
    "postgres-operator.crunchydata.com/PostgresCluster": (
        *_of("Service", "{name}-primary", "{name}-replicas", "{name}-ha", "{name}-pgbouncer"),
        *_of("Secret", "{name}-pguser-{name}"),
        Makes("Secret", "spec.users[*].name", "{name}-pguser-{}"),
    ),
    "rabbitmq.com/RabbitmqCluster": (
        *_of("Service", "{name}", "{name}-nodes"),
        *_of("Secret", "{name}-default-user", keys=("username", "password", "host", "port", "provider", "type",
                                                    "default_user.conf", "connection_string")),
    ),
    "kafka.strimzi.io/Kafka": (
        *_of("Service", "{name}-kafka-bootstrap", "{name}-kafka-brokers"),
        *_of("Secret", "{name}-cluster-ca-cert", keys=("ca.crt", "ca.p12", "ca.password")),
    ),
    "kafka.strimzi.io/KafkaUser": _of("Secret", "{name}", keys=("ca.crt", "user.crt", "user.key", "user.p12", "user.password",
                                                              "password", "sasl.jaas.config")),
    "elasticsearch.k8s.elastic.co/Elasticsearch": (
        *_of("Service", "{name}-es-http", "{name}-es-transport", "{name}-es-internal-http"),
        *_of("Secret", "{name}-es-elastic-user", keys=("elastic",)),
        *_of("Secret", "{name}-es-http-certs-public", "{name}-es-http-certs-internal", keys=TLS),
    ),
    "kibana.k8s.elastic.co/Kibana": _of("Service", "{name}-kb-http"),
    "mongodbcommunity.mongodb.com/MongoDBCommunity": _of("Service", "{name}-svc"),
    "redis.redis.opstreelabs.in/Redis": _of("Service", "{name}", "{name}-headless"),
    "databases.spotahome.com/RedisFailover": _of("Service", "rfs-{name}", "rfr-{name}", "rfrm-{name}"),
    "jaegertracing.io/Jaeger": _of("Service", "{name}-query", "{name}-collector", "{name}-agent"),
    "grafana.integreatly.org/Grafana": (*_of("Service", "{name}-service"), *_of("Secret", "{name}-admin-credentials")),
}  # fmt: skip


class _Place:
    """A row with its path, for the tree."""

    __slots__ = ("makes", "path")

    def __init__(self, makes: Makes) -> None:
        self.path, self.makes = makes.path, makes


_ROWS = {kind_of(kind): [_Place(makes) for makes in rows] for kind, rows in MAKES.items()}
_TREES = {kind: weave(place for place in places if place.path) for kind, places in _ROWS.items()}


def makers(obj: Obj, ref: Ref) -> Iterator[Maker]:
    """What an object's controller will make, with where it says so."""
    kind = (ref.group, ref.kind)
    if kind in _TREES:
        yield from _by_table(obj, ref, kind)
    special = _SPECIAL.get(kind)
    if special is not None:
        yield from special(obj, ref)
    if ref.kind == "Secret" or ref.kind == "ConfigMap":
        yield from _copies(obj, ref)


def _by_table(obj: Obj, ref: Ref, kind: tuple[str, str]) -> Iterator[Maker]:
    named = set()
    for hit in hits(_TREES[kind], obj):
        makes: Makes = hit.row.makes
        if isinstance(hit.value, str) and hit.value:
            named.add(id(makes))
            name = makes.named.format(hit.value, name=ref.name) if "{}" in makes.named else hit.value
            yield _maker(ref, join(hit.steps), makes.to, name, _keys(makes, obj, hit.beside))
    for place in _ROWS[kind]:
        makes = place.makes
        if makes.named and "{}" not in makes.named and id(makes) not in named:
            yield _maker(ref, "metadata.name", makes.to, makes.named.format(name=ref.name), _keys(makes, obj, obj))


def _maker(ref: Ref, path: str, to: str, name: str, keys: Iterable[str] | None = None, namespace: str | None = None) -> Maker:
    group, kind = kind_of(to)
    space = ref.namespace if namespace is None else namespace
    if not space and ref.kind.startswith("Cluster") and ref.kind != "Cluster":
        space = "*"
    return Maker(ref, path, Ref(group, kind, space, name), None if keys is None else frozenset(keys))


def _keys(makes: Makes, obj: Obj, beside: Any) -> list[str] | None:
    if not makes.keys and not makes.listed:
        return None
    found = list(makes.keys)
    for pattern in makes.listed:
        found += listed(obj, pattern[1:]) if pattern.startswith(".") else listed(beside, pattern)
    return found


class _Path:
    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


def listed(value: Any, pattern: str) -> list[str]:
    """The texts at a pattern; for one that ends in `.*`, the keys there."""
    if pattern.endswith(".*"):
        below = at(value, pattern[:-2])
        return [key for key in below if isinstance(key, str)] if isinstance(below, dict) else []
    return [hit.value for hit in hits(weave([_Path(pattern)]), value) if isinstance(hit.value, str)]


def _external_secret(obj: Obj, ref: Ref) -> Iterator[Maker]:
    """An ExternalSecret: the keys it lists, those of its template, or unknown ones where it takes whole secrets (dataFrom)."""
    spec, base, name = obj.get("spec"), "spec", ref.name
    if ref.kind == "ClusterExternalSecret":
        spec, base = at(obj, "spec.externalSecretSpec"), "spec.externalSecretSpec"
        name = at(obj, "spec.externalSecretName") or ref.name
    target = at(spec, "target", {})
    if at(target, "creationPolicy") in ("None", "Merge"):
        return
    given = at(target, "name")
    path = f"{base}.target.name" if isinstance(given, str) and given else "metadata.name"
    keys: set[str] | None = set(listed(spec, "data[*].secretKey"))
    template = at(target, "template", {})
    if at(spec, "dataFrom"):
        keys = None
    if at(template, "templateFrom"):
        keys = None
    elif at(template, "data"):
        made = set(listed(template, "data.*"))
        merged = at(template, "mergePolicy") == "Merge"
        keys = made if not merged else None if keys is None else keys | made
    spaces = at(obj, "spec.namespaces") if ref.kind == "ClusterExternalSecret" else None
    for space in spaces if isinstance(spaces, list) else [None]:
        yield _maker(ref, path, "Secret", given if path.endswith("target.name") else name, keys, space)


def _stateful(obj: Obj, ref: Ref) -> Iterator[Maker]:
    """The claims of a StatefulSet: <claim>-<set>-<ordinal>."""
    replicas, first = at(obj, "spec.replicas", 1), at(obj, "spec.ordinals.start", 0)
    if not isinstance(replicas, int) or not isinstance(first, int):
        return
    templates = at(obj, "spec.volumeClaimTemplates", [])
    for index, claim in enumerate(templates if isinstance(templates, list) else ()):
        name = at(claim, "metadata.name")
        for ordinal in range(first, first + min(replicas, 1000)) if isinstance(name, str) else ():
            path = f"spec.volumeClaimTemplates[{index}].metadata.name"
            yield _maker(ref, path, "PersistentVolumeClaim", f"{name}-{ref.name}-{ordinal}")


def _ephemeral(obj: Obj, ref: Ref) -> Iterator[Maker]:
    """The claims of a Pod's ephemeral volumes: <pod>-<volume>."""
    volumes = at(obj, "spec.volumes", [])
    for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
        if at(volume, "ephemeral") and isinstance(at(volume, "name"), str):
            yield _maker(ref, f"spec.volumes[{index}].name", "PersistentVolumeClaim", f"{ref.name}-{volume['name']}")


def _issued(obj: Obj, ref: Ref) -> Iterator[Maker]:
    """The Secrets of an Ingress or a Gateway that cert-manager serves by annotation."""
    if not any(mark in annotations_of(obj) for mark in ISSUED):
        return
    for pattern in ("spec.tls[*].secretName", "spec.listeners[*].tls.certificateRefs[*].name"):
        for hit in hits(weave([_Path(pattern)]), obj):
            if isinstance(hit.value, str):
                yield _maker(ref, join(hit.steps), "Secret", hit.value, TLS)


#: Annotations by which a controller copies a Secret or ConfigMap into other namespaces.
_COPIED = (
    "reflector.v1.k8s.emberstack.com/reflection-allowed",
    "replicator.v1.mittwald.de/replicate-to",
    "replicator.v1.mittwald.de/replication-allowed",
    "kubed.appscode.com/sync",
)


def _copies(obj: Obj, ref: Ref) -> Iterator[Maker]:
    mark = next((mark for mark in _COPIED if mark in annotations_of(obj)), None)
    if mark:
        keys = {key for part in ("data", "stringData", "binaryData") for key in at(obj, part, {})}
        yield _maker(ref, join(("metadata", "annotations", mark)), ref.kind, ref.name, keys, "*")


_SPECIAL = {
    ("external-secrets.io", "ExternalSecret"): _external_secret,
    ("external-secrets.io", "ClusterExternalSecret"): _external_secret,
    ("apps", "StatefulSet"): _stateful,
    ("", "Pod"): _ephemeral,
    ("networking.k8s.io", "Ingress"): _issued,
    ("gateway.networking.k8s.io", "Gateway"): _issued,
}
