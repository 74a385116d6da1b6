"""From an app file to what Helm installs: which sources become images, which secrets are kept, which chart comes of it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.app import Problem, ResolvedApp, load, resolve
from seatrial.package.files import FileTree
from seatrial.package.helm.chart import chart as helm_chart
from seatrial.package.helm.chart import secret_values
from seatrial.render import render, values
from seatrial.up.images import Source
from seatrial.world.objects import Obj, name_of

#: Where the image of a service that runs from source is said to come from; no registry answers to it.
REGISTRY = "localhost"
#: What must be there in the end. A migration is not: in an upgrade it is a hook, which Helm deletes when it has succeeded.
_WORKLOADS = ("StatefulSet", "Deployment")


@dataclass(frozen=True, slots=True)
class Plan:
    """An app in one environment, and where it goes. The release is called after the app, as a chart's users expect."""

    resolved: ResolvedApp
    sources: list[Source]
    remarks: tuple[Problem, ...] = ()  # what works in this environment, and is hardly meant

    def calls(self, workloads: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
        """What each workload needs up before it is: its service's calls, and for a service its own migration as well."""
        services = self.resolved.services
        called = {name: [call.name for call in service.calls or () if call.name] for name, service in services.items()}
        for kind, job in workloads:
            service = job.split("-migrate-")[0]
            if kind == "Job" and service in services:
                called[job] = [name for name in called[service] if name in self.resolved.stores]
                called[service].append(job)
        return called

    @property
    def app(self) -> str:
        return self.resolved.name

    @property
    def release(self) -> str:
        return self.resolved.name

    @property
    def namespace(self) -> str:
        return self.resolved.namespace


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, the values that hold the secrets (never part of its files), and the workloads that come of it."""

    files: FileTree
    secrets: Mapping[str, object]
    workloads: frozenset[tuple[str, str]]
    namespace: Obj  # which a chart cannot make for itself, with its labels for Pod Security


def read(path: Path, environment: str) -> Plan:
    """Load the app file. Raises AppFileErrors with everything that is wrong, and UnknownEnvironmentError."""
    app = load(path)
    resolved = resolve(app, environment)
    sources = [
        Source(name, f"{REGISTRY}/{resolved.name}-{name}", resolved.folder / (service.build or "."), service.run)
        for name, service in resolved.services.items()
        if service.run
    ]
    return Plan(resolved, sources, tuple(one for one in app.remarks if not one.only or environment in one.only))


def secrets_for(plan: Plan, live: Iterable[Obj]) -> tuple[values.Values, dict[tuple[str, str], str]]:
    """The secret values of a release: those of the files beside the app file, else those that are live already (a database
    keeps the password it was made with), else made up. What was made up comes a second time, by service or store and key."""
    given = (values.read(plan.resolved), _decoded(live))
    found = values.complete(plan.resolved, *given)
    made_up = {
        (name, key): value
        for name, keys in found.items()
        for key, value in keys.items()
        if not any(key in source.get(name, {}) for source in given)
    }
    return found, made_up


def make_chart(plan: Plan, images: Mapping[str, str], secrets: values.Values) -> Chart:
    """The chart of this environment alone, with these secret values beside it."""
    objects = render(plan.resolved, images=images, secrets=secrets)
    environment = plan.resolved.environment
    files = helm_chart(plan.app, {environment: objects}, base=environment, version="0.1.0")
    namespace = next(obj for obj in objects if obj["kind"] == "Namespace")
    workloads = {(obj["kind"], name_of(obj)) for obj in objects if obj["kind"] in _WORKLOADS}
    return Chart(files, secret_values(objects), frozenset(workloads), namespace)


def _decoded(live: Iterable[Obj]) -> dict[str, dict[str, str]]:
    return {
        name_of(secret): {
            key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.get("data") or {}).items()
        }
        for secret in live
        if secret.get("type") == "Opaque"
    }
