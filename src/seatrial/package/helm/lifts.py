"""What of an object belongs into values.yaml, and under which name: the tables of the Helm packager.

A row is a place in an object and a function that puts the value there among the values of its service and returns what stands in
the template instead.  Places inside a pod template begin with `pod`, whichever object holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.package.emit import Cases, Inline, Nested, Spread
from seatrial.package.helm.merge import COMPONENT, NAME, Context, Merger, Place, Variants, camel, expression

Row = Callable[[Merger, Context, Place, Variants], Any]

INSTANCE = "app.kubernetes.io/instance"
VERSION = "app.kubernetes.io/version"

PODS = ("Deployment", "Rollout", "StatefulSet", "Job", "CronJob")
_TEMPLATES = (("spec", "jobTemplate", "spec", "template"), ("spec", "template"))


def place_of(context: Context, place: Place) -> str:
    """A place as one text, with what lies in a pod template counted from there: `pod.spec.containers.[api].image`."""
    for template in _TEMPLATES:
        if context.kind in PODS and place[: len(template)] == template:
            return " ".join(("pod", *place[len(template) :]))
    return " ".join(place)


def lift(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """What stands at a place instead of a literal, or None."""
    where = place_of(context, place)
    if place[-1:] in (("labels",), ("matchLabels",)):
        return _labels(merger, variants)
    if place[-1:] == (INSTANCE,):
        return Inline("{{ .Release.Name }}")
    for kinds, known, row in (*BY_END.get(where.rpartition(" ")[2], ()), *BY_END["*"]):
        if (not kinds or context.kind in kinds) and known.fullmatch(where):
            return row(merger, context, place, variants)
    return None


# -- rows ----------------------------------------------------------------------------------------------------------------


def _value(*keys: str) -> Row:
    """A single value of the component."""

    def row(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
        path = merger.lift((*context.prefix, *keys), variants)
        text = isinstance(next(iter(variants.values())), str)
        return Inline(f"{{{{ {path} | quote }}}}" if text else f"{{{{ {path} }}}}")

    return row


def _labels(merger: Merger, variants: Variants) -> Any:
    """The helper that writes these labels, where one does."""
    found = next(iter(variants.values()))
    if any(value != found for value in variants.values()):
        return None
    keys = found.keys()
    if keys == {NAME, INSTANCE, COMPONENT}:
        helper = "selectorLabels"
    elif keys == merger.common:
        return Nested(f'include "{merger.chart}.commonLabels" .')
    elif keys == {NAME, INSTANCE, COMPONENT} | merger.common:
        helper = "podLabels"
    elif keys == {NAME, INSTANCE, COMPONENT, VERSION} | merger.common:
        helper = "labels"
    else:
        return None
    return Nested(f'include "{merger.chart}.{helper}" (list $ "{found[NAME]}" "{found[COMPONENT]}")')


def _image(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """An image by its parts."""
    path = merger.lift((*context.prefix, "image"), {environment: image_parts(image) for environment, image in variants.items()})
    merger.images[(*context.prefix, "image")] = variants
    return Inline(f'{{{{ include "{merger.chart}.image" {path} }}}}')


def _other_image(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """The image of an init container that waits for a store: the store's own."""
    for keys, images in merger.images.items():
        if variants.items() <= images.items():
            return Inline(f'{{{{ include "{merger.chart}.image" {expression(keys)} }}}}')
    return None


def image_parts(image: str) -> dict[str, str]:
    """`registry/name:tag@digest` as the repository, tag and digest of values."""
    rest, _, digest = image.partition("@")
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    parts = {"repository": f"{head}{slash}{name}", "tag": tag, "digest": digest}
    return {key: value for key, value in parts.items() if value}


