"""metrics.k8s.io: what pods and nodes use, as `kubectl top` and the HorizontalPodAutoscaler ask for it."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.twin import errors
from seatrial.twin.api.http import Request, Response, json_response
from seatrial.twin.api.listing import scope_of
from seatrial.twin.api.paths import Target
from seatrial.twin.clock import timestamp
from seatrial.twin.kubelet.runtime import Usage as ContainerUsage
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource
from seatrial.world.objects import Obj, dig

#: A pod's usage by container name; None while nothing is known of it.
Usage = Callable[[Obj], dict[str, ContainerUsage] | None]

_API = "metrics.k8s.io/v1beta1"
#: Seconds a figure is an average of.
WINDOW = 15
_VERBS = ("get", "list")
PODS = Resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", verbs=_VERBS, storage="pods")
NODES = Resource("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", namespaced=False, verbs=_VERBS, storage="nodes")


class Metrics:
    """`usage` None: there is no metrics API, as in a cluster without a metrics server."""

    def __init__(self, registry: Registry, usage: Usage | None) -> None:
        self._registry, self._usage = registry, usage
        if usage is not None:
            registry.resources.add(PODS)
            registry.resources.add(NODES)

    def answer(self, request: Request, target: Target) -> Response:
        if self._usage is None or target.version != "v1beta1" or target.plural not in ("pods", "nodes") or target.subresource:
            return Response(404, b"404 page not found\n", b"text/plain; charset=utf-8")
        if request.method != "GET":
            raise errors.method_not_allowed()
        kind, made = (PODS, self._pod) if target.plural == "pods" else (NODES, self._node)
        if target.name:
            obj = self._registry.find(target.plural, target.namespace, target.name)
            figures = made(obj) if obj else None
            if figures is None:
                what = f"{target.namespace}/{target.name}" if target.namespace else target.name
                raise errors.not_found("metrics.k8s.io", f"{target.plural}", what)
            return json_response(200, figures)
        scope = scope_of(request, kind, target.namespace)
        objects = [obj for obj in self._registry.list(target.plural, scope.namespace) if scope.takes(obj)]
        items = [figures for figures in map(made, objects) if figures is not None]
        return json_response(200, {"kind": f"{kind.kind}List", "apiVersion": _API, "metadata": {}, "items": items})

    def _pod(self, pod: Obj) -> Obj | None:
        used = self._usage(pod) if self._usage else None
        if not used:
            return None
        containers = [{"name": name, "usage": _written(usage.cpu, usage.memory)} for name, usage in used.items()]
        return self._document("PodMetrics", pod, {"containers": containers})

    def _node(self, node: Obj) -> Obj | None:
        name, cpu, memory = node["metadata"]["name"], 0.0, 0
        for pod in self._registry.list("pods"):
            used = self._usage(pod) if self._usage and dig(pod, "spec.nodeName") == name else None
            for usage in (used or {}).values():
                cpu, memory = cpu + usage.cpu, memory + usage.memory
        return self._document("NodeMetrics", node, {"usage": _written(cpu, memory)})

    def _document(self, kind: str, obj: Obj, more: Obj) -> Obj:
        now, metadata = timestamp(self._registry.clock.now()), obj["metadata"]
        named = {key: metadata[key] for key in ("name", "namespace", "labels") if key in metadata}
        return {
            "kind": kind,
            "apiVersion": _API,
            "metadata": {**named, "creationTimestamp": now},
            "timestamp": now,
            "window": f"{WINDOW}s",
            **more,
        }


def _written(cpu: float, memory: int) -> Obj:
    """Nanocores and kibibytes, as the metrics server writes them."""
    return {"cpu": f"{round(cpu * 1e9)}n" if cpu else "0", "memory": f"{-(-memory // 1024)}Ki"}
