"""The texts of a chart around its objects: Chart.yaml, values files, helpers, notes, and a migration's conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.package.emit import document
from seatrial.package.helm.merge import Values, expression
from seatrial.package.helm.reference import words
from seatrial.package.needs import needs
from seatrial.world.objects import Obj

#: The keys of a service's values in the order a person looks for them; others follow as they come.
ORDER = ("image", "replicas", "scale", "resources", "config", "env", "secrets", "expose", "jobs", "storage", "storageClass")
#: What stands first in the whole of the values.
FIRST = ("environment", "services", "stores", "ingress", "platform", "monitoring", "telemetry", "quota")


def ordered(values: Values) -> Values:
    """Values in the order of reading."""
    found = _first(values, FIRST)
    for group in ("services", "stores"):
        if group in found:
            found[group] = {name: _first(own, ORDER) for name, own in found[group].items()}
    return found


def _first(values: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    return {key: values[key] for key in (*order, *values) if key in values}


def chart_file(name: str, version: str, app_version: str) -> str:
    chart: dict[str, Any] = {"apiVersion": "v2", "name": name, "description": f"Everything {name} needs, rendered by Seatrial."}
    chart |= {"type": "application", "version": version}
    if app_version:
        chart["appVersion"] = app_version
    return document(chart)


#: Values that have words above them in values.yaml, the first time they stand there.
COMMENTED = ("scale", "config", "secrets", "host", "externalSecret", "spread", "env")


def values_file(name: str, base: str, values: Values) -> str:
    head = (
        f"# What {name} is made of in {base}; values-ENV.yaml says what other environments change. README.md has every value.\n\n"
    )
    return head + _commented(document(values) if values else "{}\n")


def _commented(text: str) -> str:
    """YAML with words above the keys that have some: all of the first level, and some below a service or store."""
    lines: list[str] = []
    told: set[str] = set()
    keys: list[str] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        keys = [*keys[: indent // 2], line.strip().partition(":")[0]]
        said = words(keys, {}) if indent in (0, 4) and not line.lstrip().startswith("-") else ""
        if indent == 0:
            lines += ["", f"# {said}"] if said else [""]
        elif said and keys[-1] in COMMENTED and keys[-1] not in told:
            told.add(keys[-1])
            lines.append(f"    # {said}")
        lines.append(line)
    return "\n".join(lines).lstrip("\n") + "\n"


def difference_file(environment: str, base: str, changed: Values) -> str:
    head = f"# What {environment} changes of values.yaml, which is {base}'s.\n"
    return head + (document(changed) if changed else "{}\n")


def helpers(name: str, common: frozenset[str], labels: Mapping[str, str]) -> str:
    """The named templates: labels, and an image from its parts."""
    shared = document({key: labels[key] for key in labels if key in common}, template=True) if common else ""
    return _filled(HELPERS, CHART=name, COMMON=shared.rstrip("\n"))


def _filled(text: str, **parts: str) -> str:
    """A text with each `@NAME@` replaced, all at once: what is put in is never looked at again."""
    return re.sub(r"@([A-Z]+)@", lambda found: parts[found[1]], text)


HELPERS = """\
{{/* The labels that select pods: takes the root, the name and the component. They never change. */}}
{{- define "@CHART@.selectorLabels" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 2 }}
{{- end }}

{{/* The labels of everything. */}}
{{- define "@CHART@.commonLabels" -}}
@COMMON@
{{- end }}

{{/* The labels of pods: without the version, so that a release rolls only what it changes. */}}
{{- define "@CHART@.podLabels" -}}
{{ include "@CHART@.selectorLabels" . }}
{{ include "@CHART@.commonLabels" (index . 0) }}
{{- end }}

