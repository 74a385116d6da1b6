"""The volumes of a pod, resolved into what a runtime can make: files read from the API, folders, claims.

Follows pkg/volume/{configmap,secret,projected,downwardapi}; where a volume lives and how it is mounted is the runtime's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from seatrial.twin.kubelet.environment import ConfigError, Surroundings, config_map_data, secret_data
from seatrial.twin.kubelet.fields import FieldError, container_resource, pod_field
from seatrial.twin.kubelet.runtime import Mount, Volume
from seatrial.world import quantity
from seatrial.world.objects import Obj

#: namespace, service account, audiences, seconds it is good for, the pod it is bound to -> a token. Raises PermissionError.
TokenIssuer = Callable[[str, str, tuple[str, ...], int, Obj], str]

DEFAULT_MODE = 0o644


class MountError(Exception):
    """Why a volume cannot be mounted; the message of the FailedMount event."""


@dataclass(slots=True)
class _Files:
    files: dict[str, bytes]
    modes: dict[str, int]


def resolve(around: Surroundings, volume: Obj, token: TokenIssuer) -> Volume:
    """One volume of a pod's spec. Raises MountError."""
    name = volume["name"]
    try:
        return _resolve(around, volume, token)
    except (ConfigError, FieldError, PermissionError) as error:
        raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None


def _resolve(around: Surroundings, volume: Obj, token: TokenIssuer) -> Volume:
    name, namespace = volume["name"], around.pod["metadata"]["namespace"]
    for field in ("configMap", "secret", "projected", "downwardAPI"):
        source = volume.get(field)
        if source is not None:
            content = _Files({}, {})
            sources = source.get("sources") or () if field == "projected" else ({field: source},)
            _collect(around, sources, content, token)
            return Volume(name, "files", content.files, content.modes, source.get("defaultMode", DEFAULT_MODE))
    if volume.get("emptyDir") is not None:
        source = volume["emptyDir"]
        limit = quantity.whole(source["sizeLimit"]) if source.get("sizeLimit") else None
        return Volume(name, "memory" if source.get("medium") == "Memory" else "empty", size_limit=limit)
    if volume.get("hostPath"):
        return Volume(name, "host", path=volume["hostPath"]["path"])
    claim = claim_of(around.pod, volume)
    if claim:
        _check_claim(around, name, namespace, claim)
        return Volume(name, "claim", claim=f"{namespace}/{claim}")
    return Volume(name, "empty")


def claim_of(pod: Obj, volume: Obj) -> str:
    """The name of the claim behind a volume, "" when there is none."""
    if volume.get("persistentVolumeClaim"):
        return str(volume["persistentVolumeClaim"]["claimName"])
    if volume.get("ephemeral") is not None:
        return f"{pod['metadata']['name']}-{volume['name']}"
    return ""


def _check_claim(around: Surroundings, volume: str, namespace: str, claim: str) -> None:
    found = around.registry.find("persistentvolumeclaims", namespace, claim)
    if found is None:
        why = f'failed to fetch PVC from API server: persistentvolumeclaims "{claim}" not found'
    elif (found.get("status") or {}).get("phase") != "Bound":
        why = f"PVC is not bound: {namespace}/{claim}"
    else:
        return
    raise MountError(
        f"Unable to attach or mount volumes: unmounted volumes=[{volume}], unattached volumes=[], "
        f"failed to process volumes=[{volume}]: error processing PVC {namespace}/{claim}: {why}"
    )


def _collect(around: Surroundings, sources: Iterable[Obj], into: _Files, token: TokenIssuer) -> None:
    """Gather the files of all sources; what is wrong with several is told together, as an aggregate of errors is."""
    wrong: list[str] = []
    for source in sources:
        try:
            _gather(around, source, into, token)
        except (ConfigError, FieldError) as error:
            if str(error) not in wrong:
                wrong.append(str(error))
    if wrong:
        raise ConfigError(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")


def _gather(around: Surroundings, source: Obj, into: _Files, token: TokenIssuer) -> None:
    namespace = around.pod["metadata"]["namespace"]
    if source.get("configMap") is not None:
        ref = source["configMap"]
        data = config_map_data(around.registry, namespace, ref["name"], bool(ref.get("optional")))
        _items(ref, data, "configmap references non-existent config key: {}", into)
    if source.get("secret") is not None:
        ref = source["secret"]
        data = secret_data(around.registry, namespace, ref.get("secretName") or ref.get("name", ""), bool(ref.get("optional")))
        _items(ref, data, "references non-existent secret key: {}", into)
    if source.get("downwardAPI") is not None:
        for item in source["downwardAPI"].get("items") or ():
            into.files[item["path"]] = _downward(around, item).encode()
            if item.get("mode") is not None:
                into.modes[item["path"]] = item["mode"]
    if source.get("serviceAccountToken") is not None:
        ref = source["serviceAccountToken"]
        account = around.pod["spec"].get("serviceAccountName") or "default"
        audiences = (ref["audience"],) if ref.get("audience") else ()
        into.files[ref["path"]] = token(namespace, account, audiences, ref.get("expirationSeconds", 3600), around.pod).encode()


def _items(ref: Obj, data: Mapping[str, bytes] | None, missing: str, into: _Files) -> None:
    if data is None:
        return
    if not ref.get("items"):
        into.files.update(data)
        return
    for item in ref["items"]:
        if item["key"] not in data:
            if ref.get("optional"):
                continue
            raise ConfigError(missing.format(item["key"]))
        into.files[item["path"]] = data[item["key"]]
        if item.get("mode") is not None:
            into.modes[item["path"]] = item["mode"]


def _downward(around: Surroundings, item: Obj) -> str:
    if item.get("fieldRef"):
        return pod_field(around.pod, item["fieldRef"]["fieldPath"], around.addresses)
    return container_resource(around.pod, item["resourceFieldRef"], "", around.allocatable)


def sources(pod: Obj) -> Iterator[tuple[str, str, str]]:
    """Resource, name and volume of every ConfigMap and Secret that a pod mounts."""
    for volume in pod["spec"].get("volumes") or ():
        parts = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for part in parts:
            if part.get("configMap"):
                yield "configmaps", part["configMap"]["name"], volume["name"]
            if part.get("secret"):
                yield "secrets", part["secret"].get("secretName") or part["secret"].get("name", ""), volume["name"]


def token_lives(volume: Obj) -> Iterator[float]:
    """Seconds for which the tokens in a volume are good."""
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("serviceAccountToken") is not None:
            yield float(source["serviceAccountToken"].get("expirationSeconds") or 3600)


def mounts_of(container: Obj, expand: Callable[[str], str]) -> tuple[Mount, ...]:
    """Where a container wants its volumes; `expand` serves `subPathExpr`."""
    return tuple(
        Mount(
            mount["name"],
            mount["mountPath"],
            bool(mount.get("readOnly")),
            expand(mount["subPathExpr"]) if mount.get("subPathExpr") else mount.get("subPath", ""),
        )
        for mount in container.get("volumeMounts") or ()
    )
