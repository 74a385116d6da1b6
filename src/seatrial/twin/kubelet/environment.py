"""The variables of a container: what they are made of, in which order, and the expansion of `$(NAME)`.

Follows pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), pkg/kubelet/envvars and third_party/forked/golang/expansion.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seatrial.twin.kubelet.fields import FieldError, container_resource, pod_field
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj


class ConfigError(Exception):
    """Why a container cannot be configured: the message of CreateContainerConfigError."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the variables of a pod's containers are resolved against."""

    registry: Registry
    pod: Obj
    addresses: Mapping[str, str]  # podIP, hostIP
    allocatable: Mapping[str, str]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` where the name is known; `$$` is a dollar sign, and what is unknown stays as it is written."""
    if "$" not in text:
        return text
    out, position = [], 0
    while position < len(text):
        dollar = text.find("$", position)
        if dollar < 0 or dollar + 1 == len(text):
            out.append(text[position:])
            break
        out.append(text[position:dollar])
        following = text[dollar + 1]
        close = text.find(")", dollar + 2) if following == "(" else -1
        if following == "$":
            out.append("$")
            position = dollar + 2
        elif close >= 0:
            name = text[dollar + 2 : close]
            out.append(values.get(name, f"$({name})"))
            position = close + 1
        else:
            out.append(text[dollar : dollar + 2])
            position = dollar + 2
    return "".join(out)


def variables(around: Surroundings, container: Obj) -> dict[str, str]:
    """The variables of a container. Raises ConfigError with Kubernetes' words."""
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        values.update(_from_source(around, source))
    links = service_variables(around.registry, around.pod)
    for variable in container.get("env") or ():
        found = _value(around, container, variable, {**links, **values})
        if found is not None:
            values[variable["name"]] = found
    return {**{name: value for name, value in links.items() if name not in values}, **values}


def command_of(container: Obj, values: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The container's command and arguments, expanded."""
    return (
        tuple(expand(word, values) for word in container.get("command") or ()),
        tuple(expand(word, values) for word in container.get("args") or ()),
    )


def _from_source(around: Surroundings, source: Obj) -> dict[str, str]:
    prefix = source.get("prefix", "")
    for field, reader in (("configMapRef", config_map_data), ("secretRef", secret_data)):
        ref = source.get(field)
        if ref is not None:
            data = reader(around.registry, around.pod["metadata"]["namespace"], ref["name"], bool(ref.get("optional")))
            return {prefix + key: value.decode(errors="replace") for key, value in (data or {}).items()}
    return {}


def _value(around: Surroundings, container: Obj, variable: Obj, known: Mapping[str, str]) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return expand(variable.get("value", ""), known)
    try:
        if "fieldRef" in source:
            return pod_field(around.pod, source["fieldRef"]["fieldPath"], around.addresses)
        if "resourceFieldRef" in source:
            return container_resource(around.pod, source["resourceFieldRef"], container["name"], around.allocatable)
    except FieldError as error:
        raise ConfigError(str(error)) from None
    for field, reader, kind in (("configMapKeyRef", config_map_data, "ConfigMap"), ("secretKeyRef", secret_data, "Secret")):
        ref = source.get(field)
        if ref is not None:
            return _key(around, ref, reader(around.registry, _namespace(around), ref["name"], bool(ref.get("optional"))), kind)
    return None


def _namespace(around: Surroundings) -> str:
    return str(around.pod["metadata"]["namespace"])


def _key(around: Surroundings, ref: Obj, data: dict[str, bytes] | None, kind: str) -> str | None:
    if data is not None and ref["key"] in data:
        return data[ref["key"]].decode(errors="replace")
    if ref.get("optional"):
        return None
    raise ConfigError(f"couldn't find key {ref['key']} in {kind} {_namespace(around)}/{ref['name']}")


def config_map_data(registry: Registry, namespace: str, name: str, optional: bool = False) -> dict[str, bytes] | None:
    """The keys of a ConfigMap; None where it is missing and may be."""
    found = registry.find("configmaps", namespace, name)
    if found is None:
        if optional:
            return None
        raise ConfigError(f'configmap "{name}" not found')
    text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def secret_data(registry: Registry, namespace: str, name: str, optional: bool = False) -> dict[str, bytes] | None:
    """The keys of a Secret; None where it is missing and may be."""
    found = registry.find("secrets", namespace, name)
    if found is None:
        if optional:
            return None
        raise ConfigError(f'secret "{name}" not found')
    return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}


# Services


def service_variables(registry: Registry, pod: Obj) -> dict[str, str]:
    """The variables that name Services: those of the pod's namespace unless it does without, and `kubernetes` always."""
    found: dict[str, str] = {}
    master = registry.find("services", "default", "kubernetes")
    if master is not None:
        found.update(_links(master))
    if pod["spec"].get("enableServiceLinks", True):
        for service in registry.list("services", pod["metadata"]["namespace"]):
            found.update(_links(service))
    return found


def _links(service: Obj) -> dict[str, str]:
    spec = service["spec"]
    address, ports = spec.get("clusterIP"), spec.get("ports") or []
    if not address or address == "None" or not ports:
        return {}
    prefix = service["metadata"]["name"].upper().replace("-", "_")
    found = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            found[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for first, port in _first(ports):
        protocol = (port.get("protocol") or "TCP").upper()
        url = f"{protocol.lower()}://{address}:{port['port']}"
        if first:
            found[f"{prefix}_PORT"] = url
        stem = f"{prefix}_PORT_{port['port']}_{protocol}"
        found |= {stem: url, f"{stem}_PROTO": protocol.lower(), f"{stem}_PORT": str(port["port"]), f"{stem}_ADDR": address}
    return found


def _first(ports: Iterable[Obj]) -> Iterable[tuple[bool, Obj]]:
    return ((index == 0, port) for index, port in enumerate(ports))
