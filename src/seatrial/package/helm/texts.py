"""The texts of a chart around its objects: Chart.yaml, values files, helpers, notes, and a migration's conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.package.emit import document
from seatrial.package.helm.merge import Values

#: The keys of a service's values in the order a person looks for them; others follow as they come.
ORDER = ("image", "replicas", "scale", "resources", "config", "env", "secrets", "expose", "jobs", "storage", "storageClass")
#: What stands first in the whole of the values.
FIRST = ("services", "stores", "ingress", "monitoring", "quota")


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


#: What a part of the values is, said above it in values.yaml.
COMMENTS = {
    "services": "What the team runs.",
    "stores": "Databases and caches that run in the cluster.",
    "ingress": "How the world comes in.",
    "monitoring": "Whether the Prometheus operator reads the services' metrics.",
    "quota": "The most the namespace may hold: every service at its most replicas, twice while it is rolled.",
    "scale": "Between how many replicas, and at which share of the requests (percent) it grows.",
    "config": "Variables that may be seen by everybody. Changing one rolls the pods.",
    "secrets": "Never here: pass these in a values file of their own.",
}


def values_file(name: str, base: str, values: Values) -> str:
    head = f"# What {name} is made of in {base}; values-ENV.yaml says what other environments change.\n"
    return head + _commented(document(values) if values else "{}\n")


def _commented(text: str) -> str:
    """YAML with a comment above the keys that have one."""
    lines: list[str] = []
    told: set[str] = set()
    for line in text.splitlines():
        key = line.strip().removesuffix(":")
        indent = len(line) - len(line.lstrip())
        if line.endswith(":") and key in COMMENTS and key not in told and indent == (0 if key in FIRST else 4):
            told.add(key)
            lines += ["", f"# {COMMENTS[key]}"] if indent == 0 else [f"{' ' * indent}# {COMMENTS[key]}"]
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


def notes(name: str, values: Mapping[str, Values]) -> str:
    """What Helm prints after an installation."""
    services = {key for own in values.values() for key in own.get("services", {})}
    lines = [f"{name} is released as {{{{ .Release.Name }}}} in {{{{ .Release.Namespace }}}}.", ""]
    for key in sorted(services):
        if any("expose" in own.get("services", {}).get(key, {}) for own in values.values()):
            path = f".Values.services.{key}.expose"
            lines += [f"{{{{- with {path} }}}}", "  https{{ if not .tlsSecret }}{{ end }}://{{ .host }}", "{{- end }}"]
    lines += ["", "  kubectl -n {{ .Release.Namespace }} get pods", ""]
    text = "\n".join(lines)
    return text.replace("https{{ if not .tlsSecret }}{{ end }}", "http{{ if .tlsSecret }}s{{ end }}")
