# ruff: noqa: E501 - a line of the table is one saying
"""What runs in a container, told by its image, command, variables and probes; and whether its memory and its files suit that.

A JVM, a Go or a Node process has limits of its own beside the container's; a server that writes needs a place to write to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from seatrial.rules.finding import Finding, Rule, Severity
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.pods import ENDING, Container, check_containers, mounts
from seatrial.rules.written.reading import amount, items, mapping, strings, text
from seatrial.rules.written.telling import Path, brief, put, tell
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_KILLED = "The process grows into its container's limit and the kernel kills it (OOMKilled, exit code 137), mostly under load."
_LIMIT = "resources: {requests: {memory: 512Mi}, limits: {memory: 512Mi}}"

RULES = (
    Rule("heap-over-limit", "error", "has a heap as large as its memory limit", _KILLED,
         "Leave a quarter of the limit for what is no heap: drop -Xmx, and set -XX:MaxRAMPercentage=75.",
         example(f"env: [{{name: JAVA_TOOL_OPTIONS, value: -Xmx512m}}]\n{_LIMIT}"),
         example(f"env: [{{name: JAVA_TOOL_OPTIONS, value: '-XX:MaxRAMPercentage=75'}}]\n{_LIMIT}")),
    Rule("heap-tight", "warning", "leaves its process hardly any memory beside the heap", _KILLED,
         "Leave a quarter of the limit for what is no heap (threads, metaspace, buffers): -XX:MaxRAMPercentage=75.",
         example(f"env: [{{name: JAVA_TOOL_OPTIONS, value: '-XX:MaxRAMPercentage=92'}}]\n{_LIMIT}"),
         example(f"env: [{{name: JAVA_TOOL_OPTIONS, value: '-XX:MaxRAMPercentage=75'}}]\n{_LIMIT}")),
    Rule("heap-unset", "note", "is a JVM that chooses its own heap", "Without a word about it the heap gets a quarter of the limit: three quarters of what is paid for lie idle, or garbage collection eats the CPU.",
         "Set -XX:MaxRAMPercentage=75 in JAVA_TOOL_OPTIONS.",
         example(f"command: [java, -jar, app.jar]\n{_LIMIT}"),
         example(f"command: [java, '-XX:MaxRAMPercentage=75', -jar, app.jar]\n{_LIMIT}")),
    Rule("heap-unbounded", "warning", "is a JVM without a memory limit", "The heap is a share of the node's memory: two such pods on one node starve each other and everything else there.",
         "Set a memory limit and -XX:MaxRAMPercentage=75.",
         example("command: [java, -jar, app.jar]\nresources: {requests: {memory: 512Mi}}"),
         example(f"command: [java, '-XX:MaxRAMPercentage=75', -jar, app.jar]\n{_LIMIT}")),
    Rule("heap-order", "error", "begins with a larger heap than it may have", "The JVM refuses to start: `Initial heap size set to a larger value than the maximum heap size`.",
         "Let -Xms be at most -Xmx.",
         example("command: [java, -Xms2g, -Xmx1g, -jar, app.jar]\nresources: {limits: {memory: 4Gi}}"),
         example("command: [java, -Xms1g, -Xmx1g, -jar, app.jar]\nresources: {limits: {memory: 4Gi}}")),
    Rule("container-support-off", "warning", "is a JVM that does not see its container's limits", "Heap and threads are sized for the whole node; the kernel kills the process at its limit.",
         "Take -XX:-UseContainerSupport out; Java 8u191 and later see the limits by themselves.",
         example(f"env: [{{name: JAVA_OPTS, value: '-XX:-UseContainerSupport'}}]\n{_LIMIT}"),
         example(f"env: [{{name: JAVA_OPTS, value: '-XX:MaxRAMPercentage=75'}}]\n{_LIMIT}")),
    Rule("go-memory-limit", "error", "has a GOMEMLIMIT that Go cannot read", "The process ends at once: `malformed GOMEMLIMIT`. Go wants B, KiB, MiB, GiB or TiB, not Kubernetes' Mi.",
         "Write it with a unit of Go's (460MiB), at about nine tenths of the limit.",
         example(f"env: [{{name: GOMEMLIMIT, value: 460Mi}}]\n{_LIMIT}"), example(f"env: [{{name: GOMEMLIMIT, value: 460MiB}}]\n{_LIMIT}")),
    Rule("go-memory-high", "warning", "has a GOMEMLIMIT at or above its memory limit", _KILLED,
         "Set it to about nine tenths of the limit.",
         example(f"env: [{{name: GOMEMLIMIT, value: 512MiB}}]\n{_LIMIT}"), example(f"env: [{{name: GOMEMLIMIT, value: 460MiB}}]\n{_LIMIT}")),
    Rule("node-heap-over-limit", "error", "has an old space as large as its memory limit", _KILLED,
         "Set --max-old-space-size to about three quarters of the limit, in MiB.",
         example(f"env: [{{name: NODE_OPTIONS, value: --max-old-space-size=1024}}]\n{_LIMIT}"),
         example(f"env: [{{name: NODE_OPTIONS, value: --max-old-space-size=384}}]\n{_LIMIT}")),
    Rule("read-only-root-writes", "error", "must write, and has only a read-only root file system", "The process fails when it first writes: at its start (a crash loop), or with the first upload or spool file.",
         "Mount an emptyDir at the paths it writes to, or leave readOnlyRootFilesystem out.",
         example("image: nginx:1.27.3\nsecurityContext: {readOnlyRootFilesystem: true}"),
         example("image: nginx:1.27.3\nsecurityContext: {readOnlyRootFilesystem: true}\nvolumeMounts: [{name: tmp, mountPath: /tmp}, {name: tmp, subPath: cache, mountPath: /var/cache/nginx}, {name: tmp, subPath: run, mountPath: /var/run}]",
                 pod="volumes: [{name: tmp, emptyDir: {}}]")),
)  # fmt: skip

#: A JVM's sizes: k, m, g, t, in binary.
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_FLAG = {
    "Xmx": pattern(r"-(?:Xmx|XX:MaxHeapSize=)(\d+)([kKmMgGtT]?)\b"),
    "Xms": pattern(r"-(?:Xms|XX:InitialHeapSize=)(\d+)([kKmMgGtT]?)\b"),
}
_SHARE = pattern(r"-XX:MaxRAMPercentage=(\d+(?:\.\d+)?)")
_OLD_SPACE = pattern(r"--max[-_]old[-_]space[-_]size[= ](\d+)")
#: What Go reads (runtime/string.go, parseByteCount).
_GO = pattern(r"(\d+)(?:([KMGT])iB|B)?")
_JVM_VARIABLES = (
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "JAVA_OPTS",
    "JAVA_OPTIONS",
    "CATALINA_OPTS",
    "JVM_OPTS",
)
_JVM_IMAGE = pattern(
    r"(?:^|[/_-])(?:java|openjdk|jdk|jre|temurin|corretto|amazoncorretto|tomcat|jetty|wildfly|spring-boot)(?:[:_@-]|$)"
)
_PYTHON_IMAGE = pattern(r"(?:^|/)python(?:[:@]|$)")


def words_of(container: Container) -> list[str]:
    return strings(container.spec, "command") + strings(container.spec, "args")


def variables(container: Container) -> dict[str, str]:
    """The variables that are given as text."""
    return {text(each, "name"): text(each, "value") for each in items(container.spec, "env")}


def runtime_of(container: Container) -> str:
    """`jvm`, `python`, `node`, `go`, or "" where nothing tells."""
    names = {each.rsplit("/", 1)[-1] for each in words_of(container)[:3]}
    given = variables(container)
    said = _told_by_image(container.image.lower())
    if "java" in names or any(name in given for name in _JVM_VARIABLES) or said == "jvm" or _asks_actuator(container):
        return "jvm"
    if names & {"gunicorn", "uvicorn", "python", "python3", "celery", "flask"} or said == "python":
        return "python"
    if names & {"node", "npm", "yarn"} or "NODE_OPTIONS" in given:
        return "node"
    return "go" if "GOMEMLIMIT" in given else ""


@lru_cache(maxsize=4096)
def _told_by_image(image: str) -> str:
    return "jvm" if _JVM_IMAGE.search(image) else "python" if _PYTHON_IMAGE.search(image) else ""


def _asks_actuator(container: Container) -> bool:
    probes = (mapping(container.spec, f"{kind}Probe", "httpGet") for kind in ("startup", "readiness", "liveness"))
    return any("/actuator/" in text(probe, "path") for probe in probes)


def memory_limit(container: Container) -> float | None:
    """The memory limit in bytes."""
    return amount(mapping(container.spec, "resources", "limits").get("memory"))


def _flags(container: Container) -> tuple[str, Path]:
    """The flags that a process is given, and where most of them stand."""
    env = items(container.spec, "env")
    given = [
        (text(each, "value"), place) for place, each in enumerate(env) if text(each, "name") in (*_JVM_VARIABLES, "NODE_OPTIONS")
    ]
    at: Path = (*container.path, "env", given[0][1], "value") if given else (*container.path, "command")
    return " ".join([*(value for value, _ in given), *words_of(container)]), at


@check_containers(rules=RULES[:6])
def jvm(world: World, container: Container) -> Iterator[Finding]:
    """A JVM's heap against its container's memory."""
    flags, at = _flags(container)
    limit = memory_limit(container)
    largest, first, share = _size(flags, "Xmx"), _size(flags, "Xms"), _SHARE.search(flags)
    obj, who = container.pods.obj, container.who
    if first and largest and first > largest:
        yield tell(world, "heap-order", obj, at, f"-Xms is {first >> 20} MiB, -Xmx {largest >> 20} MiB", who=who)
    if "-XX:-UseContainerSupport" in flags:
        yield tell(world, "container-support-off", obj, at, "-XX:-UseContainerSupport", who=who)
    percentage = float(share[1]) if share else None
    if limit and largest:
        words = f"-Xmx is {largest >> 20} MiB, the limit {limit / (1 << 20):.0f} MiB: {100 * largest / limit:.0f} %"
        rule = "heap-over-limit" if largest >= limit else "heap-tight" if largest >= 0.9 * limit else ""
    else:
        words = f"MaxRAMPercentage is {percentage}"
        rule = "heap-over-limit" if percentage and percentage >= 100 else "heap-tight" if percentage and percentage >= 90 else ""
    if rule:
        yield tell(world, rule, obj, at, words, who=who)
    if largest or percentage or container.role == "init" or runtime_of(container) != "jvm":
        return
    if limit:
        yield tell(world, "heap-unset", obj, at, "neither -Xmx nor -XX:MaxRAMPercentage", who=who)
    else:
        yield tell(world, "heap-unbounded", obj, (*container.path, "resources"), "no memory limit, no -Xmx", who=who)


def largest_heap(container: Container) -> float | None:
    """The bytes that a JVM's heap may grow to, by its flags; None where they do not say."""
    flags, _ = _flags(container)
    share, limit = _SHARE.search(flags), memory_limit(container)
    return _size(flags, "Xmx") or (float(share[1]) / 100 * limit if share and limit else None)


