"""App files: rendered for each environment, each object and field with the line of the app file that it comes from.

An object belongs to a service or store by its label; the table says which key of the service a field is made from.  What an
environment overrides is cited where it is overridden.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.sources.loaded import Gathering, Input
from seatrial.world.load import Problem
from seatrial.world.objects import Obj, labels_of
from seatrial.world.paths import at
from seatrial.world.place import Place

if TYPE_CHECKING:
    from seatrial.app.document import Document, Mark
    from seatrial.app.resolve import ResolvedApp

#: (kinds, what a path of the object holds, keys of the service or store: the first that is given counts). Kinds: "" for all.
_FIELDS: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (kinds, re.compile(pattern), tuple(keys.split()))
    for kinds, pattern, keys in (
        ("HorizontalPodAutoscaler ScaledObject VerticalPodAutoscaler", r"", "scale replicas"),
        ("PodDisruptionBudget", r"", "scale replicas instances"),
        ("Ingress HTTPRoute GRPCRoute Gateway VirtualService DestinationRule", r"", "expose canary port"),
        ("AnalysisTemplate", r"", "canary slo"),
        ("CronJob", r"", "jobs"),
        ("ServiceMonitor PodMonitor", r"", "metrics"),
        ("PrometheusRule", r"", "slo metrics"),
        ("ExternalSecret Secret SecretProviderClass SealedSecret", r"", "secrets"),
        ("ConfigMap", r"", "config"),
        ("Role RoleBinding", r"", "permissions"),
        ("ServiceAccount", r"", "identity permissions"),
        ("NetworkPolicy AuthorizationPolicy", r"egress", "calls"),
        ("NetworkPolicy AuthorizationPolicy", r"ingress", "expose port"),
        ("Cluster ScheduledBackup", r"backup", "backup"),
        ("Cluster", r"instances", "instances"),
        ("Service", r"ports", "port"),
        ("Job", r"(command|args)", "migrate"),
        ("", r"\.image$", "image"),
        ("", r"(liveness|readiness|startup)Probe", "health"),
        ("", r"\.resources", "size"),
        ("", r"\.(command|args)", "run"),
        ("", r"\.ports", "port"),
        ("", r"\.envFrom", "config secrets"),
        ("", r"(volumeClaimTemplates|storage)", "storage"),
        ("", r"(nodeSelector|affinity|tolerations)", "nodes"),
        ("", r"terminationGracePeriodSeconds", "grace drain"),
        ("", r"lifecycle", "drain"),
        ("", r"(runAsUser|fsGroup)", "user"),
        ("", r"(emptyDir|volumeMounts|volumes)", "writable storage"),
        ("", r"serviceAccountName", "identity permissions"),
        ("", r"spec\.replicas", "replicas instances scale"),
        ("", r"spec\.strategy", "canary replicas"),
    )
)
_ENV = re.compile(r"(.*\.env\[\d+\])")
#: Kinds of the app as a whole, and the key that they are made from.
_WHOLE = {"Namespace": "namespace", "ResourceQuota": "size", "LimitRange": "size"}


def load_app(path: Path, gathering: Gathering, *, only: Sequence[str] = ()) -> None:
    """The objects of an app file in each environment (or those of `only`), as variants. What is wrong with the file is a
    problem.
    """
    from seatrial.app import document
    from seatrial.app.load import load
    from seatrial.app.problems import AppFileErrors
    from seatrial.app.resolve import environments, resolve

    try:
        app = load(path)
        lines = document.read(path)
    except AppFileErrors as errors:
        gathering.problems += (Problem(one.file, one.line, one.column, one.message, one.hint) for one in errors.problems)
        return
    for odd in app.remarks:
        gathering.problems.append(Problem(odd.file, odd.line, odd.column, odd.message, odd.hint, "warning", odd.rule, odd.part))
    known = environments(app)
    gathering.known.update(known if app.environments else ())
    chosen = [name for name in known if name in only] if only and app.environments else list(app.environments) or known
    for name in chosen:
        resolved = resolve(app, name)
        objects = _rendered(resolved)
        for obj in objects:
            gathering.add(obj, FromApp(app.file, lines, obj, resolved), name if app.environments else "")
        gathering.inputs.append(Input(str(path), "app", len(objects), name))


def _rendered(resolved: ResolvedApp) -> list[Obj]:
    """The objects, with Secrets whose values nobody gave: that they are there is what counts."""
    from seatrial.render import missing, render

    absent = {name: dict.fromkeys(keys, "given at the release") for name, keys in missing(resolved, {}).items()}
    return render(resolved, secrets=absent)


@dataclass(frozen=True, slots=True)
class FromApp:
    """An object as an app file asks for it. Called with a path, it says which line of the app file that field comes from."""

    file: str
    lines: Document = field(repr=False)
    obj: Obj = field(repr=False)
    resolved: ResolvedApp = field(repr=False)

    def __call__(self, path: str = "") -> Place:
        for keys in self._candidates(path):
            mark = self._mark(keys)
            if mark is not None:
                return Place(self.file, mark.line, mark.column)
        return Place(self.file, 1)

    def _candidates(self, path: str) -> list[tuple[str, ...]]:
        """Paths of the app file that the field may come from, the likeliest first."""
        label, kind = labels_of(self.obj).get("app.kubernetes.io/name", ""), str(self.obj.get("kind"))
        of = "services" if label in self.resolved.services else "stores" if label in self.resolved.stores else ""
        if not of:
            return [(_WHOLE[kind],), ("app",)] if kind in _WHOLE else [("app",)]
        found: list[tuple[str, ...]] = []
        env = _ENV.match(path)
        if env:
            name = at(self.obj, env[1], {}).get("name")
            found += [(of, label, "config", str(name)), ("config", str(name)), (of, label, "secrets"), (of, label, "calls")]
        for kinds, pattern, keys in _FIELDS:
            if (not kinds or kind in kinds.split()) and pattern.search(path):
                found += [(of, label, key) for key in keys]
        return [*found, (of, label)]

    def _mark(self, keys: tuple[str, ...]) -> Mark | None:
        """Where a path is given: by the environment or those it extends where they override it, else by the app itself."""
        environment: str | None = self.resolved.environment
        seen: set[str] = set()
        while environment and environment not in seen:
            seen.add(environment)
            over = ("environments", environment, *(keys if len(keys) != 2 or keys[0] not in ("services", "stores") else ("-",)))
            if over in self.lines.keys:
                return self.lines.keys[over]
            if keys[-1] in ("size", "replicas", "namespace") and ("environments", environment, keys[-1]) in self.lines.keys:
                return self.lines.keys[("environments", environment, keys[-1])]
            above = at(self.lines.data, f"environments.{environment}.extends")
            environment = above if isinstance(above, str) else None
        return self.lines.keys.get(keys)
