"""When somebody must look inside a process: what a JVM shows of its heap, its collector and its pool of connections.

The series are those of Micrometer, which Spring Boot and others use; where a service shows others, these alerts stay silent.
"""

from __future__ import annotations

from seatrial.app.model import Service
from seatrial.render.scope import Scope
from seatrial.render.telemetry import target
from seatrial.world.objects import Obj

#: The shares of the heap, and of the time spent collecting it, from which on a JVM is in trouble.
FULL, COLLECTING = 0.95, 0.1


def alerts(scope: Scope, name: str, service: Service) -> list[Obj]:
    """The alerts of a service on a JVM that shows metrics."""
    if service.runtime != "jvm" or not service.metrics:
        return []
    at, logs = target(scope, name), "kubectl -n {{ $labels.namespace }} logs {{ $labels.pod }} --since=15m"
    heap = f'{at},area="heap"'
    used, most = (
        f"sum by (namespace, pod) (jvm_memory_used_bytes{{{heap}}})",
        f"sum by (namespace, pod) (jvm_memory_max_bytes{{{heap}}} > 0)",
    )
    found = (
        (
            "HeapNearLimit",
            f"{used}\n/ {most} > {FULL}",
            f"the heap of {name} is nearly full",
            "{{ $value | humanizePercentage }} of the heap of {{ $labels.pod }} are in use.",
            f"give {name} a larger `size`, or find what it keeps: {logs}",
        ),
        (
            "CollectorBusy",
            f"sum by (namespace, pod) (rate(jvm_gc_pause_seconds_sum{{{at}}}[5m])) > {COLLECTING}",
            f"{name} stands still to collect garbage",
            "{{ $labels.pod }} stood still for {{ $value | humanizePercentage }} of the time.",
            f"give {name} a larger `size`: its heap follows",
        ),
        (
            "ConnectionsAwaited",
            f"sum by (namespace, pod) (hikaricp_connections_pending{{{at}}}) > 0",
            f"requests to {name} wait for a connection to the database",
            "{{ $value }} threads of {{ $labels.pod }} wait for a connection.",
            f"slow queries, or a pool too small for the requests: {logs}",
        ),
    )
    return [
        {
            "alert": title,
            "expr": expr,
            "for": "10m",
            "labels": {"severity": "warning"},
            "annotations": {"summary": summary, "description": description, "runbook": runbook},
        }
        for title, expr, summary, description, runbook in found
    ]
