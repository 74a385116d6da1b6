# ruff: noqa: E501 - a line of the table is one saying
"""Objects of operators: External Secrets, the secrets store driver, CloudNativePG, cert-manager, and volume claims of StatefulSets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.examples import container, manifest
from seatrial.rules.written.reading import amount, has, items, mapping, number, seconds, strings, text
from seatrial.rules.written.telling import Path, put, tell
from seatrial.world.objects import Obj
from seatrial.world.world import World

_ESO = "external-secrets.io/v1"
_CNPG = "postgresql.cnpg.io/v1"


def _external(spec: str) -> str:
    return manifest(_ESO, "ExternalSecret", f"spec: {{{spec}}}")


_STORE = "refreshInterval: 1h, secretStoreRef: {name: aws, kind: ClusterSecretStore}"
_DATA = "data: [{secretKey: password, remoteRef: {key: shop/db, property: password}}]"
_FINE = _external(f"{_STORE}, {_DATA}")
_BACKUP = "backup: {barmanObjectStore: {destinationPath: 's3://backups/shop'}}"
_CLUSTER = manifest(_CNPG, "Cluster", f"spec: {{instances: 3, storage: {{size: 20Gi}}, {_BACKUP}}}", name="db")
_CLAIMS = "serviceName: api\nvolumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"
_MOUNT = "volumeMounts: [{name: data, mountPath: /data}]"

RULES = (
    Rule("external-secret-store", "error", "names no store that there can be", "The operator cannot read it: no Secret is written, and pods that need it never start.",
         "Name a SecretStore or a ClusterSecretStore.",
         _external(f"refreshInterval: 1h, secretStoreRef: {{name: aws, kind: SecretsStore}}, {_DATA}"), _FINE),
    Rule("external-secret-empty", "error", "asks for nothing", "The Secret stays empty, and pods that need its keys never start.",
         "Add data or dataFrom.",
         _external(_STORE), _FINE),
    Rule("external-secret-key", "error", "has an entry without a key on one of its sides", "The operator's webhook refuses it.",
         "Give each entry a secretKey and remoteRef.key.",
         _external(f"{_STORE}, data: [{{secretKey: password, remoteRef: {{property: password}}}}]"), _FINE),
    Rule("external-secret-twice", "warning", "writes a key twice", "The later entry wins, silently.",
         "Keep one of them.",
         _external(f"{_STORE}, data: [{{secretKey: a, remoteRef: {{key: x}}}}, {{secretKey: a, remoteRef: {{key: y}}}}]"), _FINE),
    Rule("external-secret-refresh", "note", "is never refreshed", "With an interval of 0 a rotated password does not arrive until somebody deletes the Secret.",
         "Set refreshInterval: 1h.",
         _external(f"refreshInterval: 0s, secretStoreRef: {{name: aws, kind: ClusterSecretStore}}, {_DATA}"), _FINE),
    Rule("external-secret-refresh-often", "note", "asks its store every few seconds", "Stores count and limit requests: AWS Secrets Manager charges for each.",
         "Set refreshInterval: 1h.",
         _external(f"refreshInterval: 5s, secretStoreRef: {{name: aws, kind: ClusterSecretStore}}, {_DATA}"), _FINE),
    Rule("secret-store-provider", "error", "has no provider, or two", "The operator refuses the store, and nothing that names it is written.",
         "Give exactly one provider.",
         manifest(_ESO, "ClusterSecretStore", "spec: {provider: {}}", namespace=""),
         manifest(_ESO, "ClusterSecretStore", "spec: {provider: {aws: {service: SecretsManager, region: eu-central-1}}}", namespace="")),
    Rule("secret-store-account", "error", "is for the whole cluster and names an account without a namespace", "The operator does not know where the service account is: the store is never ready.",
         "Add serviceAccountRef.namespace.",
         manifest(_ESO, "ClusterSecretStore", "spec: {provider: {aws: {service: SecretsManager, region: eu-central-1, auth: {jwt: {serviceAccountRef: {name: eso}}}}}}", namespace=""),
         manifest(_ESO, "ClusterSecretStore", "spec: {provider: {aws: {service: SecretsManager, region: eu-central-1, auth: {jwt: {serviceAccountRef: {name: eso, namespace: eso}}}}}}", namespace="")),
    Rule("postgres-single", "warning", "is a database of one instance", "When its node is drained or dies, the database is gone until the disk is attached elsewhere; the operator's own budget keeps nodes from being drained.",
         "Set instances: 3.",
         manifest(_CNPG, "Cluster", f"spec: {{instances: 1, storage: {{size: 20Gi}}, {_BACKUP}}}", name="db"), _CLUSTER),
    Rule("postgres-no-backup", "warning", "is a database without a backup", "A dropped table or a lost volume is lost for good.",
         "Add backup (an object store, or the plugin for it) and a ScheduledBackup.",
         manifest(_CNPG, "Cluster", "spec: {instances: 3, storage: {size: 20Gi}}", name="db"), _CLUSTER),
    Rule("postgres-storage", "error", "is a database without a place for its data", "The operator's webhook refuses it.",
         "Set storage.size.",
         manifest(_CNPG, "Cluster", f"spec: {{instances: 3, {_BACKUP}}}", name="db"), _CLUSTER),
    Rule("postgres-sync", "error", "waits for more replicas than it has", "Every commit waits for ever, or the operator refuses it: synchronous replicas are at most instances − 1.",
         "Lower maxSyncReplicas (or synchronous.number), or add instances.",
         manifest(_CNPG, "Cluster", f"spec: {{instances: 2, minSyncReplicas: 2, maxSyncReplicas: 2, storage: {{size: 20Gi}}, {_BACKUP}}}", name="db"), _CLUSTER),
    Rule("certificate-renewal", "error", "is renewed only after it has ended", "cert-manager refuses it, or it ends before its successor: every client is refused.",
         "Let renewBefore be less than duration.",
         manifest("cert-manager.io/v1", "Certificate", "spec: {secretName: t, dnsNames: [a.example], issuerRef: {name: le}, duration: 24h, renewBefore: 48h}"),
         manifest("cert-manager.io/v1", "Certificate", "spec: {secretName: t, dnsNames: [a.example], issuerRef: {name: le}, duration: 2160h, renewBefore: 360h}")),
    Rule("certificate-incomplete", "error", "lacks a secret, an issuer or a name", "cert-manager refuses it.",
         "Give secretName, issuerRef and dnsNames.",
         manifest("cert-manager.io/v1", "Certificate", "spec: {secretName: t, dnsNames: [a.example]}"),
         manifest("cert-manager.io/v1", "Certificate", "spec: {secretName: t, dnsNames: [a.example], issuerRef: {name: le}}")),
    Rule("issuer-staging", "warning", "has certificates that nobody trusts", "Let's Encrypt's staging server signs with a root that no browser knows.",
         "Use https://acme-v02.api.letsencrypt.org/directory.",
         manifest("cert-manager.io/v1", "ClusterIssuer", "spec: {acme: {server: 'https://acme-staging-v02.api.letsencrypt.org/directory', privateKeySecretRef: {name: k}}}", namespace=""),
         manifest("cert-manager.io/v1", "ClusterIssuer", "spec: {acme: {server: 'https://acme-v02.api.letsencrypt.org/directory', privateKeySecretRef: {name: k}}}", namespace="")),
    Rule("claim-incomplete", "error", "has a claim without a size or an access mode", "The API server refuses the claim: the pod waits for it for ever.",
         "Give accessModes and resources.requests.storage.",
         container(_MOUNT, kind="StatefulSet", spec="serviceName: api\nvolumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {accessModes: [ReadWriteOnce]}"),
         container(_MOUNT, kind="StatefulSet", spec=_CLAIMS)),
    Rule("claim-unmounted", "warning", "has a claim that no container mounts", "Disks are paid for, and the data are written to the pod's own file system, which is lost with it.",
         "Mount it.",
         container("", kind="StatefulSet", spec=_CLAIMS), container(_MOUNT, kind="StatefulSet", spec=_CLAIMS)),
    Rule("service-name-missing", "warning", "has no governing Service", "Its pods have no names of their own in DNS (api-0.api), which clustered software looks for.",
         "Make a headless Service and name it in serviceName.",
         container("", kind="StatefulSet"), container("", kind="StatefulSet", spec="serviceName: api")),
    Rule("update-on-delete", "note", "changes only when somebody deletes its pods", "A release changes nothing, and reports success.",
         "Use RollingUpdate.",
         container("", kind="StatefulSet", spec="serviceName: api\nupdateStrategy: {type: OnDelete}"), container("", kind="StatefulSet", spec="serviceName: api")),
)  # fmt: skip

STORES = frozenset({"", "SecretStore", "ClusterSecretStore"})


@check("ExternalSecret", rules=RULES[:6])
def external_secret(world: World, obj: Obj) -> Iterator[Finding]:
    """An ExternalSecret."""
    spec = mapping(obj, "spec")
    store, data, whole = mapping(spec, "secretStoreRef"), items(spec, "data"), items(spec, "dataFrom")
    elsewhere = [each for each in (*data, *whole) if has(each, "sourceRef")]
    if text(store, "kind") not in STORES or (not text(store, "name") and len(elsewhere) < len(data) + len(whole)):
        words = f"kind: {text(store, 'kind') or 'SecretStore'}, name: {text(store, 'name') or 'not set'}"
        yield tell(world, "external-secret-store", obj, ("spec", "secretStoreRef"), words)
    if not data and not whole:
        yield tell(world, "external-secret-empty", obj, ("spec", "data"), "data: none, dataFrom: none")
    names = Counter(text(each, "secretKey") for each in data)
    for place, each in enumerate(data):
        at: Path = ("spec", "data", place)
        name = text(each, "secretKey")
        if not name or not (text(each, "remoteRef", "key") or has(each, "sourceRef")):
            yield tell(
                world,
                "external-secret-key",
                obj,
                at,
                f"secretKey: {name or 'not set'}, remoteRef.key: {text(each, 'remoteRef', 'key') or 'not set'}",
            )
        elif names[name] > 1:
            names[name] = 0
            yield tell(world, "external-secret-twice", obj, (*at, "secretKey"), f"secretKey: {name}")
    written = spec.get("refreshInterval")
    every = seconds(written)
    at = ("spec", "refreshInterval")
    if every == 0 and text(spec, "refreshPolicy") not in ("CreatedOnce", "OnChange"):
        yield tell(world, "external-secret-refresh", obj, at, f"refreshInterval: {written}", ops=[put(obj, at, "1h")])
    elif every is not None and 0 < every < 60:
        yield tell(world, "external-secret-refresh-often", obj, at, f"refreshInterval: {written}", ops=[put(obj, at, "1h")])


@check("SecretStore", "ClusterSecretStore", rules=RULES[6:8])
def store(world: World, obj: Obj) -> Iterator[Finding]:
    """A store of secrets."""
    providers = mapping(obj, "spec", "provider")
    if len(providers) != 1:
        yield tell(world, "secret-store-provider", obj, ("spec", "provider"), " and ".join(providers) or "provider: none")
    if obj.get("kind") != "ClusterSecretStore":
        return
    for name, provider in providers.items():
        account = mapping(provider, "auth", "jwt", "serviceAccountRef")
        if account and not text(account, "namespace"):
            at = ("spec", "provider", name, "auth", "jwt", "serviceAccountRef")
            yield tell(world, "secret-store-account", obj, at, f"serviceAccountRef: {account.get('name')}, namespace: not set")


@check("Cluster", rules=RULES[8:12])
def postgres(world: World, obj: Obj) -> Iterator[Finding]:
    """A PostgreSQL cluster of CloudNativePG."""
    if not str(obj.get("apiVersion", "")).startswith("postgresql.cnpg.io/"):
        return
    spec = mapping(obj, "spec")
    instances = number(spec, "instances", default=1)
    if instances == 1:
        yield tell(world, "postgres-single", obj, ("spec", "instances"), f"instances: {instances:.0f}")
    plugins = any(each.get("isWALArchiver") is True or "barman" in text(each, "name") for each in items(spec, "plugins"))
    if not mapping(spec, "backup") and not plugins:
        yield tell(world, "postgres-no-backup", obj, ("spec", "backup"), "backup: not set")
    if not has(spec, "storage", "size") and not has(spec, "storage", "pvcTemplate"):
        yield tell(world, "postgres-storage", obj, ("spec", "storage"), "storage.size: not set")
    waits = max(number(spec, "minSyncReplicas"), number(spec, "postgresql", "synchronous", "number"))
    if waits and waits > instances - 1:
        yield tell(world, "postgres-sync", obj, ("spec",), f"synchronous replicas: {waits:.0f}, instances: {instances:.0f}")


@check("Certificate", rules=RULES[12:14])
def certificate(world: World, obj: Obj) -> Iterator[Finding]:
    """A Certificate of cert-manager."""
    if not str(obj.get("apiVersion", "")).startswith("cert-manager.io/"):
        return
    spec = mapping(obj, "spec")
    lasts, before = seconds(spec.get("duration", "2160h")), seconds(spec.get("renewBefore"))
    if lasts is not None and before is not None and before >= lasts:
        words = f"duration: {spec.get('duration', '2160h')}, renewBefore: {spec['renewBefore']}"
        yield tell(world, "certificate-renewal", obj, ("spec", "renewBefore"), words)
    named = any(
        spec.get(field)
        for field in ("dnsNames", "commonName", "ipAddresses", "uris", "emailAddresses", "literalSubject", "otherNames")
    )
    missing = [
        field
        for field, there in (
            ("secretName", spec.get("secretName")),
            ("issuerRef", mapping(spec, "issuerRef").get("name")),
            ("dnsNames", named),
        )
        if not there
    ]
    if missing:
        yield tell(world, "certificate-incomplete", obj, ("spec",), f"not set: {', '.join(missing)}")


@check("Issuer", "ClusterIssuer", rules=RULES[14:15])
def issuer(world: World, obj: Obj) -> Iterator[Finding]:
    """An issuer's server."""
    if "acme-staging" in text(obj, "spec", "acme", "server"):
        yield tell(world, "issuer-staging", obj, ("spec", "acme", "server"), text(obj, "spec", "acme", "server"))


