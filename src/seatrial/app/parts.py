"""The smaller maps of an app file: what a service says of its health, its scale, its way into production.

`model` has the maps they stand in, `platform` what the cluster offers.  The docstring below a field is its reason, for people
and editors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict

from seatrial.app.reads import Reads
from seatrial.app.unknown import UnknownError
from seatrial.app.values import (
    CALL_SCHEMA,
    Command,
    Count,
    Duration,
    Header,
    Host,
    HttpPath,
    Metric,
    Name,
    Number,
    Percent,
    Port,
    Query,
    Replicas,
    Resource,
    RoutePath,
    Schedule,
    Share,
    TimeZone,
    Url,
    call_entry,
)


class Part(BaseModel):
    """A map of the app file: known keys only, and fixed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there: a field that was taken out is unknown."""
            if name[0] != "_" and name in type(self).__pydantic_fields__:
                raise UnknownError(name)
            return super().__getattr__(name)


def short(key: str) -> Callable[[Any], Any]:
    """A short form: anything but a map is the value of `key`."""
    return lambda value: value if value is None or isinstance(value, (dict, Part)) else {key: value}


def health_of(value: Any) -> Any:
    return {"live": value, "ready": value} if isinstance(value, str) else value


class Health(Part):
    """How Kubernetes finds out whether a container lives, may be sent requests, and has started."""

    live: HttpPath | None = None
    """Answers below 400 while the process is sound; when it does not, the container is started again. It must not ask others."""
    ready: HttpPath | None = None
    """Answers below 400 while requests may come; may depend on the stores. Without it, `live` is asked."""
    startup: Duration | None = None
    """How long the container may take until it first answers (default 60s)."""
    port: Port | None = None
    """The port that answers, where it is another than the service's own, such as a management port the world never reaches."""


class Trigger(Part):
    """One thing that moves the replicas besides CPU and memory. It is one of `metric`, `prometheus`, `list` and `schedule`."""

    metric: Metric | None = None
    """A metric of the service's pods, as custom.metrics.k8s.io has it; `target` is what each pod should have of it."""
    prometheus: Query | None = None
    """A query to Prometheus; `target` is how much of it one pod takes care of. Needs `platform.autoscaling: keda`."""
    list: Metric | None = None
    """A list in the Redis `store`; `target` is how many entries one pod takes care of. Needs KEDA."""
    store: Name | None = None
    """The Redis that has the `list`."""
    schedule: Schedule | None = None
    """When more are needed, in cron's five fields. Needs KEDA."""
    until: Schedule | None = None
    """When the `schedule` is over."""
    timeZone: TimeZone | None = None  # noqa: N815
    """The time zone of `schedule` and `until` (default Etc/UTC)."""
    replicas: Replicas | None = None
    """How many replicas there are between `schedule` and `until`."""
    target: Number | None = None
    """How much there should be for each pod."""


class Scale(Part):
    """Between how many replicas the service is scaled, and on what."""

    min: Replicas | None = None
    """The least replicas (default 2)."""
    max: Replicas | None = None
    """The most replicas; quota is made for it (default: as many as `min`)."""
    cpu: Percent | None = None
    """The share of the requested CPU that is aimed at (default 70% when neither is given)."""
    memory: Percent | None = None
    """The share of the requested memory that is aimed at."""
    on: tuple[Trigger, ...] | None = None
    """What else moves it: a metric of its pods, a query to Prometheus, the length of a list in a Redis, a time of day."""


class Expose(Part):
    """Where the world reaches the service."""

    host: Host | None = None
    """The name in the URL. An environment's `domain` replaces what follows its first dot."""
    path: RoutePath | None = None
    """The beginning of the paths that go to this service (default /)."""
    tls: bool | None = None
    """Whether the certificate comes with the Ingress (default: when `platform.issuer` says who issues it)."""


class Endpoint(Part):
    """A further place where a service shows metrics."""

    port: Port
    """The port."""
    path: HttpPath | None = None
    """The path (default /metrics)."""


class Metrics(Part):
    """Where Prometheus reads the service's metrics."""

    path: HttpPath | None = None
    """The path (default /metrics)."""
    port: Port | None = None
    """The port, where it is another than the service's own."""
    also: tuple[Endpoint, ...] | None = None
    """Further places with other metrics, such as those of an agent in the process; read from the pods."""
    requests: Metric | None = None
    """The counter of requests, from which alerts and canaries reckon errors (default http_requests_total)."""
    status: Metric | None = None
    """The label of that counter with the HTTP status (default status)."""
    latency: Metric | None = None
    """The histogram of seconds that requests took (default http_request_duration_seconds)."""


class Job(Part):
    """Something the service does at set times, in a pod of its own from the same image."""

    schedule: Schedule
    """When, in cron's five fields or as @daily."""
    run: Command
    """The command."""
    timeZone: TimeZone | None = None  # noqa: N815
    """The time zone of the schedule (default Etc/UTC)."""
    timeout: Duration | None = None
    """How long it may run (default 1h)."""


class Call(Part):
    """Something the service calls: a service or store of the app by name, or a URL outside of it."""

    name: str = ""
    url: Url | None = None


Calls = tuple[Annotated[Call, Reads(call_entry, CALL_SCHEMA)], ...]


class Check(Part):
    """A query to Prometheus that a canary must pass besides the usual ones."""

    query: Query
    """The query. It gives one number; `{{args.…}}` may name `service`, `namespace` and `hash` (the canary's pods)."""
    min: Number | None = None
    """The least it may be."""
    max: Number | None = None
    """The most it may be."""


class Canary(Part):
    """How a new version is tried on a share of the requests before it gets all of them. Needs `platform.rollouts`."""

    steps: tuple[Percent, ...] | None = None
    """The shares it gets, one after the other (default 10%, 25%, 50%, 75%)."""
    pause: Duration | None = None
    """How long it stays at each (default 5m)."""
    header: Header | None = None
    """A header that leads to the new version whatever its share, with the value `true`; needs nginx, a Gateway or a mesh."""
    success: Share | None = None
    """The least share of its requests that must not fail with 5xx (default 99%)."""
    latency: Duration | None = None
    """How long 99 % of its requests may take at the most (default: not asked)."""
    requests: Count | None = None
    """How many requests it must have had in a step before they are judged (default 50)."""
    checks: dict[Name, Check] | None = None
    """Further queries that must hold."""


class Objective(Part):
    """What the service promises; alerts tell when the promise is used up too fast."""

    availability: Share | None = None
    """The share of requests that do not fail with 5xx, over 30 days (default 99.9%)."""
    latency: Duration | None = None
    """How long a request may take."""
    percentile: Share | None = None
    """The share of requests that must keep to `latency` (default 99%)."""


class Permission(Part):
    """What the service may do at the Kubernetes API, in its own namespace."""

    resources: tuple[Resource, ...]
    """The resources, such as configmaps, or jobs.batch with their group."""
    verbs: tuple[Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"], ...]
    """What it may do with them."""
    names: tuple[Name, ...] | None = None
    """The names of those it may touch (default: all)."""
