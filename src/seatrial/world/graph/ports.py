"""The ports that an object declares, by name and number, with where it declares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seatrial.world.graph.edges import PodTemplate, Port
from seatrial.world.objects import Obj, Ref


def of_service(obj: Obj, ref: Ref) -> Iterator[Port]:
    """The ports of a Service. Its targetPort is its port where it has none, and may be a name."""
    for index, port in _items((obj.get("spec") or {}).get("ports")):
        number = _number(port.get("port"))
        target = port.get("targetPort")
        if isinstance(target, str) and target.isdigit():
            target = int(target)
        target = target if isinstance(target, (int, str)) and target != "" else number
        yield Port(ref, f"spec.ports[{index}]", number, _text(port.get("name")), _text(port.get("protocol")) or "TCP", target)


def of_template(template: PodTemplate) -> Iterator[Port]:
    """The ports of the containers of a pod, those of sidecars (init containers that go on) among them."""
    for list_ in ("containers", "initContainers"):
        for index, container in _items(template.spec.get(list_)):
            if list_ == "initContainers" and container.get("restartPolicy") != "Always":
                continue
            for nth, port in _items(container.get("ports")):
                path = f"{template.spec_path}.{list_}[{index}].ports[{nth}]"
                protocol = _text(port.get("protocol")) or "TCP"
                name, of = _text(port.get("name")), _text(container.get("name"))
                yield Port(template.ref, path, _number(port.get("containerPort")), name, protocol, None, of)


def of_gateway(obj: Obj, ref: Ref) -> Iterator[Port]:
    """The listeners of a Gateway: of the Gateway API (`listeners`) or of Istio (`servers`)."""
    spec = obj.get("spec") or {}
    for index, listener in _items(spec.get("listeners")):
        yield Port(ref, f"spec.listeners[{index}]", _number(listener.get("port")), _text(listener.get("name")),
                   _text(listener.get("protocol")))  # fmt: skip
    for index, server in _items(spec.get("servers")):
        port = server.get("port")
        if isinstance(port, dict):
            yield Port(ref, f"spec.servers[{index}].port", _number(port.get("number")), _text(port.get("name")),
                       _text(port.get("protocol")))  # fmt: skip


def of_entry(obj: Obj, ref: Ref) -> Iterator[Port]:
    """The ports of an Istio ServiceEntry."""
    for index, port in _items((obj.get("spec") or {}).get("ports")):
        yield Port(ref, f"spec.ports[{index}]", _number(port.get("number")), _text(port.get("name")),
                   _text(port.get("protocol")))  # fmt: skip


def fitting(ports: Iterable[Port], wanted: int | str) -> Port | None:
    """The port of that number or name; a number may be written as text."""
    number = int(wanted) if isinstance(wanted, str) and wanted.isdigit() else wanted
    return next((port for port in ports if (port.number == number if isinstance(number, int) else port.name == number)), None)


def _items(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield index, item


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
