"""Under which condition an object or a part of it is there, where not every environment has it: tables for the Helm packager.

A row gives a condition that a person would write; it is taken only if it holds in exactly the environments that have the thing.
What of the platform differs between environments becomes values of the whole chart, for conditions to ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from seatrial.package.helm.lifts import PODS, pattern, place_of, summed
from seatrial.package.helm.merge import Context, Place, Values, camel, expression
from seatrial.world.objects import Obj, group_of

MONITORED, TRACED = ".Values.monitoring.enabled", ".Values.telemetry.enabled"


def conditions(context: Context, place: Place) -> list[str]:
    """Conditions under which something may be there that not every environment has, the likeliest first."""
    where = place_of(context, place)
    if context.kind == "NetworkPolicy" and place[:2] == ("spec", "egress") and len(place) == 3:
        return _to_store(context, place[-1])
    return [row(context, place) for kinds, known, row in CONDITIONS if context.kind in kinds and known.fullmatch(where)]


def guards(context: Context) -> list[str]:
    """Conditions under which an object may be there that not every environment has."""
    own = [row(context) for row in GUARDS.get(context.kind, ())]
    if context.component != "store":
        return own
    here = f"not {context.path('host')}"
    return [*own, *(f"and {one} ({here})" for one in own if " " not in one), *of_store(context)]


def of_store(context: Context) -> list[str]:
    """Where a store is run by the chart itself: not by somebody else, and not by an operator."""
    if context.component != "store":
        return []
    here, operated = f"not {context.path('host')}", 'ne .Values.platform.postgres "cloudnative-pg"'
    return [here, operated, f"and ({here}) ({operated})"]


def monitored(context: Context) -> str:
    """Whether the metrics of this service alone are read."""
    return context.path("monitoring", "enabled")


def features(worlds: Mapping[str, Sequence[Obj]]) -> dict[str, Values]:
    """What of the platform is there in one environment and not in another, as values of the whole chart."""
    kinds = {environment: {f"{obj['kind']}.{group_of(obj)}" for obj in world} for environment, world in worlds.items()}
    found: dict[str, Values] = {environment: {} for environment in worlds}
    switches = {
        "monitoring": {env: any(kind.partition(".")[0] in MONITORS for kind in own) for env, own in kinds.items()},
        "telemetry": {env: any("OTEL_EXPORTER_OTLP_ENDPOINT" in repr(obj) for obj in world) for env, world in worlds.items()},
    }
    for name, there in switches.items():
        if len(set(there.values())) > 1:
            for environment, is_there in there.items():
                found[environment][name] = {"enabled": is_there}
    for name, words in PLATFORM.items():
        said = {env: next((word for kind, word in words.items() if kind in own), "none") for env, own in kinds.items()}
        if len(set(said.values())) > 1:
            for environment, word in said.items():
                found[environment].setdefault("platform", {})[name] = word
    return found


MONITORS = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
#: A part of the platform -> what tells it: a kind that is there only with it, and the word for it in the app file.
PLATFORM: dict[str, dict[str, str]] = {
    "ingress": {
        "HTTPRoute.gateway.networking.k8s.io": "gateway",
        "Gateway.networking.istio.io": "istio",
        "Ingress.networking.k8s.io": "ingress",
    },
    "mesh": {"PeerAuthentication.security.istio.io": "istio"},
    "rollouts": {"Rollout.argoproj.io": "argo-rollouts"},
    "secrets": {
        "ExternalSecret.external-secrets.io": "external-secrets",
        "SecretProviderClass.secrets-store.csi.x-k8s.io": "csi",
    },
    "autoscaling": {"ScaledObject.keda.sh": "keda", "HorizontalPodAutoscaler.autoscaling": "hpa"},
    "recommendations": {"VerticalPodAutoscaler.autoscaling.k8s.io": "vpa"},
    "postgres": {"Cluster.postgresql.cnpg.io": "cloudnative-pg"},
}


def _of_platform(part: str, word: str) -> Callable[[Context], str]:
    """The condition that a part of the platform is this one."""
    return lambda context: f'eq .Values.platform.{part} "{word}"'


def _but(part: str, word: str) -> Callable[[Context], str]:
    return lambda context: f'ne .Values.platform.{part} "{word}"'


def _several(context: Context) -> str:
    """Whether there is ever more than one pod."""
    return f"or {context.path('scale')} (gt (int {context.path('replicas')}) 1)"


def _always_several(context: Context) -> str:
    """Whether there is never less than two pods."""
    return f'gt (int (dig "scale" "min" (default 1 {context.path("replicas")}) {context.path()})) 1'


def _entered(context: Context, controller: str) -> str:
    """Whether the world comes in by this ingress controller."""
    return f'and {context.path("expose")} (eq .Values.ingress.className "{controller}")'


def _certified(context: Context) -> str:
    """Whether somebody issues the certificate of an Ingress."""
    return f"and {context.path('expose', 'tlsSecret')} .Values.ingress.issuer"


def _scaled_by(context: Context, controller: str) -> str:
    return f'and {context.path("scale")} (eq .Values.platform.autoscaling "{controller}")'


def _spread_as_a_rule(context: Context, place: Place) -> str:
    return f'eq {context.path("spread", place[-2].strip("[]").rpartition("/")[2])} "DoNotSchedule"'


def _to_store(context: Context, item: str) -> list[str]:
    """The way to a store: to its pods where it is in the cluster, to its address where somebody else runs it."""
    hosts = [expression(("stores", key, "host")) for key in context.hosted]
    return hosts if "ipBlock" in item else [f"not {host}" for host in hosts]


def _waits_for(context: Context, place: Place) -> str:
    """A store that somebody else runs is not waited for."""
    return f"not {expression(('stores', camel(place[-1].strip('[]').removeprefix('wait-for-')), 'host'))}"


CONDITIONS: list[tuple[tuple[str, ...], re.Pattern[str], Callable[[Context, Place], str]]] = [
    (kinds, pattern(place), row)
    for kinds, place, row in (
        (("Deployment", "Rollout"), "spec replicas", lambda context, _: f"not {context.path('scale')}"),
        (("Deployment", "Rollout"), "pod spec topologySpreadConstraints", lambda context, _: _several(context)),
        (PODS, "pod spec topologySpreadConstraints * nodeTaintsPolicy", _spread_as_a_rule),
        (PODS, "pod spec nodeSelector", lambda context, _: context.path("nodeSelector")),
        (PODS, "pod spec affinity", lambda context, _: context.path("affinity")),
        (PODS, "pod spec initContainers [wait-for-*", _waits_for),
        (PODS, "pod spec ** [otel-agent]", lambda context, _: TRACED),
        (PODS, "pod spec ** env [OTEL_*", lambda context, _: TRACED),
        (PODS, "pod spec ** env [POD_NAME]", lambda context, _: TRACED),
        (PODS, "pod spec ** env [POD_NAMESPACE]", lambda context, _: TRACED),
        (PODS, "pod spec ** env own [OTEL_*", lambda context, _: TRACED),
        (PODS, "pod spec ** env own [POD_NAME]", lambda context, _: TRACED),
        (PODS, "pod spec ** env own [POD_NAMESPACE]", lambda context, _: TRACED),
        (PODS, "pod metadata annotations checksum/**", lambda context, place: summed(context, place[-1])),
        (("Secret",), "stringData *", lambda context, place: f'hasKey {context.path("secrets")} "{place[-1]}"'),
        (("HorizontalPodAutoscaler",), "spec metrics [cpu]", lambda context, _: context.path("scale", "cpu")),
        (("HorizontalPodAutoscaler",), "spec metrics [memory]", lambda context, _: context.path("scale", "memory")),
        (("ServiceAccount",), "metadata annotations", lambda context, _: context.path("serviceAccount", "annotations")),
        (("Ingress",), "spec tls", lambda context, _: context.path("expose", "tlsSecret")),
        (("Ingress",), "metadata annotations cert-manager.io/cluster-issuer", lambda context, _: _certified(context)),
        (("Deployment", "Rollout"), "metadata annotations seatrial.dev/migration", lambda context, _: context.path("migrate")),
        (("Service",), "spec externalName", lambda context, _: context.path("host")),
        (("Service",), "spec selector", lambda context, _: f"not {context.path('host')}"),
        (("Service",), "spec ports", lambda context, _: f"not {context.path('host')}"),
        (("StatefulSet",), "spec volumeClaimTemplates", lambda context, _: context.path("storage")),
        (("StatefulSet",), "spec volumeClaimTemplates * spec storageClassName", lambda c, _: c.path("storageClass")),
        (("StatefulSet",), "pod spec volumes [data]", lambda context, _: f"not {context.path('storage')}"),
        (("NetworkPolicy",), "spec ingress **'monitoring'**", lambda context, _: MONITORED),
        (("NetworkPolicy",), "spec ingress **'monitoring'**", lambda context, _: monitored(context)),
        (("NetworkPolicy",), "spec ingress **'ingress-nginx'**", lambda context, _: _entered(context, "nginx")),
        (("NetworkPolicy",), "spec ingress **'traefik'**", lambda context, _: _entered(context, "traefik")),
        (("PrometheusRule",), "spec groups * rules [JobFailed]", lambda context, _: context.path("jobs")),
        (("PrometheusRule",), "spec groups * rules [JobMissed]", lambda context, _: context.path("jobs")),
        (("PrometheusRule",), "spec groups * rules [Autoscaler*", lambda context, _: context.path("scale")),
        (("PrometheusRule",), "spec groups * rules [CertificateExpires]", lambda context, _: _certified(context)),
    )
]

GUARDS: dict[str, tuple[Callable[[Context], str], ...]] = {
    "HorizontalPodAutoscaler": (lambda context: context.path("scale"), lambda context: _scaled_by(context, "hpa")),
    "ScaledObject": (
        lambda context: context.path("scale"),
        lambda context: _scaled_by(context, "keda"),
        _of_platform("autoscaling", "keda"),
    ),
    "TriggerAuthentication": (_of_platform("autoscaling", "keda"),),
    "VerticalPodAutoscaler": (_of_platform("recommendations", "vpa"),),
    "PodDisruptionBudget": (_always_several,),
    "Deployment": (_but("rollouts", "argo-rollouts"),),
    **dict.fromkeys(("Rollout", "AnalysisTemplate"), (_of_platform("rollouts", "argo-rollouts"),)),
    "Service": (_of_platform("rollouts", "argo-rollouts"),),
    "NetworkPolicy": (lambda context: "" if context.prefix else ".Values.ingress.issuer",),
    "ServiceAccount": (_of_platform("secrets", "external-secrets"),),
    "Ingress": (lambda context: context.path("expose"), _of_platform("ingress", "ingress")),
    "HTTPRoute": (_of_platform("ingress", "gateway"), _of_platform("mesh", "istio")),
    "Gateway": (lambda context: _of_platform("ingress", "istio" if "istio" in context.group else "gateway")(context),),
    **dict.fromkeys(
        ("VirtualService", "DestinationRule", "PeerAuthentication", "AuthorizationPolicy", "ServiceEntry", "Sidecar"),
        (_of_platform("mesh", "istio"), _of_platform("ingress", "istio")),
    ),
    "Certificate": (_of_platform("ingress", "istio"), _of_platform("ingress", "gateway")),
    "Secret": (lambda context: context.path("secrets"),),
    "ExternalSecret": (lambda context: context.path("externalSecret"), _of_platform("secrets", "external-secrets")),
    "SecretStore": (_of_platform("secrets", "external-secrets"),),
    "SecretProviderClass": (_of_platform("secrets", "csi"),),
    "ConfigMap": (lambda context: context.path("config") if context.prefix else MONITORED,),
    **dict.fromkeys(MONITORS, (lambda context: MONITORED, monitored)),
    **dict.fromkeys(("Cluster", "ScheduledBackup", "Backup"), (_of_platform("postgres", "cloudnative-pg"),)),
    "Job": (lambda context: context.path("migrate"),),
}
