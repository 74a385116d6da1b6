"""What containers of services, jobs and migrations have in common: variables, resources, safety, and where they may write.

A root file system is read-only and /tmp an emptyDir; a runtime that writes elsewhere gets those folders too.  What a runtime is
told of its memory and CPU is in `runtimes`, which secrets must be mounted to exist in `secrets`.
"""

from __future__ import annotations

from seatrial.app.checks import variable
from seatrial.app.model import Profile, ServiceKeys, StoreKeys
from seatrial.render import identity, secrets, tracing
from seatrial.render.config import has_password
from seatrial.render.runtimes import WRITABLE, tuning
from seatrial.render.runtimes import memory_limit as memory_limit
from seatrial.render.scope import Scope, without_empty
from seatrial.world.objects import Obj

#: Ports of the stores, by kind.
STORE_PORTS = {"postgres": 5432, "redis": 6379}

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
    variables += tracing.variables(scope, name, service)
    given = {entry["name"] for entry in variables} | (service.config or {}).keys()
    for key, value in tuning(service, scope.app.profile(name)).items():
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
    user, password = store.user if store.postgres else "", variable(name, "PASSWORD")
    own = [secret_variable(password, name, "password")] if has_password(store) else []
    credentials = f"{user}:$({password})@" if own else ""
    return [*own, {"name": key, "value": _address(scope, name, store, credentials)}]


def _address(scope: Scope, name: str, store: StoreKeys, credentials: str) -> str:
    """The URL of a store. Clients of Redis compare its certificate with the host they asked for, so they ask by its own name."""
    host, port = store_host(scope, name), STORE_PORTS["postgres" if store.postgres else "redis"]
    if store.postgres:
        mode = "?sslmode=require" if by_tls(scope, name) else ""
        return f"postgresql://{credentials}{host}:{port}/{store.database}{mode}"
    if by_tls(scope, name):
        return f"rediss://{credentials}{store.host or host}:{port}"
    return f"redis://{credentials}{host}:{port}"


def by_tls(scope: Scope, name: str) -> bool:
    """Whether a store is called with TLS. What is rendered has no certificate but CloudNativePG's: in `dev`, where a store of
    ours may stand for another's, it is called without."""
    store = scope.app.stores[name]
    if not store.host and not is_operated(scope, name):
        return False
    if store.tls is None:
        return bool(store.host and store.postgres)
    return store.tls


def store_host(scope: Scope, name: str) -> str:
    """The name by which a store is called: of CloudNativePG's Services the one that leads to the instance that writes."""
    return f"{name}-rw" if is_operated(scope, name) else name


def is_operated(scope: Scope, name: str) -> bool:
    """Whether CloudNativePG runs a store."""
    store = scope.app.stores[name]
    return bool(store.postgres) and not store.host and scope.app.platform.postgres == "cloudnative-pg"


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
    name = letters.strip("-")[:60].strip("-") or "root"
    taken = name.startswith("secrets-") or name == tracing.AGENT_VOLUME  # those are the volumes of secrets and of the agent
    return f"at-{name}" if taken else name


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
        "volumeMounts": [*scratch_mounts(folders(service)), *secrets.mounted(scope, name)[1]],
    }


def pod_labels(scope: Scope, name: str, component: str) -> dict[str, str]:
    """The labels of a pod of a service or store."""
    return {**scope.selector(name, component), **scope.common(), **identity.labels(scope, name)}


def pod_spec(scope: Scope, name: str, service: ServiceKeys, containers: list[Obj]) -> Obj:
    """The parts of a pod that a service's own pods, its jobs and its migration share."""
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": bool(service.permissions),
        "enableServiceLinks": False,
        "securityContext": pod_security(service.user or 10001),
        **placement(scope, service),
        "containers": containers,
        "volumes": [*scratch_volumes(folders(service)), *secrets.mounted(scope, name)[0]],
    }


def placement(scope: Scope, service: ServiceKeys | None = None) -> Obj:
    """The nodes that pods may run on, as an affinity: those of the platform, and of these the service's own."""
    labels = {**(scope.app.platform.nodes or {}), **((service.nodes if service else None) or {})}
    if not labels:
        return {}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [_expression(key, value) for key, value in labels.items()]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def _expression(key: str, value: str | bool) -> Obj:
    if isinstance(value, bool):
        return {"key": key, "operator": "Exists" if value else "DoesNotExist"}
    return {"key": key, "operator": "In", "values": [value]}


def pod_annotations(scope: Scope) -> dict[str, str]:
    """Annotations of all pods. In the mesh, the proxy starts before the first init container and ends after the last container:
    so a migration can wait for its store, a Job ends when its process does, and a request in flight still gets out."""
    return {"sidecar.istio.io/nativeSidecar": "true"} if scope.app.platform.mesh == "istio" else {}