{{/* The labels of objects. */}}
{{- define "@CHART@.labels" -}}
{{ include "@CHART@.podLabels" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
{{- end }}

{{/* An image from its repository, tag and digest. */}}
{{- define "@CHART@.image" -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{/* "yes" when everything of a list is in the cluster: takes the root and texts of API version, kind and name (or name/key). */}}
{{- define "@CHART@.present" -}}
{{- $root := first . -}}
{{- $missing := false -}}
{{- range rest . -}}
  {{- $words := splitList " " . -}}
  {{- $name := splitList "/" (index $words 2) -}}
  {{- $found := lookup (index $words 0) (index $words 1) $root.Release.Namespace (first $name) -}}
  {{- if or (not $found) (and (gt (len $name) 1) (not (hasKey ($found.data | default dict) (last $name)))) -}}
    {{- $missing = true -}}
  {{- end -}}
{{- end -}}
{{- if not $missing }}yes{{ end -}}
{{- end }}
"""


def migration(
    chart: str,
    helper: str,
    owner: str,
    pod: str,
    job: str,
    annotations: str,
    ttl: str,
    needs: Sequence[tuple[str, str, str]],
    condition: str,
) -> str:
    """The template of a migration Job: its pod as a helper, the Job, and when it is which.

    In an upgrade it is a hook that runs before anything else changes, if all it needs is in the cluster already. In a first
    release, or where it needs something that comes with this one, it is created together with the rest and waits for it. A
    migration that an earlier release has run is not run again. `annotations` and `ttl` are the Job's own, as lines below its
    metadata and spec: they count where it is no hook. Helm does not uninstall what was a hook, so a hook that failed belongs to
    the ServiceAccount of the service, and goes with it.
    """
    wanted = " ".join(f'"{version} {kind} {name}"' for version, kind, name in needs)
    hooked = []
    for line in job.rstrip("\n").split("\n"):
        hooked.append(line)
        if line.startswith("  namespace:"):
            hooked += _either(HOOK, annotations)
        if line == "spec:":
            hooked += _either(TTL, ttl)
    parts = {"CHART": chart, "HELPER": helper, "OWNER": owner, "NEEDS": wanted, "POD": pod.rstrip("\n"), "JOB": "\n".join(hooked)}
    return _filled(MIGRATION_HELPERS, **parts) + guarded(_filled(MIGRATION, **parts), condition)


HOOK = """\
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
  ownerReferences:
    - apiVersion: v1
      kind: ServiceAccount
      name: {{ $account.metadata.name }}
      uid: {{ $account.metadata.uid }}
"""

TTL = """\
  ttlSecondsAfterFinished: 604800
"""


def _either(hook: str, other: str) -> list[str]:
    """Lines of a hook, and those that stand in their place where it is none."""
    rest = ["  {{- else }}", *other.splitlines()] if other else []
    return ["  {{- if $first }}", *hook.splitlines(), *rest, "  {{- end }}"]


MIGRATION_HELPERS = """\
{{- define "@HELPER@" -}}
@POD@
{{- end }}
{{- define "@HELPER@.name" -}}
@OWNER@-migrate-{{ include "@HELPER@" . | fromYaml | toJson | sha256sum | trunc 10 }}
{{- end }}
"""

MIGRATION = """\
{{- $name := include "@HELPER@.name" . }}
{{- $rollout := dict }}
{{- if .Capabilities.APIVersions.Has "argoproj.io/v1alpha1/Rollout" }}
{{- $rollout = lookup "argoproj.io/v1alpha1" "Rollout" .Release.Namespace "@OWNER@" }}
{{- end }}
{{- $workload := $rollout | default (lookup "apps/v1" "Deployment" .Release.Namespace "@OWNER@") }}
{{- $ran := and .Release.IsUpgrade (eq $name (dig "metadata" "annotations" "seatrial.dev/migration" "" $workload)) }}
{{- $first := and .Release.IsUpgrade (not $ran) (include "@CHART@.present" (list $ @NEEDS@)) }}
{{- $account := lookup "v1" "ServiceAccount" .Release.Namespace "@OWNER@" }}
{{- if or (not $ran) (lookup "batch/v1" "Job" .Release.Namespace $name) }}
@JOB@
{{- end }}
"""


def guarded(text: str, condition: str) -> str:
    """A template that is only there under a condition; without one, the template."""
    return f"{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n" if condition else text


def notes(name: str, values: Mapping[str, Values], worlds: Mapping[str, Sequence[Obj]]) -> str:
    """What Helm prints after an installation: where the app is, whether it is there yet, and how to look."""
    lines = [f"{name} {{{{ .Chart.AppVersion }}}} is released as {{{{ .Release.Name }}}} in {{{{ .Release.Namespace }}}}."]
    services = list(dict.fromkeys(key for own in values.values() for key in own.get("services", {})))
    exposed = [key for key in services if any(own["services"].get(key, {}).get("expose") for own in values.values())]
    safe = sorted(env for env, world in worlds.items() if any(obj["kind"] == "Gateway" and "tls" in str(obj) for obj in world))
    https = " ".join([".tlsSecret", *(['(ne $.Values.platform.ingress "ingress")'] if _differs(values) and safe else [])])
    for key in exposed:
        scheme = f"http{{{{ if {https if ' ' not in https else f'or {https}'} }}}}s{{{{ end }}}}"
        if safe and not _differs(values):
            scheme = "https"
        lines += ["", f"{{{{- with {expression(('services', key, 'expose'))} }}}}", f"  {scheme}://{{{{ .host }}}}", "{{- end }}"]
    wanted = needs([obj for world in worlds.values() for obj in world])
    lines += ["", "It counts on what this chart does not bring:", "", *(f"  {need}" for need in wanted)] if wanted else []
    lines += ["", "Its pods, and what went on:", "", "  kubectl -n {{ .Release.Namespace }} get pods"]
    lines += ["  kubectl -n {{ .Release.Namespace }} get events --sort-by=.lastTimestamp", ""]
    lines += ["Back to the release before:", "", "  helm rollback {{ .Release.Name }} -n {{ .Release.Namespace }} --wait", ""]
    return "\n".join(lines)


def _differs(values: Mapping[str, Values]) -> bool:
    """Whether environments let the world in by different ways."""
    return any("ingress" in own.get("platform", {}) for own in values.values())