def _resources(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """The resources of a component's containers; a container that has others keeps them to itself."""
    keys = (*context.prefix, "resources")
    if any(said_otherwise(merger.values.get(environment), keys, value) for environment, value in variants.items()):
        return None
    return Nested(f"toYaml {merger.lift(keys, variants)}")


def _config(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    if not context.prefix:  # a dashboard
        return None
    path = merger.lift((*context.prefix, "config"), variants)
    return Spread((f"{{{{- range $key, $value := {path} }}}}", "{{ $key }}: {{ $value | quote }}", "{{- end }}"))


def _secret(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """A secret value: its name stands in the values, the value never; whoever installs passes it."""
    key = place[-1]
    if not is_secret(context, key):
        return None
    path = merger.lift((*context.prefix, "secrets", key), dict.fromkeys(variants, ""))
    plain = ".".join((*context.prefix, "secrets", key))
    return Inline(f'{{{{ required "{plain} has no value: pass it in a values file of its own" {path} | quote }}}}')


def is_secret(context: Context, key: str) -> bool:
    """The name of a database's user stands beside its password, for CloudNativePG, and is none."""
    return (context.component, key) != ("store", "username")


def _environment(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """The variables of a migration: those of the ConfigMap stand at their end, sorted, and are written by a loop."""
    if context.component != "migration":
        return None
    configs = {
        env: merger.values.get(env, {}).get("services", {}).get(context.prefix[-1], {}).get("config", {}) for env in variants
    }
    tails = {env: [{"name": key, "value": value} for key, value in sorted(config.items())] for env, config in configs.items()}
    if not any(tails.values()) or any(tail and variants[env][-len(tail) :] != tail for env, tail in tails.items()):
        return None
    heads = {env: value[: len(value) - len(tails[env])] for env, value in variants.items()}
    head = merger.node(context, (*place, "own"), heads)
    if not isinstance(head, list):
        return None
    loop = (f"{{{{- range $key, $value := {context.path('config')} }}}}", "- name: {{ $key }}", "  value: {{ $value | quote }}")
    return [*head, Spread((*loop, "{{- end }}"))]


def _variable(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """A variable that differs between environments. A container for which it differs in another way keeps it to itself."""
    keys = (*context.prefix, "env", place[-2].strip("[]"))
    if len(set(variants.values())) == 1 or merger.placed(variants) is not None:
        return None
    if any(said_otherwise(merger.values.get(env), keys, own) for env, own in variants.items()):
        return None
    return _value(*keys[len(context.prefix) :])(merger, context, place, variants)


def said_otherwise(values: Any, keys: Sequence[str], value: Any) -> bool:
    """Whether the values say something else at these keys already."""
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values is not None and values != value


def _differing(*keys: str) -> Row:
    """A value of the component where environments have different ones; a literal elsewhere."""

    def row(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
        if all(value == next(iter(variants.values())) for value in variants.values()) and len(variants) == len(merger.values):
            return None
        if isinstance(next(iter(variants.values())), (dict, list)):
            return Nested(f"toYaml {merger.lift((*context.prefix, *keys), variants)}")
        return _value(*keys)(merger, context, place, variants)

    return row


def _spread(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """Whether spreading over zones (or nodes) is a rule or a wish, where that is different."""
    if len(set(variants.values())) == 1:
        return None
    return _value("spread", place[-2].strip("[]").rpartition("/")[2])(merger, context, place, variants)


def _store_type(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """A store that is in the cluster here and elsewhere there: its host tells."""
    if context.component != "store" or set(variants.values()) != {"ExternalName", "ClusterIP"}:
        return None
    return Cases(((context.path("host"), "ExternalName"), ("", "ClusterIP")))


def _share(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """The share of CPU or memory that KEDA aims at: the same value as the HPA's, which is a number there."""
    kind = place[-3].strip("[]")
    if kind not in ("cpu", "memory"):
        return None
    shares = {environment: int(value) for environment, value in variants.items()}
    return Inline(f"{{{{ {merger.lift((*context.prefix, 'scale', kind), shares)} | quote }}}}")


def _version(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """The version that traces tell: the image's tag, so that setting one sets the other."""
    images = merger.images.get((*context.prefix, "image"), {})
    if all(image_parts(images.get(environment, "")).get("tag") == value for environment, value in variants.items()):
        return Inline(f"{{{{ {expression((*context.prefix, 'image', 'tag'))} | quote }}}}")
    return _variable(merger, context, place, variants)


def _checksum(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    return Inline(f"{{{{ toJson {summed(context, place[-1])} | sha256sum }}}}")


def summed(context: Context, annotation: str) -> str:
    """The values a checksum is of."""
    if annotation == "checksum/collector":  # the text of its one file
        return f'(index {context.path("config")} "collector.yaml")'
    what, _, store = annotation.partition("/")[2].partition("-")
    if store:
        return expression(("stores", camel(store), "secrets"))
    return context.path("config" if what == "config" else "secrets")


def _whole(*keys: str) -> Row:
    """A map or list of the chart's own values, as it is."""
    return lambda merger, context, place, variants: Nested(f"toYaml {merger.lift(keys, variants)}")


def _shared(*keys: str) -> Row:
    """A text that is the same for the whole chart."""
    return lambda merger, context, place, variants: Inline(f"{{{{ {merger.lift(keys, variants)} | quote }}}}")


def _hosts(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """A certificate is for the host of its Ingress."""
    first = {environment: hosts[0] for environment, hosts in variants.items()}
    return [_value("expose", "host")(merger, context, place, first)]


def _remote_key(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """The name of a secret in the store of secrets: one for all its keys, or one for each where the store keeps single values."""
    if all(value.endswith(f"/{context.name}") for value in variants.values()):
        return _value("externalSecret", "key")(merger, context, place, variants)
    return _value("externalSecret", "keys", place[-3].strip("[]"))(merger, context, place, variants)


def _one_host(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """The host of a route from outside; those inside the mesh are called by other names."""
    if any(len(hosts) != 1 or "." not in hosts[0] or hosts[0].endswith(".local") for hosts in variants.values()):
        return None
    return _hosts(merger, context, place, variants)


def _schedule(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    title = context.name.removeprefix(f"{context.owner}-")
    return _value("jobs", camel(title), "schedule")(merger, context, place, variants)


def _namespace(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """An object is where the release is, unless it belongs beside something else."""
    own = all(merger.namespaces.get(environment) in ("", value) for environment, value in variants.items())
    return Inline("{{ .Release.Namespace }}") if own else None


def _own_namespace(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """The namespace of a ServiceAccount that is one of the chart's."""
    own = all(merger.namespaces.get(environment) == value for environment, value in variants.items())
    return Inline("{{ .Release.Namespace }}") if own else None


def _migration_name(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """A Job of a migration is named after the checksum of its pod template."""
    return Inline("{{ $name }}") if context.component == "migration" else None


def _needed_migration(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    return Inline(f'{{{{ include "{merger.chart}.{migration_helper(context)}.name" . }}}}')


def migration_helper(context: Context) -> str:
    return f"{context.prefix[-1]}.migration"


def pattern(text: str) -> re.Pattern[str]:
    """A place with `*` for one step and `**` for any number of characters."""
    return re.compile(re.escape(text).replace(r"\*\*", ".*").replace(r"\*", r"\S+").replace(r"\ ", " "))


ROWS: list[tuple[tuple[str, ...], re.Pattern[str], Row]] = [
    (kinds, pattern(place), row)
    for kinds, place, row in (
        ((), "metadata namespace", _namespace),
        (("RoleBinding",), "subjects * namespace", _own_namespace),
        (("Job",), "metadata name", _migration_name),
        (("Deployment", "Rollout"), "metadata annotations seatrial.dev/migration", _needed_migration),
        ((), "pod spec containers * image", _image),
        ((), "pod spec initContainers * image", _other_image),
        ((), "pod spec containers * resources", _resources),
        ((), "pod spec containers * env", _environment),
        ((), "pod spec containers * env [OTEL_SERVICE_VERSION] value", _version),
        ((), "pod spec containers * env own [OTEL_SERVICE_VERSION] value", _version),
        ((), "pod spec containers * env * value", _variable),
        ((), "pod spec containers * env own * value", _variable),
        ((), "pod metadata annotations checksum/**", _checksum),
        ((), "pod spec nodeSelector", _differing("nodeSelector")),
        ((), "pod spec affinity", _differing("affinity")),
        ((), "pod spec topologySpreadConstraints * whenUnsatisfiable", _spread),
        (("Deployment", "Rollout"), "spec replicas", _value("replicas")),
        (("ScaledObject",), "spec minReplicaCount", _value("scale", "min")),
        (("ScaledObject",), "spec maxReplicaCount", _value("scale", "max")),
        (("ScaledObject",), "spec triggers * metadata value", _share),
        (("Service",), "spec type", _store_type),
        (("Service",), "spec externalName", _value("host")),
        (("ConfigMap",), "data", _config),
        (("Secret",), "stringData *", _secret),
        (("HorizontalPodAutoscaler",), "spec minReplicas", _value("scale", "min")),
        (("HorizontalPodAutoscaler",), "spec maxReplicas", _value("scale", "max")),
        (("HorizontalPodAutoscaler",), "spec metrics [cpu] resource target averageUtilization", _value("scale", "cpu")),
        (("HorizontalPodAutoscaler",), "spec metrics [memory] resource target averageUtilization", _value("scale", "memory")),
        (("Ingress",), "spec ingressClassName", _shared("ingress", "className")),
        (("Ingress",), "spec rules [rule] host", _value("expose", "host")),
        (("Ingress",), "spec tls [certificate] hosts", _hosts),
        (("Ingress",), "metadata annotations cert-manager.io/cluster-issuer", _shared("ingress", "issuer")),
        (("Ingress",), "spec tls [certificate] secretName", _value("expose", "tlsSecret")),
        (("StatefulSet",), "spec volumeClaimTemplates * spec resources requests storage", _value("storage")),
        (("StatefulSet",), "spec volumeClaimTemplates * spec storageClassName", _value("storageClass")),
        (("ExternalSecret",), "spec data * remoteRef key", _remote_key),
        (("ServiceAccount",), "metadata annotations", _differing("serviceAccount", "annotations")),
        (("VirtualService",), "spec hosts", _one_host),
        (("HTTPRoute",), "spec hostnames", _one_host),
        (("Certificate",), "spec dnsNames", _one_host),
        (("ResourceQuota",), "spec hard", _whole("quota")),
        (("CronJob",), "spec schedule", _schedule),
    )
]


def _by_end() -> dict[str, list[tuple[tuple[str, ...], re.Pattern[str], Row]]]:
    found: dict[str, list[tuple[tuple[str, ...], re.Pattern[str], Row]]] = {"*": []}
    for row in ROWS:
        end = row[1].pattern.rpartition(" ")[2]
        found.setdefault(end if end.isalpha() else "*", []).append(row)
    return found


#: The rows by the last step of their places, for most places are in none; under `*` those that end in anything.
BY_END = _by_end()
