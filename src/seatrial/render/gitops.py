"""The order in which Argo CD applies an app with migrations: what they need, then they, then what serves and what leads to it.

A migration becomes a `Sync` hook, and not a `PreSync` one, which would wait for a ServiceAccount and stores that come after it.
A hook is not pruned when its name is another in the next version, so its Job goes by itself.  Flux needs nothing of this: the
name of a migration's Job is another whenever its template is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seatrial.render.jobs import KEPT
from seatrial.render.scope import COMPONENT, JOB, SERVICE, Scope
from seatrial.world.objects import Obj, labels_of

WAVE = "argocd.argoproj.io/sync-wave"
HOOK = {"argocd.argoproj.io/hook": "Sync", "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation", WAVE: "1"}
#: What waits for the migrations: workloads, what scales them, and what leads requests to them.
WAITING = frozenset(
    {"Deployment", "Rollout", "CronJob", "HorizontalPodAutoscaler", "ScaledObject", "VerticalPodAutoscaler"}
    | {"Ingress", "HTTPRoute", "VirtualService", "DestinationRule"}
)


def in_waves(scope: Scope, objects: Iterable[Obj]) -> Iterator[Obj]:
    """The objects, which may be changed, with the annotations that Argo CD goes by where it applies them."""
    waits = scope.app.platform.gitops == "argocd" and any(service.migrate for service in scope.app.services.values())
    for obj in objects:
        if waits and obj["kind"] == "Job":
            obj["metadata"]["annotations"] = {**obj["metadata"].get("annotations", {}), **HOOK}
            spec = obj["spec"]
            template = spec.pop("template")
            obj["spec"] = {**spec, "ttlSecondsAfterFinished": KEPT, "template": template}
        elif waits and obj["kind"] in WAITING and labels_of(obj).get(COMPONENT) in (SERVICE, JOB):
            obj["metadata"]["annotations"] = {**obj["metadata"].get("annotations", {}), WAVE: "2"}
        yield obj
