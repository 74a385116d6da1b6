"""What a service runs besides serving: its migration, once for each release, and its jobs at set times.

The migration is an ordinary Job whose name ends in the checksum of its pod template, so that it runs again exactly when its
image, command or variables change (a Job's template cannot be changed in place).  It waits for the stores it calls in an
init container of their own image, and so needs no particular order: in a first release it is created together with the
stores, runs as soon as they answer, and the service becomes ready when it finds its tables (readiness, not a crash, is how a
service waits; `maxUnavailable: 0` keeps the version before serving meanwhile).  A Helm `pre-install` hook would run before the
stores of the same chart exist, and a `post-install` hook with `--wait` only after services that need it are ready.
The Helm packager makes the same Job a `pre-upgrade` hook where all it needs is there already, so that a migration that
fails ends an upgrade before any pod is touched.  Its variables stand in the template itself and not in the ConfigMap,
which at that moment is still that of the version before.
"""

from __future__ import annotations

from math import ceil

from seatrial.app.model import Job, Service
from seatrial.render.container import (
    container,
    container_security,
    pod_annotations,
    pod_labels,
    pod_spec,
    resources,
    secret_variable,
    store_host,
)
from seatrial.render.scope import JOB, MIGRATION, Scope, checksum, without_empty
from seatrial.render.store import image, ready_command
from seatrial.world.objects import Obj

#: Seconds a migration may take, all tries together, and for how long a finished Job is kept to be looked at.
MIGRATION_DEADLINE, KEPT = 1800, 86400


def migration(scope: Scope, name: str) -> Obj | None:
    service = scope.app.services[name]
    if not service.migrate:
        return None
    main = _without_config_map(scope, name, service, "migrate", list(service.migrate))
    template = _template(scope, name, service, MIGRATION, main, "OnFailure")
    waits = _waits(scope, service)
    if waits:
        spec = template["spec"]
        template["spec"] = {key: value for key, value in spec.items() if key not in ("containers", "volumes")}
        template["spec"] |= {"initContainers": waits, "containers": spec["containers"], "volumes": spec["volumes"]}
    title = f"{name}-migrate-{checksum(template)[:10]}"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": scope.meta(title, name, MIGRATION),
        "spec": {"backoffLimit": 6, "activeDeadlineSeconds": MIGRATION_DEADLINE, "template": template},
    }


def _without_config_map(scope: Scope, name: str, service: Service, called: str, command: list[str]) -> Obj:
    main = _commanded(container(scope, name, service, called), command)
    main.pop("envFrom", None)
    main["env"] = [*main["env"], *({"name": key, "value": value} for key, value in sorted((service.config or {}).items()))]
    return main


def _commanded(main: Obj, command: list[str]) -> Obj:
    return {"name": main["name"], "image": main["image"], "command": command, **main}


def _waits(scope: Scope, service: Service) -> list[Obj]:
    """An init container for each store that the service calls, that runs here and keeps data: it ends when the store answers."""
    waits = []
    for call in service.calls or ():
        store = scope.app.stores.get(call.name)
        if store is None or store.host or not (store.postgres or store.storage):
            continue
        waits.append(
            {
                "name": f"wait-for-{store_host(scope, call.name)}",
                "image": image(store),
                "command": ["/bin/sh", "-c", f"until {ready_command(store, store_host(scope, call.name))}; do sleep 1; done"],
                **({"env": [secret_variable("REDISCLI_AUTH", call.name, "password")]} if store.password else {}),
                "resources": resources(scope.app.sizes["small"]),
                "securityContext": container_security(),
            }
        )
    return waits


def _template(scope: Scope, name: str, service: Service, component: str, main: Obj, restart: str) -> Obj:
    spec = pod_spec(scope, name, service, [main])
    head = {key: spec.pop(key) for key in ("serviceAccountName", "automountServiceAccountToken", "enableServiceLinks")}
    metadata = without_empty({"labels": pod_labels(scope, name, component), "annotations": pod_annotations(scope)})
    return {
        "metadata": metadata,
        "spec": {**head, "restartPolicy": restart, **spec},
    }


def cron_jobs(scope: Scope, name: str) -> list[Obj]:
    service = scope.app.services[name]
    return [_cron_job(scope, name, service, title, job) for title, job in (service.jobs or {}).items()]


def _cron_job(scope: Scope, name: str, service: Service, title: str, job: Job) -> Obj:
    main = _commanded(container(scope, name, service, title), list(job.run))
    spec: Obj = {
        "backoffLimit": 2,
        "activeDeadlineSeconds": ceil(job.timeout or 3600),
        "ttlSecondsAfterFinished": KEPT,
        "template": _template(scope, name, service, JOB, main, "Never"),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": scope.meta(f"{name}-{title}", name, JOB),
        "spec": {
            "schedule": job.schedule,
            "timeZone": job.timeZone or "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 300,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": spec},
        },
    }