def _size(flags: str, flag: str) -> int | None:
    found = _FLAG[flag].findall(flags)
    return int(found[-1][0]) * _SIZES[found[-1][1].lower()] if found else None


@check_containers(rules=RULES[6:9])
def others(world: World, container: Container) -> Iterator[Finding]:
    """Go's and Node's own limits against the container's."""
    limit = memory_limit(container)
    obj, who = container.pods.obj, container.who
    for place, each in enumerate(items(container.spec, "env")):
        written = text(each, "value")
        if text(each, "name") != "GOMEMLIMIT" or not written or written == "off" or "$(" in written:
            continue
        at = (*container.path, "env", place, "value")
        found = _GO.fullmatch(written)
        if found is None:
            ops = [put(obj, at, f"{written}B")] if _GO.fullmatch(f"{written}B") else []
            yield tell(world, "go-memory-limit", obj, at, f"GOMEMLIMIT: {brief(written)}", who=who, ops=ops)
        elif limit and int(found[1]) * _SIZES[(found[2] or "").lower()] >= limit:
            yield tell(
                world, "go-memory-high", obj, at, f"GOMEMLIMIT: {written}, the limit is {limit / (1 << 20):.0f} MiB", who=who
            )
    flags, at = _flags(container)
    heap = _OLD_SPACE.search(flags)
    if heap and limit and int(heap[1]) << 20 >= limit:
        words = f"--max-old-space-size is {heap[1]} MiB, the limit {limit / (1 << 20):.0f} MiB"
        yield tell(world, "node-heap-over-limit", obj, at, words, who=who)


