"""DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or cannot be reached.

plugin/pkg/admission/defaulttolerationseconds/admission.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

#: Seconds.
DEFAULT_SECONDS = 300
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def admit(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource != "pods":
        return
    tolerations = obj["spec"].get("tolerations") or []
    missing = [key for key in TAINTS if not any(_covers(toleration, key) for toleration in tolerations)]
    if missing:
        obj["spec"]["tolerations"] = [*tolerations, *(_stay(key) for key in missing)]


def _covers(toleration: Obj, key: str) -> bool:
    return toleration.get("key") in (key, "", None) and toleration.get("effect") in ("NoExecute", "", None)


def _stay(key: str) -> Obj:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": DEFAULT_SECONDS}
