"""What of an object belongs into values.yaml, and under which name: the tables of the Helm packager.

A row is a place in an object and a function that puts the value there among the values of its service and returns what stands in
the template instead.  Places inside a pod template begin with `pod`, whichever object holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from seatrial.package.emit import Inline, Nested, Spread
from seatrial.package.helm.merge import COMPONENT, NAME, Context, Merger, Place, Variants, camel, expression

Row = Callable[[Merger, Context, Place, Variants], Any]

INSTANCE = "app.kubernetes.io/instance"
VERSION = "app.kubernetes.io/version"

_PODS = ("Deployment", "Rollout", "StatefulSet", "Job", "CronJob")
_TEMPLATES = (("spec", "jobTemplate", "spec", "template"), ("spec", "template"))


def place_of(context: Context, place: Place) -> str:
    """A place as one text, with what lies in a pod template counted from there: `pod.spec.containers.[api].image`."""
    for template in _TEMPLATES:
        if context.kind in _PODS and place[: len(template)] == template:
            return " ".join(("pod", *place[len(template) :]))
    return " ".join(place)


def lift(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    """What stands at a place instead of a literal, or None."""
    where = place_of(context, place)
    if place[-1:] in (("labels",), ("matchLabels",)):
        return _labels(merger, variants)
    if place[-1:] == (INSTANCE,):
        return Inline("{{ .Release.Name }}")
    for kinds, pattern, row in ROWS:
        if (not kinds or context.kind in kinds) and pattern.fullmatch(where):
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
    for environment, value in variants.items():
        part: Any = merger.values.get(environment, {})
        for key in keys:
            part = part.get(key) if isinstance(part, dict) else None
        if part is not None and part != value:
            return None
    return Nested(f"toYaml {merger.lift(keys, variants)}")


def _config(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
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
    """A variable that differs between environments."""
    if len(set(variants.values())) == 1:
        return None
    return _value("env", place[-2].strip("[]"))(merger, context, place, variants)


def _checksum(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    return Inline(f"{{{{ toJson {_summed(context, place[-1])} | sha256sum }}}}")


def _summed(context: Context, annotation: str) -> str:
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


def _schedule(merger: Merger, context: Context, place: Place, variants: Variants) -> Any:
    title = context.name.removeprefix(f"{context.owner}-")
    return _value("jobs", camel(title), "schedule")(merger, context, place, variants)


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


def _pattern(text: str) -> re.Pattern[str]:
    """A place with `*` for one step and `**` for any number of characters."""
    return re.compile(re.escape(text).replace(r"\*\*", ".*").replace(r"\*", r"\S+").replace(r"\ ", " "))


ROWS: list[tuple[tuple[str, ...], re.Pattern[str], Row]] = [
    (kinds, _pattern(place), row)
    for kinds, place, row in (
        ((), "metadata namespace", lambda *_: Inline("{{ .Release.Namespace }}")),
        (("RoleBinding",), "subjects * namespace", _own_namespace),
        (("Job",), "metadata name", _migration_name),
        (("Deployment", "Rollout"), "metadata annotations seatrial.dev/migration", _needed_migration),
        ((), "pod spec containers * image", _image),
        ((), "pod spec initContainers * image", _other_image),
        ((), "pod spec containers * resources", _resources),
        ((), "pod spec containers * env", _environment),
        ((), "pod spec containers * env * value", _variable),
        ((), "pod spec containers * env own * value", _variable),
        ((), "pod metadata annotations checksum/**", _checksum),
        (("Deployment", "Rollout", "StatefulSet"), "spec replicas", _value("replicas")),
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
        (("ResourceQuota",), "spec hard", _whole("quota")),
        (("CronJob",), "spec schedule", _schedule),
    )
]


# -- conditions ----------------------------------------------------------------------------------------------------------


def condition(context: Context, place: Place) -> str:
    """Under which condition something is there that not every environment has; "" where only its own value can say."""
    where = place_of(context, place)
    for kinds, pattern, row in CONDITIONS:
        if context.kind in kinds and pattern.fullmatch(where):
            return row(context, place)
    return ""


def guard(context: Context) -> str:
    """Under which condition an object is there that not every environment has."""
    row = GUARDS.get(context.kind)
    return row(context) if row else ""


def _several(context: Context) -> str:
    """Whether there is ever more than one pod."""
    return f"or {context.path('scale')} (gt (int {context.path('replicas')}) 1)"


def _always_several(context: Context) -> str:
    """Whether there is never less than two pods."""
    return f'gt (int (dig "scale" "min" (default 1 {context.path("replicas")}) {context.path()})) 1'


def _entered(context: Context, controller: str) -> str:
    """Whether the world comes in by this ingress controller."""
    return f'and {context.path("expose")} (eq .Values.ingress.className "{controller}")'


def _certified(context: Context) -> str:
    """Whether somebody issues the certificate of an Ingress."""
    return f"and {context.path('expose', 'tlsSecret')} .Values.ingress.issuer"


CONDITIONS: list[tuple[tuple[str, ...], re.Pattern[str], Callable[[Context, Place], str]]] = [
    (kinds, _pattern(place), row)
    for kinds, place, row in (
        (("Deployment", "Rollout"), "spec replicas", lambda context, _: f"not {context.path('scale')}"),
        (("Deployment", "Rollout"), "pod spec topologySpreadConstraints", lambda context, _: _several(context)),
        (_PODS, "pod metadata annotations checksum/**", lambda context, place: _summed(context, place[-1])),
        (("Secret",), "stringData *", lambda context, place: f'hasKey {context.path("secrets")} "{place[-1]}"'),
        (("HorizontalPodAutoscaler",), "spec metrics [cpu]", lambda context, _: context.path("scale", "cpu")),
        (("HorizontalPodAutoscaler",), "spec metrics [memory]", lambda context, _: context.path("scale", "memory")),
        (("Ingress",), "spec tls", lambda context, _: context.path("expose", "tlsSecret")),
        (("Ingress",), "metadata annotations cert-manager.io/cluster-issuer", lambda context, _: _certified(context)),
        (("Deployment", "Rollout"), "metadata annotations seatrial.dev/migration", lambda context, _: context.path("migrate")),
        (("StatefulSet",), "spec volumeClaimTemplates", lambda context, _: context.path("storage")),
        (("StatefulSet",), "spec volumeClaimTemplates * spec storageClassName", lambda c, _: c.path("storageClass")),
        (("StatefulSet",), "pod spec volumes [data]", lambda context, _: f"not {context.path('storage')}"),
        (("NetworkPolicy",), "spec ingress **'monitoring'**", lambda context, _: context.monitoring),
        (("NetworkPolicy",), "spec ingress **'ingress-nginx'**", lambda context, _: _entered(context, "nginx")),
        (("NetworkPolicy",), "spec ingress **'traefik'**", lambda context, _: _entered(context, "traefik")),
    )
]

GUARDS: dict[str, Callable[[Context], str]] = {
    "HorizontalPodAutoscaler": lambda context: context.path("scale"),
    "PodDisruptionBudget": _always_several,
    "Ingress": lambda context: context.path("expose"),
    "Secret": lambda context: context.path("secrets"),
    "ConfigMap": lambda context: context.path("config"),
    "ServiceMonitor": lambda context: context.monitoring,
    "Job": lambda context: context.path("migrate"),
}