class Writer(NamedTuple):
    """A process known to write: its image, where it writes (any of the alternatives of each place), how sure that is."""

    image: re.Pattern[str]
    places: tuple[tuple[str, ...], ...]
    severity: Severity
    name: str


def _image(name: str) -> re.Pattern[str]:
    return pattern(rf"^(?!.*\bbitnami).*?(?:^|/)(?:{name})(?:[:@]|$)")  # Bitnami's keep everything below /opt/bitnami


#: What the official images write to; images of others with the same name keep to it, or say otherwise by a mounted config.
#: What an image declares as its volume (the data of databases) the runtime makes writable all the same.
WRITERS = (
    Writer(_image("nginx"), (("/var/cache/nginx",), ("/var/run", "/run")), "error", "nginx"),
    Writer(_image("nginx-unprivileged"), (("/tmp",),), "error", "nginx"),  # noqa: S108 - a path in a container
    Writer(_image("postgres|postgis|timescaledb"), (("/var/run/postgresql", "/var/run", "/run"),), "error", "PostgreSQL"),
    Writer(_image("mysql|mariadb"), (("/var/run/mysqld", "/run/mysqld", "/var/run", "/run"), ("/tmp",)), "error", "MySQL"),  # noqa: S108
    Writer(_image("mongo"), (("/tmp",),), "error", "MongoDB"),  # noqa: S108
    Writer(_image("tomcat"), (("/usr/local/tomcat/work",), ("/usr/local/tomcat/temp", "/tmp")), "error", "Tomcat"),  # noqa: S108
    Writer(_image("httpd"), (("/usr/local/apache2/logs",),), "error", "Apache"),
    Writer(_image("wordpress|php"), (("/tmp",),), "warning", "PHP"),  # noqa: S108
)  # fmt: skip
#: Runtimes that need /tmp, by what they are used for.
TEMPORARY: dict[str, tuple[Severity, str]] = {
    "jvm": ("error", "a JVM keeps hsperfdata and its web server's work files in /tmp"),
    "python": ("note", "Python's web servers keep uploads and their workers' heartbeats in /tmp"),
}


