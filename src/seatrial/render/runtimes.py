"""What a runtime must be told of the memory and CPU it has, and where it must be able to write.

A runtime that looks at the machine sees the node and not the container: heaps, collectors, threads and worker processes come out
too large, and the kernel ends what a garbage collector would have saved.  Memory follows the limit; CPU follows the limit where
there is one, for without one a container may use what the node has to spare.  The user of a container has no home, so those that
look for one get /tmp.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from seatrial.app.model import Profile, ServiceKeys
from seatrial.world import quantity

#: Folders that a runtime writes to besides /tmp.
WRITABLE = {"nginx": ("/var/cache/nginx", "/var/run")}

#: Below this limit, or with one processor, the serial collector needs less than it saves: what a JVM itself calls no server
#: (hotspot/share/runtime/os.cpp, is_server_class_machine: two processors and 1792 MiB).
SERVER_MEMORY, SERVER_CPUS = 1792 << 20, 2

#: What a worker process of Python is reckoned to need, in bytes.
WORKER = 128 << 20

SCRATCH_HOME = "/tmp"  # noqa: S108


def memory_limit(profile: Profile) -> str:
    """The most memory a container of a size may use: what is set aside for it unless it says more."""
    return profile.limits.memory or profile.memory


def tuning(service: ServiceKeys, profile: Profile) -> dict[str, str]:
    """The variables that a service's runtime is given, unless the service says otherwise."""
    kind = KINDS.get(service.runtime or "")
    return kind(service, profile) if kind else {}


def processors(profile: Profile) -> int | None:
    """How many processors there are under a CPU limit, rounded up as a JVM and Go do; None without a limit."""
    return max(1, ceil(quantity.millis(profile.limits.cpu) / 1000)) if profile.limits.cpu else None


def _heap(service: ServiceKeys, profile: Profile) -> int:
    """The share of the limit that a heap may take, in MiB."""
    return quantity.whole(memory_limit(profile)) * (service.heap or 75) // 100 >> 20


def _jvm(service: ServiceKeys, profile: Profile) -> dict[str, str]:
    """A JVM reads the limits by itself; by default it takes a quarter of the memory and picks its collector by the machine."""
    count = processors(profile)
    serial = quantity.whole(memory_limit(profile)) < SERVER_MEMORY or (count or SERVER_CPUS) < SERVER_CPUS
    options = [f"-XX:MaxRAMPercentage={service.heap or 75}.0", "-XX:+UseSerialGC" if serial else "-XX:+UseG1GC"]
    if count:
        options.append(f"-XX:ActiveProcessorCount={count}")
    options += ["-XX:+ExitOnOutOfMemoryError", f"-Duser.home={SCRATCH_HOME}"]
    return {"JAVA_TOOL_OPTIONS": " ".join(options)}


def _node(service: ServiceKeys, profile: Profile) -> dict[str, str]:
    caches = {"HOME": SCRATCH_HOME, "npm_config_cache": f"{SCRATCH_HOME}/.npm", "npm_config_update_notifier": "false"}
    return {"NODE_OPTIONS": f"--max-old-space-size={_heap(service, profile)}", **caches}


def _go(service: ServiceKeys, profile: Profile) -> dict[str, str]:
    """Go keeps to a limit of memory only when it is told, and before 1.25 ran as many threads as the node has processors."""
    count = processors(profile)
    found = {"GOMEMLIMIT": f"{_heap(service, profile)}MiB"}
    return found | {"GOMAXPROCS": str(count)} if count else found


def _python(service: ServiceKeys, profile: Profile) -> dict[str, str]:
    """Gunicorn and Uvicorn read how many processes to start."""
    return {
        "HOME": SCRATCH_HOME,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "WEB_CONCURRENCY": str(service.workers or workers(profile)),
    }


def workers(profile: Profile) -> int:
    """A process for each processor it may count on, as far as the memory goes. More of it is what replicas are for."""
    by_cpu = processors(profile) or max(1, quantity.millis(profile.cpu) // 1000)
    return max(1, min(by_cpu, quantity.whole(memory_limit(profile)) // WORKER))


KINDS: dict[str, Callable[[ServiceKeys, Profile], dict[str, str]]] = {"jvm": _jvm, "node": _node, "go": _go, "python": _python}