@check("StatefulSet", "PersistentVolumeClaim", rules=RULES[15:])
def claims(world: World, obj: Obj) -> Iterator[Finding]:
    """Volume claims, and what a StatefulSet says of itself."""
    spec = mapping(obj, "spec")
    if obj.get("kind") == "PersistentVolumeClaim":
        yield from _claim(world, obj, ("spec",), spec)
        return
    pods = mapping(spec, "template", "spec")
    mounted = {
        text(mount, "name")
        for shelf in ("containers", "initContainers")
        for each in items(pods, shelf)
        for field in ("volumeMounts", "volumeDevices")
        for mount in items(each, field)
    }
    for place, template in enumerate(items(spec, "volumeClaimTemplates")):
        at: Path = ("spec", "volumeClaimTemplates", place)
        yield from _claim(world, obj, (*at, "spec"), mapping(template, "spec"))
        if text(template, "metadata", "name") not in mounted:
            yield tell(world, "claim-unmounted", obj, at, f"claim {text(template, 'metadata', 'name')}")
    if not text(spec, "serviceName"):
        yield tell(world, "service-name-missing", obj, ("spec", "serviceName"), "serviceName: not set")
    if text(spec, "updateStrategy", "type") == "OnDelete":
        yield tell(world, "update-on-delete", obj, ("spec", "updateStrategy", "type"), "type: OnDelete")


def _claim(world: World, obj: Obj, at: Path, spec: Obj) -> Iterator[Finding]:
    size = mapping(spec, "resources", "requests").get("storage")
    if amount(size) is None or not strings(spec, "accessModes"):
        words = f"storage: {size or 'not set'}, accessModes: {', '.join(strings(spec, 'accessModes')) or 'not set'}"
        yield tell(world, "claim-incomplete", obj, at, words)
