"""Why objects have what no line of the app file asked for: the production answers, by where they stand.

The first row that fits is taken: a pattern of kinds, one of paths (items of lists by their name), and the reason.
"""

from __future__ import annotations

import re

WORKLOADS = "Deployment|Rollout|StatefulSet|Job|CronJob"

REASONS: tuple[tuple[str, str, str], ...] = (
    (".*", r"metadata\.namespace", "the environment's `namespace`, or <app>-<environment>"),
    (".*", r".*labels\[?.*", "the labels that Kubernetes recommends: selectors, policies and monitors go by them"),
    (".*", r".*checksum/.*", "pods are rolled when what they read at their start changes"),
    (WORKLOADS, r".*resources\.limits\.cpu", "the size limits CPU"),
    (WORKLOADS, r".*resources\.limits.*", "memory has a limit, so that a leak ends one pod and not its node"),
    (WORKLOADS, r".*resources\.requests.*", "the scheduler sets it aside, and autoscalers reckon in shares of it"),
    (WORKLOADS, r".*runAs(User|Group|NonRoot)", "nothing runs as root; `user` gives another number"),
    (WORKLOADS, r".*fsGroup.*", "volumes belong to the group of the process that writes to them"),
    (WORKLOADS, r".*seccompProfile.*", "the system calls of the container engine's own list, as pod security `restricted` asks"),
    (WORKLOADS, r".*readOnlyRootFilesystem", "what breaks in cannot write; `writable` names folders that can be written to"),
    (WORKLOADS, r".*capabilities.*", "a service needs none of root's capabilities, as pod security `restricted` asks"),
    (WORKLOADS, r".*allowPrivilegeEscalation", "a process never gets more rights than it began with"),
    (WORKLOADS, r".*automountServiceAccountToken", "who does not call the Kubernetes API gets no key to it"),
    (WORKLOADS, r".*enableServiceLinks", "variables of all Services of a namespace are noise, and may clash with the app's own"),
    (
        WORKLOADS,
        r".*terminationGracePeriodSeconds",
        "`drain` and `grace` together: the pause before SIGTERM, and the time after it",
    ),
    (WORKLOADS, r".*preStop.*", "a pod goes on answering while it is taken out of the Services, so that no request is lost"),
    (
        WORKLOADS,
        r".*startupProbe.*",
        "nothing else is asked until the first answer; `health.startup` says how long that may take",
    ),
    (WORKLOADS, r".*livenessProbe.*", "a container that hangs is started again, after three answers that fail"),
    (WORKLOADS, r".*readinessProbe.*", "requests come only while the container answers"),
    (WORKLOADS, r".*topologySpreadConstraints.*", "one zone or node that fails takes only a part of the pods with it"),
    (WORKLOADS, r".*strategy.*maxUnavailable", "a roll never has less pods than are wanted"),
    (WORKLOADS, r".*strategy.*", "new pods come before old ones go"),
    (WORKLOADS, r".*env\[POD_IP\].*", "a process may listen on its pod's own address"),
    (WORKLOADS, r".*env\[PORT\].*", "a process learns its port from it"),
    (WORKLOADS, r".*env\[[A-Z0-9_]+_(URL|PASSWORD)\].*", "`calls` tells the service where the other one is"),
    (WORKLOADS, r".*volumes?(Mounts)?\[tmp\].*", "the root is read-only, and most programs write to /tmp"),
    (WORKLOADS, r".*volumes?(Mounts)?.*", "what the runtime writes to, as the root is read-only"),
    (WORKLOADS, r"spec\.replicas", "two, so that one may go"),
    (WORKLOADS, r".*revisionHistoryLimit", "as many old versions as anybody rolls back to"),
    (
        "Job|CronJob",
        r".*backoffLimit|.*activeDeadlineSeconds|.*ttlSeconds.*",
        "a job ends: by itself, or by its time or its failures",
    ),
    ("CronJob", r".*concurrencyPolicy", "a run that takes too long is not joined by the next"),
    ("CronJob", r".*", "a job that was missed is started once, and old ones are cleared away"),
    ("HorizontalPodAutoscaler|ScaledObject", r".*behavior.*", "it grows at once and shrinks slowly, so that it does not swing"),
    ("ScaledObject", r".*fallback.*", "a source that is silent never shrinks a service"),
    ("PodDisruptionBudget", r".*maxUnavailable", "a drain takes one pod after the other, and is never blocked"),
    ("PodDisruptionBudget", r".*unhealthyPodEvictionPolicy", "a pod that is broken anyway does not hold up a drain"),
    ("NetworkPolicy", r".*", "nothing is open but what `calls`, `expose` and `metrics` ask for, and DNS"),
    ("ResourceQuota", r".*", "room for every service at its most replicas, twice while it is rolled"),
    ("LimitRange", r".*", "a container that says nothing gets the small size"),
    ("Namespace", r".*pod-security.*", "pods that ask for more than production should give are refused"),
    ("ServiceAccount", r".*", "each service is somebody of its own, with no rights but those it asks for"),
    ("Ingress", r".*pathType", "a path and all below it"),
    ("PrometheusRule", r".*", "what wakes somebody is what users notice; the rest is told by day"),
    ("VerticalPodAutoscaler", r".*updateMode", "it recommends and changes nothing"),
    ("PeerAuthentication", r".*", "calls without mutual TLS are refused"),
    ("AnalysisTemplate", r".*", "a canary is judged by ratios of sums, and only once it had enough requests"),
)


def reason(kind: str, path: str) -> str:
    """Why a value at a path of a kind is there; "" where there is nothing to say."""
    return next(
        (why for kinds, place, why in REASONS if re.fullmatch(kinds, kind) and re.fullmatch(place, path)),
        "",
    )