def writable(container: Container) -> list[str]:
    return [path.rstrip("/") or "/" for path, _, may_write in mounts(container) if may_write]


def _covered(path: str, places: list[str]) -> bool:
    return any(path == place or path.startswith(place + "/") or place.startswith(path + "/") for place in places)


@check_containers(rules=RULES[9:])
def writes(world: World, container: Container) -> Iterator[Finding]:
    """A read-only root file system under a process that is known to write."""
    if container.security("readOnlyRootFilesystem") is not True or container.role == "init":
        return
    open_to = writable(container)
    at = (*container.path, "securityContext", "readOnlyRootFilesystem")
    places = f"mounts it may write to: {', '.join(open_to) or 'none'}"
    for writer in WRITERS:
        if not writer.image.search(container.image):
            continue
        if container.pods.kind in ENDING:
            return  # a job with a server's image runs its client
        missing = [alternatives[0] for alternatives in writer.places if not any(_covered(path, open_to) for path in alternatives)]
        if missing and not (open_to and _own_config(container)):
            severity = writer.severity if not open_to else "warning"
            words = f"readOnlyRootFilesystem: true; {writer.name} writes to {' and '.join(missing)}; {places}"
            yield tell(world, "read-only-root-writes", container.pods.obj, at, words, who=container.who, severity=severity)
        return
    tmp = "/tmp"  # noqa: S108 - a path in a container
    runtime = "nginx" if container.security("runAsUser") == 101 and not open_to else runtime_of(container)
    if runtime == "nginx":
        words = f"readOnlyRootFilesystem: true under user 101, who is nginx in its images; {places}"
        yield tell(world, "read-only-root-writes", container.pods.obj, at, words, who=container.who, severity="warning")
    elif runtime in TEMPORARY and not _covered(tmp, open_to) and "java.io.tmpdir" not in _flags(container)[0]:
        severity, why = TEMPORARY[runtime]
        words = f"readOnlyRootFilesystem: true; {why}; {places}"
        yield tell(world, "read-only-root-writes", container.pods.obj, at, words, who=container.who, severity=severity)


def _own_config(container: Container) -> bool:
    """Whether the image's configuration is replaced, which may send what it writes elsewhere."""
    paths = [path for path, volume, _ in mounts(container) if any(key in volume for key in ("configMap", "secret", "projected"))]
    return any(path.startswith(("/etc", "/usr/local", "/opt")) for path in paths) or bool(words_of(container))
