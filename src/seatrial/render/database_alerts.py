"""When somebody must look at a PostgreSQL that CloudNativePG runs: its copies, its backups, its connections.

The operator's instances show these series themselves; what is true of every store (down, restarts, volumes) is in `alerts`.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.render import cloudnative
from seatrial.render.scope import Scope
from seatrial.world.objects import Obj

#: Seconds that a copy may be behind, hours that the last backup may be old (one a night is made), segments that may wait.
LAG, BACKUP_HOURS, WAITING = 300, 36, 16
#: The share of the connections that may be taken.
TAKEN = 0.85


def rules(scope: Scope, name: str) -> Iterator[tuple[str, str, str, str, str, str, str]]:
    """Title, query, how long it must hold, severity, summary, description and what to do of each alert."""
    store, namespace = scope.app.stores[name], scope.app.namespace
    at = f'namespace="{namespace}",pod=~"{name}-[0-9]+"'
    status = f"kubectl cnpg -n {{{{ $labels.namespace }}}} status {name}"
    count = cloudnative.instances(store)
    if count > 1:
        yield (
            "InstanceMissing",
            f'sum by (namespace) (kube_pod_status_ready{{{at},condition="true"}}) < {count}',
            *("15m", "warning", f"{name} has fewer instances than it should"),
            f"{{{{ $value }}}} of {count} instances of {name} are ready.",
            status,
        )
        yield (
            "ReplicationLags",
            f"max by (namespace, pod) (cnpg_pg_replication_lag{{{at}}}) > {LAG}",
            *("5m", "warning", f"a copy of {name} is behind"),
            "{{ $labels.pod }} is {{ $value | humanizeDuration }} behind: if it took over, that would be lost.",
            status,
        )
    taken = f"sum by (namespace, pod) (cnpg_backends_total{{{at}}})"
    most = f'max by (namespace, pod) (cnpg_pg_settings_setting{{{at},name="max_connections"}})'
    yield (
        "ConnectionsNearMax",
        f"{taken}\n/ {most} > {TAKEN}",
        *("10m", "warning", f"{name} runs out of connections"),
        "{{ $value | humanizePercentage }} of the connections of {{ $labels.pod }} are taken.",
        f"make the pools of its callers smaller, or put a Pooler before {name}",
    )
    if not store.backup:
        return
    yield (
        "BackupOld",
        f"time() - max by (namespace) (cnpg_collector_last_available_backup_timestamp{{{at}}}) > {BACKUP_HOURS} * 3600",
        *("1h", "critical", f"{name} has no backup of today"),
        f"the last backup of {name} is {{{{ $value | humanizeDuration }}}} old.",
        "kubectl -n {{ $labels.namespace }} get backups,scheduledbackups",
    )
    yield (
        "WalNotArchived",
        f'max by (namespace, pod) (cnpg_collector_pg_wal_archive_status{{{at},value="ready"}}) > {WAITING}',
        *("15m", "critical", f"{name} cannot archive what it writes"),
        "{{ $value }} segments of {{ $labels.pod }} wait to be archived; they fill its volume.",
        f"{status}; may it write to {store.backup}?",
    )


def alerts(scope: Scope, name: str) -> list[Obj]:
    """The alerts of a database, if CloudNativePG runs it."""
    if not cloudnative.is_operated(scope, name):
        return []
    return [
        {
            "alert": title,
            "expr": expr,
            "for": wait,
            "labels": {"severity": severity},
            "annotations": {"summary": summary, "description": description, "runbook": runbook},
        }
        for title, expr, wait, severity, summary, description, runbook in rules(scope, name)
    ]
