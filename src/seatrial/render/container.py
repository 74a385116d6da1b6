"""What containers of services, jobs and migrations have in common: variables, resources, safety, and where they may write.

A root file system is read-only and /tmp an emptyDir; a runtime that writes elsewhere gets those folders too.  Heaps follow
the memory limit, in the way each runtime wants to be told.
"""

from __future__ import annotations

from seatrial.app.checks import variable
from seatrial.app.model import Profile, ServiceKeys
from seatrial.render.scope import Scope, without_empty
from seatrial.world import quantity
from seatrial.world.objects import Obj

#: Ports of the stores, by kind.
STORE_PORTS = {"postgres": 5432, "redis": 6379}

#: Folders that a runtime writes to besides /tmp.
WRITABLE = {"nginx": ("/var/cache/nginx", "/var/run")}

#: The most that an emptyDir may hold, so that a process that fills its disk takes itself down and not its node.
SCRATCH = "1Gi"


def environment(scope: Scope, name: str, service: ServiceKeys) -> list[Obj]:
    """The variables of a service's containers, `config` aside (that comes whole, from the ConfigMap)."""
    variables: list[Obj] = [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    if service.port:
        variables.append({"name": "PORT", "value": str(service.port)})
    for call in service.calls or ():
        variables += _call(scope, call.name, call.url)
    for key in service.secrets or ():
        variables.append(secret_variable(key, name, key))
    given = {entry["name"] for entry in variables} | (service.config or {}).keys()
    for key, value in _tuning(scope, name, service).items():
        if key not in given:
            variables.append({"name": key, "value": value})
    return variables


def secret_variable(variable_name: str, secret: str, key: str) -> Obj:
    return {"name": variable_name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _call(scope: Scope, name: str, url: str | None) -> list[Obj]:
    """How a service learns where something is that it calls. A password comes first: `$(…)` sees only what stands above."""
    if not name:
        return []
    key = variable(name, "URL")
    if url:
        return [{"name": key, "value": url}]
    store = scope.app.stores.get(name)
    if store is None:
        return [{"name": key, "value": f"http://{name}:{scope.app.services[name].port}"}]
    if store.redis:
        return [{"name": key, "value": f"redis://{name}:{STORE_PORTS['redis']}"}]
    password = variable(name, "PASSWORD")
    address = f"{store.user}:$({password})@{name}:{STORE_PORTS['postgres']}/{store.database}"
    return [secret_variable(password, name, "password"), {"name": key, "value": f"postgresql://{address}"}]


def _tuning(scope: Scope, name: str, service: ServiceKeys) -> dict[str, str]:
    """What a runtime must be told of its memory and its read-only root."""
    limit = quantity.whole(memory_limit(scope.app.profile(name)))
    share = service.heap or 75
    match service.runtime:
        case "jvm":  # reads the limit by itself, and by default takes a quarter of it
            return {"JAVA_TOOL_OPTIONS": f"-XX:MaxRAMPercentage={share}.0 -XX:+ExitOnOutOfMemoryError"}
        case "node":
            return {"NODE_OPTIONS": f"--max-old-space-size={limit * share // 100 >> 20}"}
        case "go":
            return {"GOMEMLIMIT": f"{limit * share // 100 >> 20}MiB"}
        case "python":
            return {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    return {}


def memory_limit(profile: Profile) -> str:
    return profile.limits.memory or profile.memory


def resources(profile: Profile) -> Obj:
    """Requests and limits of a size. Without a limit of its own, CPU is limited only by what others of the node leave."""
    limits = without_empty({"cpu": profile.limits.cpu, "memory": memory_limit(profile)})
    return {"requests": {"cpu": profile.cpu, "memory": profile.memory}, "limits": limits}


def container_security() -> Obj:
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def pod_security(user: int) -> Obj:
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def folders(service: ServiceKeys) -> list[str]:
    """The folders a service's containers may write to."""
    return list(dict.fromkeys(("/tmp", *WRITABLE.get(service.runtime or "", ()), *(service.writable or ()))))  # noqa: S108


def volume_name(path: str) -> str:
    """`/var/cache/nginx` as the name of a volume."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in path.lower().strip("/"))
    return letters.strip("-")[:63].strip("-") or "root"


def scratch_volumes(paths: list[str]) -> list[Obj]:
    return [{"name": name, "emptyDir": {"sizeLimit": SCRATCH}} for name in _names(paths)]


def scratch_mounts(paths: list[str]) -> list[Obj]:
    return [{"name": name, "mountPath": path} for name, path in zip(_names(paths), paths, strict=True)]


def _names(paths: list[str]) -> list[str]:
    """A name for each path, numbered where two paths would share one."""
    names: list[str] = []
    for path in paths:
        name, number = volume_name(path), 2
        while name in names:
            name, number = f"{volume_name(path)[:60]}-{number}", number + 1
        names.append(name)
    return names


def container(scope: Scope, name: str, service: ServiceKeys, called: str) -> Obj:
    """A container of a service's image, named `called`, without what only a serving one has (ports, probes)."""
    return {
        "name": called,
        "image": scope.image(name, service),
        "env": environment(scope, name, service),
        **({"envFrom": [{"configMapRef": {"name": name}}]} if service.config else {}),
        "resources": resources(scope.app.profile(name)),
        "securityContext": container_security(),
        "volumeMounts": scratch_mounts(folders(service)),
    }


def pod_labels(scope: Scope, name: str, component: str) -> dict[str, str]:
    """The labels of a pod of a service or store."""
    return {**scope.selector(name, component), **scope.common()}


def pod_spec(scope: Scope, name: str, service: ServiceKeys, containers: list[Obj]) -> Obj:
    """The parts of a pod that a service's own pods, its jobs and its migration share."""
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(service.user or 10001),
        "containers": containers,
        "volumes": scratch_volumes(folders(service)),
    }
