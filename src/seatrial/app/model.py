"""What an app file may say: the model from which loading, the editors' JSON schema and the reference of keys are made.

A class is a map of the file, a field one of its keys, the docstring below a field its reason.  Short forms (`health: /healthz`,
`expose: shop.example.com`) are turned into the long one before a class sees them.  What keys mean together is checked in
`checks`; what an environment changes is worked out in `resolve`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from seatrial.app.document import Document, Mark, Path_
from seatrial.app.values import (
    CALL_SCHEMA,
    Command,
    Cpu,
    Domain,
    Duration,
    Folder,
    Host,
    HttpPath,
    Image,
    Memory,
    MountPath,
    Name,
    Namespace,
    Percent,
    Port,
    Reads,
    Replicas,
    Schedule,
    Setting,
    Storage,
    Team,
    TimeZone,
    Url,
    UserId,
    Variable,
    Version,
    call_entry,
)


class Part(BaseModel):
    """A map of the app file: known keys only, and fixed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _short(key: str) -> Callable[[Any], Any]:
    """A short form: anything but a map is the value of `key`."""
    return lambda value: value if value is None or isinstance(value, (dict, Part)) else {key: value}


def _health(value: Any) -> Any:
    return {"live": value, "ready": value} if isinstance(value, str) else value


class Health(Part):
    """How Kubernetes finds out whether a container lives, may be sent requests, and has started."""

    live: HttpPath | None = None
    """Answers below 400 while the process is sound; when it does not, the container is started again. It must not ask others."""
    ready: HttpPath | None = None
    """Answers below 400 while requests may come; may depend on the stores. Without it, `live` is asked."""
    startup: Duration | None = None
    """How long the container may take until it first answers (default 60s)."""


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


class Expose(Part):
    """Where the world reaches the service."""

    host: Host | None = None
    """The name in the URL. An environment's `domain` replaces what follows its first dot."""
    path: HttpPath | None = None
    """The beginning of the paths that go to this service (default /)."""
    tls: bool | None = None
    """Whether the certificate comes with the Ingress (default: when `platform.issuer` says who issues it)."""


class Metrics(Part):
    """Where Prometheus reads the service's metrics."""

    path: HttpPath | None = None
    """The path (default /metrics)."""
    port: Port | None = None
    """The port, where it is another than the service's own."""


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


class ServiceKeys(Part):
    """A service, or what an environment changes of one."""

    image: Image | None = None
    """The image; without a tag it is followed by the app's `version`."""
    build: Folder | None = None
    """The folder with the Dockerfile."""
    run: Command | None = None
    """How the process is started where there is no container engine; the container's command when nothing is built."""
    runtime: Literal["jvm", "node", "go", "python", "nginx", "other"] | None = None
    """What runs in the container, so that its heap follows the memory limit and it can write where it must."""
    heap: Percent | None = None
    """The share of the memory limit that the heap of a `runtime` takes (default 75%)."""
    port: Port | None = None
    """The port the service listens on, given to it as PORT. A service without one cannot be called."""
    health: Annotated[Health | None, BeforeValidator(_health, json_schema_input_type=HttpPath | Health | None)] = None
    """The path that says it is well, or `{live, ready, startup}`. Without it, the port is tried."""
    expose: Annotated[Expose | None, BeforeValidator(_short("host"), json_schema_input_type=Host | Expose | None)] = None
    """The host name the world reaches it by, or `{host, path, tls}`."""
    calls: Calls | None = None
    """Services and stores of this app, URLs, or `name: URL`. Each gives a variable `<NAME>_URL` and opens the network for it."""
    config: dict[Variable, Setting] | None = None
    """Variables that may be seen by everybody. Changing one rolls the pods."""
    secrets: tuple[Variable, ...] | None = None
    """Variables whose values come from elsewhere: `platform.secrets` says from where. Never their values."""
    metrics: Annotated[Metrics | None, BeforeValidator(_short("path"), json_schema_input_type=HttpPath | Metrics | None)] = None
    """The path of its Prometheus metrics, or `{path, port}`."""
    migrate: Command | None = None
    """A command that brings the stores up to date, run once for each release."""
    jobs: dict[Name, Job] | None = None
    """What it does at set times."""
    size: Name | None = None
    """How much CPU and memory: small, medium, large, or one of the app's `sizes` (default small)."""
    replicas: Replicas | None = None
    """A fixed number of replicas (default 2); `scale` makes it move."""
    scale: Scale | None = None
    """A range of replicas and what moves it."""
    drain: Duration | None = None
    """How long a pod goes on answering after it was told to stop, until nobody sends it requests any more (default 5s)."""
    grace: Duration | None = None
    """How long the process may take to end after that (default 30s)."""
    user: UserId | None = None
    """The number of the user it runs as; never 0 (default 10001)."""
    writable: tuple[MountPath, ...] | None = None
    """Folders it writes to, besides /tmp; everything else is read-only."""


