"""What an app file may say: the model from which loading, the editors' JSON schema and the reference of keys are made.

A class is a map of the file, a field one of its keys, the docstring below a field its reason.  Short forms (`health: /healthz`,
`expose: shop.example.com`) are turned into the long one before a class sees them.  The smaller maps are in `parts`, what the
cluster offers in `platform`.  What keys mean together is checked in `checks`; what an environment changes is worked out in
`resolve`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from seatrial.app.document import Document, Mark, Path_
from seatrial.app.parts import (
    Call,
    Calls,
    Canary,
    Check,
    Expose,
    Health,
    Job,
    Metrics,
    Objective,
    Part,
    Permission,
    Scale,
    Trigger,
    health_of,
    short,
)
from seatrial.app.platform import Platform
from seatrial.app.problems import Problem
from seatrial.app.values import (
    Bucket,
    Command,
    Count,
    Cpu,
    Domain,
    Duration,
    Folder,
    Host,
    HttpPath,
    Identity,
    Image,
    LabelKey,
    Memory,
    MountPath,
    Name,
    Namespace,
    NodeLabel,
    Percent,
    Port,
    Replicas,
    Setting,
    Share,
    SizeName,
    Storage,
    Team,
    UserId,
    Variable,
    Version,
)

__all__ = [
    "App",
    "Call",
    "Calls",
    "Canary",
    "Check",
    "Environment",
    "Expose",
    "Health",
    "Job",
    "Limits",
    "Metrics",
    "Objective",
    "Part",
    "Permission",
    "Platform",
    "Profile",
    "Scale",
    "Service",
    "ServiceKeys",
    "StoreKeys",
    "Trigger",
]


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
    health: Annotated[Health | None, BeforeValidator(health_of, json_schema_input_type=HttpPath | Health | None)] = None
    """The path that says it is well, or `{live, ready, startup}`. Without it, the port is tried."""
    expose: Annotated[Expose | None, BeforeValidator(short("host"), json_schema_input_type=Host | Expose | None)] = None
    """The host name the world reaches it by, or `{host, path, tls}`."""
    calls: Calls | None = None
    """Services and stores of this app, URLs, or `name: URL`. Each gives a variable `<NAME>_URL` and opens the network for it."""
    config: dict[Variable, Setting] | None = None
    """Variables that may be seen by everybody. Changing one rolls the pods."""
    secrets: tuple[Variable, ...] | None = None
    """Variables whose values come from elsewhere: `platform.secrets` says from where. Never their values."""
    metrics: Annotated[Metrics | None, BeforeValidator(short("path"), json_schema_input_type=HttpPath | Metrics | None)] = None
    """The path of its Prometheus metrics, or `{path, port}`."""
    migrate: Command | None = None
    """A command that brings the stores up to date, run once for each release."""
    jobs: dict[Name, Job] | None = None
    """What it does at set times."""
    size: SizeName | None = None
    """How much CPU and memory: small, medium, large, or one of the app's `sizes` (default small)."""
    replicas: Replicas | None = None
    """A fixed number of replicas (default 2); `scale` makes it move."""
    scale: Scale | None = None
    """A range of replicas and what moves it."""
    drain: Duration | None = None
    """How long a pod goes on answering after it was told to stop, until nobody sends it requests any more (default 5s)."""
    grace: Duration | None = None
    """How long the process may take to end after that (default 30s)."""
    canary: Annotated[
        Canary | None, BeforeValidator(short("steps"), json_schema_input_type=tuple[Percent, ...] | Canary | None)
    ] = None
    """How a new version is tried before it gets all requests: the shares it gets, or `{steps, pause, …}`."""
    slo: Annotated[Objective | None, BeforeValidator(short("availability"), json_schema_input_type=Share | Objective | None)] = (
        None
    )
    """What it promises, such as 99.9% of requests answered, or `{availability, latency, percentile}`."""
    workers: Count | None = None
    """How many processes of a `runtime: python` serve at once (default: by CPU and memory), given as WEB_CONCURRENCY."""
    identity: Identity | None = None
    """Who it is at the cloud: the ARN of an AWS role, the e-mail of a Google service account, the client id of an Azure one."""
    permissions: tuple[Permission, ...] | None = None
    """What it may do at the Kubernetes API; without any, it is given no token."""
    nodes: dict[LabelKey, NodeLabel] | None = None
    """The labels of the nodes on which it may run, besides those of the platform; `false` for nodes without a label."""
    tracing: bool | None = None
    """Whether it sends traces, where `platform.telemetry` takes them (default: yes)."""
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
    size: SizeName | None = None
    """How much CPU and memory, as for a service."""
    image: Image | None = None
    """Another image than the official one."""
    database: Variable | None = None
    """The database that is made in a PostgreSQL (default: the app's name)."""
    user: Variable | None = None
    """The user that owns it (default: the app's name)."""
    host: Host | None = None
    """Where the store is when somebody else runs it: nothing is rendered but a name for it."""
    tls: bool | None = None
    """Whether it is called with TLS (default: where somebody else runs a PostgreSQL)."""
    password: bool | None = None
    """Whether a Redis asks for a password (default: no). A PostgreSQL always does."""
    instances: Replicas | None = None
    """How many instances of a PostgreSQL CloudNativePG runs, one of which takes the writes (default 3)."""
    backup: Bucket | None = None
    """Where CloudNativePG keeps its backups, such as s3://acme-backups/shop."""
    identity: Identity | None = None
    """Who it is at the cloud when it writes backups, as for a service."""


class Environment(Part):
    """Where the app runs. It says what is different there, and nothing else."""

    extends: Name | None = None
    """The environment whose changes come first."""
    namespace: Namespace | None = None
    """The namespace (default `<app>-<environment>`)."""
    domain: Domain | None = None
    """What follows the first dot of every host name here."""
    size: SizeName | None = None
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
    stores: dict[Name, StoreKeys] = Field(default={})
    """The databases and caches it uses."""
    sizes: dict[Name, Profile] = Field(default={})
    """Sizes besides small, medium and large, or in place of them."""
    environments: dict[Name, Annotated[Environment, BeforeValidator(lambda value: {} if value is None else value)]] = Field(
        default={}
    )
    """Where it runs, and what is different there. `dev` is always there."""
    platform: Platform = Platform()
    """What the cluster offers."""

    _document: Document = PrivateAttr(default_factory=lambda: Document("seatrial.yaml"))
    _remarks: tuple[Problem, ...] = PrivateAttr(default=())

    def attach(self, document: Document) -> None:
        """Remember the file this came from."""
        self._document = document

    def remark(self, odd: Iterable[Problem]) -> None:
        """Remember what works and is hardly meant."""
        self._remarks = tuple(sorted(set(odd)))

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """What works and is hardly meant, in the order of the file's lines."""
        return self._remarks

    @property
    def file(self) -> str:
        return self._document.file

    @property
    def data(self) -> Any:
        """The file as it was read, in plain data."""
        return self._document.data

    @property
    def folder(self) -> Path:
        """The folder of the file: what `build` is relative to."""
        return Path(self._document.file).parent

    @property
    def mark(self) -> Callable[[Path_], Mark]:
        """Where the value at a path is written."""
        return self._document.value_at


Environment.model_rebuild()
