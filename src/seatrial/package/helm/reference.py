"""What each value of a chart is for: the table from which the chart's README and the descriptions of its schema are made.

A row is a pattern of a value's path (`*` is one key) and the words for it.  A value that no row knows is told by the place it
stands for, which the merger wrote down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from seatrial.package.helm.merge import Values

Keys = tuple[str, ...]

ABOUT: tuple[tuple[str, str], ...] = (
    ("environment", "Which environment this is. Some of what is there depends on it, besides the values."),
    ("services", "What the team runs."),
    ("stores", "Databases and caches."),
    ("*.*.image", "The image."),
    ("*.*.image.repository", "The image, with its registry."),
    ("*.*.image.tag", "The tag of the image."),
    ("*.*.image.digest", "The digest of the image; it counts more than the tag."),
    ("services.*.replicas", "How many pods, where `scale` is null."),
    ("stores.*.replicas", "How many pods."),
    ("services.*.scale", "Between how many pods it is scaled, and on what; null for a fixed number."),
    ("services.*.scale.min", "The least pods."),
    ("services.*.scale.max", "The most pods. Raise `quota` with it."),
    ("services.*.scale.cpu", "The share of the requested CPU that is aimed at, in percent; null to leave it out."),
    ("services.*.scale.memory", "The share of the requested memory that is aimed at, in percent; null to leave it out."),
    ("*.*.resources", "What its containers request, and the most they may use, as Kubernetes has it."),
    ("services.*.config", "Variables that everybody may see. Changing one rolls the pods."),
    ("services.*.config.*", "A configuration file. Changing it rolls the pods."),
    ("*.*.env", "Variables that are different between environments."),
    ("*.*.env.*", "The variable of this name."),
    ("*.*.secrets", "Secret values. Never here: pass them in a values file of their own."),
    ("*.*.secrets.*", "A secret value: pass it in a values file of its own."),
    ("services.*.expose", "Where the world reaches it; null for nowhere."),
    ("services.*.expose.host", "The host name."),
    ("services.*.expose.tlsSecret", "The Secret with the certificate of the host; null for plain HTTP."),
    ("services.*.jobs", "What it does at set times."),
    ("services.*.jobs.*", "One of its jobs."),
    ("services.*.jobs.*.schedule", "When it runs, in cron's five fields."),
    ("services.*.migrate", "Whether its migration runs."),
    ("services.*.nodeSelector", "The labels of the nodes it may run on."),
    ("services.*.affinity", "Which nodes and neighbours it wants, as Kubernetes has it."),
    ("services.*.spread", "How strictly its pods are spread."),
    ("services.*.spread.*", "`DoNotSchedule` where spreading is a rule, `ScheduleAnyway` where it is a wish."),
    ("*.*.serviceAccount", "The account its pods run as."),
    ("*.*.serviceAccount.annotations", "Annotations of the account, such as its role at the cloud."),
    ("serviceAccount", "The account that reads the store of secrets."),
    ("serviceAccount.annotations", "Annotations of the account, such as its role at the cloud."),
    ("*.*.externalSecret", "Where External Secrets finds its secrets; null where nothing fetches them."),
    ("*.*.externalSecret.key", "The name of the secret in the store of secrets."),
    ("*.*.externalSecret.keys", "The names of single secrets in the store of secrets."),
    ("*.*.externalSecret.keys.*", "The name of this secret in the store of secrets."),
    ("*.*.monitoring", "Whether Prometheus reads its metrics."),
    ("*.*.monitoring.enabled", "Whether Prometheus reads its metrics."),
    ("stores.*.storage", "How large its volume is. Only a new volume gets another size."),
    ("stores.*.storageClass", "The class of its volume."),
    ("stores.*.host", "Where it is when somebody else runs it; null to run it in the cluster."),
    ("ingress", "How the world comes in."),
    ("ingress.className", "The class of the Ingresses."),
    ("ingress.issuer", "The ClusterIssuer of cert-manager; null where certificates come from elsewhere."),
    ("platform", "What the cluster offers, where that is different between environments."),
    ("platform.ingress", "What lets the world in: `ingress`, `gateway` (the Gateway API), `istio` or `none`."),
    ("platform.mesh", "The service mesh: `istio` or `none`."),
    ("platform.rollouts", "What rolls canaries: `argo-rollouts` or `none`."),
    ("platform.secrets", "Where secrets come from: `external-secrets`, `csi`, or `none` for values of this chart."),
    ("platform.autoscaling", "What scales services: `hpa`, `keda` or `none`."),
    ("platform.recommendations", "What recommends requests: `vpa` or `none`."),
    ("platform.postgres", "What runs PostgreSQL: `cloudnative-pg`, or `none` for a StatefulSet."),
    ("monitoring", "Whether the Prometheus operator is there."),
    ("monitoring.enabled", "Whether monitors, alerts and the way in for Prometheus are made."),
    ("telemetry", "Whether something takes traces."),
    ("telemetry.enabled", "Whether services send traces."),
    ("quota", "The most the namespace may hold: every service at its most replicas, twice while it is rolled."),
    ("*.*.enabled", "Whether it is there, with all its objects."),
    ("**.enabled", "Whether this object is there."),
)

#: The words that a value may be, for the schema.
WORDS: dict[str, tuple[str, ...]] = {
    "platform.ingress": ("ingress", "gateway", "istio", "none"),
    "platform.mesh": ("istio", "none"),
    "platform.rollouts": ("argo-rollouts", "none"),
    "platform.secrets": ("external-secrets", "csi", "none"),
    "platform.autoscaling": ("hpa", "keda", "none"),
    "platform.recommendations": ("vpa", "none"),
    "platform.postgres": ("cloudnative-pg", "none"),
}

#: Maps that a person sets as a whole, whose keys Kubernetes or the service knows.
WHOLE = ("resources", "quota", "config", "annotations", "nodeSelector", "affinity")


@dataclass(frozen=True, slots=True)
class Row:
    """A value: its keys, its type, what it is in the base environment, an example of it, and what it is for."""

    keys: Keys
    type: str
    default: Any
    example: Any
    words: str

    @property
    def path(self) -> str:
        return ".".join(key.replace(".", "\\.") for key in self.keys)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*\*", ".*").replace(r"\*", r"[^.]+"))


def words(keys: Sequence[str], about: Mapping[Keys, str]) -> str:
    """What a value is for; "" where nobody knows."""
    path = ".".join(key.replace(".", "_") for key in keys)
    found = next((said for pattern, said in ABOUT if _pattern(pattern).fullmatch(path)), "")
    place = about.get(tuple(keys), "")
    return found or (f"The {place}." if place else "")


def rows(values: Mapping[str, Values], base: str, about: Mapping[Keys, str]) -> list[Row]:
    """A row for each value that an environment has, in the order of the files; those of the base stand first."""
    every = [values[base], *(own for name, own in values.items() if name != base)]
    return list(_rows((), every, about))


def _rows(keys: Keys, found: Sequence[Any], about: Mapping[Keys, str]) -> Iterator[Row]:
    maps = [value for value in found if isinstance(value, dict)]
    if keys and (not maps or keys[-1] in WHOLE or not any(maps)):
        said = [value for value in found if value is not None]
        if said and said != [{}]:
            yield Row(keys, kind(said[0]), found[0], said[0], words(keys, about))
        return
    for key in dict.fromkeys(key for value in maps for key in value):
        yield from _rows((*keys, key), [value.get(key) if isinstance(value, dict) else None for value in found], about)


def kind(value: Any) -> str:
    """The type of a value as JSON calls it."""
    for types, name in ((bool, "boolean"), (int, "integer"), (str, "string"), (dict, "object"), (list, "array")):
        if isinstance(value, types):
            return name
    return "null"


def readme(name: str, values: Mapping[str, Values], base: str, about: Mapping[Keys, str], namespaces: Mapping[str, str]) -> str:
    """The chart's README: how it is installed in each environment, and its values."""
    lines = [
        f"# {name}",
        "",
        "Made by `seatrial render -o helm` from the app file. Change that and render again; what is changed here is lost.",
        "",
        "## Install",
        "",
    ]
    asked = any("secrets" in own for part in values.values() for group in ("services", "stores") for own in _owners(part, group))
    for environment in values:
        more = "" if environment == base else f" -f values-{environment}.yaml"
        secret = " -f secrets.yaml" if _has_secrets(values[environment]) else ""
        lines += [
            f"    helm upgrade --install {name} . -n {namespaces[environment]} --create-namespace{more}{secret}   # {environment}"
        ]
    lines += ["", f"`values.yaml` is {base}'s; a `values-ENV.yaml` says what is different in another environment."]
    lines += ["`kubectl apply -f namespaces/ENV.yaml` makes the namespace with the labels of its pod security."]
    if asked:
        lines += ["`secrets.yaml` is yours to keep out of version control: it has a value for each `secrets` below."]
    table = rows(values, base, about)
    for title, own in _sections(table):
        lines += ["", f"## {title}", "", "| value | type | default | what it is |", "|---|---|---|---|"]
        lines += [f"| `{row.path}` | {row.type} | {_default(row)} | {row.words} |" for row in own]
    return "\n".join(lines) + "\n"


def _owners(values: Values, group: str) -> list[Values]:
    return list(values.get(group, {}).values())


def _has_secrets(values: Values) -> bool:
    return any(own.get("secrets") for group in ("services", "stores") for own in _owners(values, group))


def _sections(table: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows of each service and store, and those of the whole chart, under their titles."""
    found: dict[str, list[Row]] = {}
    for row in table:
        owned = row.keys[0] in ("services", "stores")
        found.setdefault(f"The {row.keys[0][:-1]} {row.keys[1]}" if owned else "The whole chart", []).append(row)
    return list(found.items())


def _default(row: Row) -> str:
    """The default on one line of a table."""
    if row.default in (None, {}, []):
        return "none"
    text = row.default if isinstance(row.default, str) else json.dumps(row.default)
    text = text.replace("|", "\\|").replace("\n", " ")
    return f"`{text if len(text) <= 100 else text[:97] + '…'}`" if text else "to be passed"