class Service(ServiceKeys):
    """A service: one image, in as many replicas as are needed."""

    image: Image
    """The image; without a tag it is followed by the app's `version`."""


class StoreKeys(Part):
    """A store, or what an environment changes of one."""

    postgres: Version | None = None
    """A PostgreSQL of this version."""
    redis: Version | None = None
    """A Redis of this version."""
    storage: Storage | None = None
    """How large its volume is. A Redis without one keeps everything in memory."""
    size: Name | None = None
    """How much CPU and memory, as for a service."""
    image: Image | None = None
    """Another image than the official one."""
    database: Variable | None = None
    """The database that is made in a PostgreSQL (default: the app's name)."""
    user: Variable | None = None
    """The user that owns it (default: the app's name)."""
    host: Host | None = None
    """Where the store is when somebody else runs it: nothing is rendered but a name for it."""


class Environment(Part):
    """Where the app runs. It says what is different there, and nothing else."""

    extends: Name | None = None
    """The environment whose changes come first."""
    namespace: Namespace | None = None
    """The namespace (default `<app>-<environment>`)."""
    domain: Domain | None = None
    """What follows the first dot of every host name here."""
    size: Name | None = None
    """The size of every service and store here."""
    replicas: Replicas | None = None
    """The replicas of every service here, in place of its `scale`."""
    config: dict[Variable, Setting] | None = None
    """Variables of every service here."""
    services: dict[Name, ServiceKeys] | None = None
    """What is different of single services."""
    stores: dict[Name, StoreKeys] | None = None
    """What is different of single stores."""
    platform: Platform | None = None
    """What is different of the platform."""


class Limits(Part):
    """The most a container may use."""

    cpu: Cpu | None = None
    """Cores. Without it a container may use what the node has to spare, which is rarely wrong."""
    memory: Memory | None = None
    """Bytes; the container is killed when it passes them (default: what it requests)."""


class Profile(Part):
    """How much CPU and memory a container is given."""

    cpu: Cpu
    """What is set aside for it, in cores."""
    memory: Memory
    """What is set aside for it, in bytes."""
    limits: Limits = Limits()
    """The most it may use."""


class Platform(Part):
    """What the cluster offers, and hence which objects are rendered."""

    ingress: Literal["nginx", "traefik", "none"] | None = None
    """The ingress controller (default nginx)."""
    issuer: Name | None = None
    """The ClusterIssuer of cert-manager that certifies the hosts."""
    secrets: Literal["kubernetes", "external-secrets", "existing"] | None = None
    """Where secret values come from: with the release (default), from a store by External Secrets, or they are there already."""
    secretStore: Name | None = None  # noqa: N815
    """The ClusterSecretStore of External Secrets (default: the app's name)."""
    autoscaling: Literal["hpa", "none"] | None = None
    """What scales services (default hpa)."""
    monitoring: Literal["prometheus-operator", "none"] | None = None
    """What reads the metrics (default none)."""
    storageClass: Name | None = None  # noqa: N815
    """The class of the stores' volumes (default: the cluster's default)."""


class App(Part):
    """A microservices application, in one file."""

    app: Name
    """The name of the application."""
    team: Team | None = None
    """Whom it belongs to."""
    version: Version | None = None
    """The version of this file's images that name no tag of their own."""
    services: dict[Name, Service] = Field(min_length=1)
    """What the team runs."""
    stores: dict[Name, StoreKeys] = {}
    """The databases and caches it uses."""
    sizes: dict[Name, Profile] = {}
    """Sizes besides small, medium and large, or in place of them."""
    environments: dict[Name, Annotated[Environment, BeforeValidator(lambda value: {} if value is None else value)]] = {}
    """Where it runs, and what is different there. `dev` is always there."""
    platform: Platform = Platform()
    """What the cluster offers."""

    _document: Document = PrivateAttr(default_factory=lambda: Document("seatrial.yaml"))

    def attach(self, document: Document) -> None:
        """Remember the file this came from."""
        self._document = document

    @property
    def file(self) -> str:
        return self._document.file

    @property
    def folder(self) -> Path:
        """The folder of the file: what `build` is relative to."""
        return Path(self._document.file).parent

    def mark(self, path: Path_) -> Mark:
        """Where the value at `path` is written."""
        return self._document.value_at(path)


Environment.model_rebuild()
