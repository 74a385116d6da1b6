# ruff: noqa: E501 - what logs and runtimes say is one line
"""Containers that end again and again, one example for each way of it."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import (
    IMAGE,
    UP,
    Example,
    block,
    ended,
    event,
    lines,
    loops,
    pod,
    runs,
    stream,
    thing,
)

_RUNC = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: "
_PATHLESS = _RUNC + 'exec: "serve": executable file not found in $PATH'
_ONTO = (
    _RUNC
    + 'error mounting "/var/lib/kubelet/pods/1b/volume-subpaths/settings/api/0" to rootfs at "/srv/app.yaml": not a directory: unknown: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type'
)
_FILE = "volumeMounts:\n  - {name: settings, mountPath: /srv/app.yaml, subPath: %s}"
_SETTINGS = "volumes:\n  - name: settings\n    configMap: {name: settings}"
_WELL = runs()


def _up(container: str = "", **more: str) -> str:
    return pod(container, _WELL, ready=True, **more)  # type: ignore[arg-type] # fields of the pod


_DATABASE = thing("v1", "Service", "db", "spec:\n  selector: {app: db}\n  ports: [{port: 5432}]")
_OLD, _NEW = "api-5c8f7b6d9", "api-7d4b9c6f5"
_OWNED = "ownerReferences: [{apiVersion: apps/v1, kind: %s, name: %s, uid: %s, controller: true}]"
_LIVENESS = "livenessProbe:\n  httpGet: {path: /healthz, port: 8080}\n  initialDelaySeconds: 5\n  periodSeconds: 10\n  failureThreshold: 3"
_STARTUP = "\nstartupProbe:\n  httpGet: {path: /healthz, port: 8080}\n  periodSeconds: 5\n  failureThreshold: 24"


def _deployment(ready: int, container: str) -> str:
    status = f"status: {{replicas: 2, updatedReplicas: 1, readyReplicas: {ready}, availableReplicas: {ready}}}"
    spec = "spec:\n  replicas: 2\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: api}}\n    spec:\n      containers:\n        - name: api"
    spec = lines(spec, block(f"image: {IMAGE}\n{container}", 10)).rstrip()
    return thing("apps/v1", "Deployment", "api", f"{spec}\n{status}", meta="uid: d-1", age=86400)


def _set(name: str, uid: str, replicas: int) -> str:
    return thing(
        "apps/v1",
        "ReplicaSet",
        name,
        f"spec: {{replicas: {replicas}}}",
        meta=f"uid: {uid}, {_OWNED % ('Deployment', 'api', 'd-1')}",
    )


def _started_in(seconds: int) -> str:
    """A pod of the version before, without the probe, that was ready so many seconds after its start."""
    name = f"{_OLD}-h7j4m"
    return pod(
        state=runs(3600 - 5),
        ready=True,
        age=3600,
        after=5 + seconds,
        name=name,
        meta="labels: {app: api}, " + _OWNED % ("ReplicaSet", _OLD, "r-1"),
    )


def _probed(container: str, state: str, *, ready: bool = False) -> str:
    return stream(
        _deployment(1 + ready, container), _set(_OLD, "r-1", 1), _set(_NEW, "r-2", 1), _started_in(41),
        pod(container, state, ready=ready, meta="labels: {app: api}, " + _OWNED % ("ReplicaSet", _NEW, "r-2")),
    )  # fmt: skip


_MIGRATION = "initContainers:\n  - name: migrate\n    image: " + IMAGE + "\n    command: [alembic, upgrade, head]"
_HOST = "hostNetwork: true"
_UPLOADS = "---\n" + thing(
    "v1", "PersistentVolumeClaim", "uploads",
    "spec:\n  accessModes: [ReadWriteOnce]\n  volumeName: pvc-6d0c2b1a\n  resources: {requests: {storage: 5Gi}}\nstatus: {phase: Bound, capacity: {storage: 5Gi}}",
)  # fmt: skip
_DATA = "volumeMounts:\n  - {name: data, mountPath: /data}"
_VOLUME = "volumes:\n  - name: data\n    persistentVolumeClaim: {claimName: orders}"
_CLAIM = thing(
    "v1", "PersistentVolumeClaim", "orders",
    "spec:\n  accessModes: [ReadWriteOnce]\n  volumeName: pvc-41c7\n  resources: {requests: {storage: %s}}\nstatus: {phase: Bound}",
)  # fmt: skip

EXAMPLES = {
    "crash-oom": Example(
        pod("resources:\n  limits: {memory: 128Mi}", loops(137, "OOMKilled", lasted=21)),
        _up("resources:\n  limits: {memory: 512Mi}"),
        log="INFO started\nINFO loading 40,000 products into the cache",
    ),
    "crash-heap": Example(
        pod("env:\n  - {name: JAVA_TOOL_OPTIONS, value: -Xmx192m -XX:+ExitOnOutOfMemoryError}\nresources:\n  limits: {memory: 1Gi}", loops(3, lasted=48)),
        _up("env:\n  - {name: JAVA_TOOL_OPTIONS, value: -XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError}\nresources:\n  limits: {memory: 1Gi}"),
        log="INFO catalog: 18,000 of 40,000 products\nTerminating due to java.lang.OutOfMemoryError: Java heap space",
    ),
    "crash-command-not-found": Example(
        pod("command: [serve, --port, '8080']", loops(128, "StartError", message=_PATHLESS, lasted=0)),
        _up("command: [/app/bin/serve, --port, '8080']"),
    ),
    "crash-mount": Example(
        pod(_FILE % "app.yml", loops(128, "StartError", message=_ONTO, lasted=0), spec=_SETTINGS),
        _up(_FILE % "app.yaml", spec=_SETTINGS),
    ),
    "crash-wrong-architecture": Example(
        pod("", loops(255, lasted=0)),
        _up(spec="nodeSelector: {kubernetes.io/arch: arm64}"),
        log="exec /app/server: exec format error",
    ),
    "crash-permission": Example(
        pod("securityContext: {runAsUser: 10001}\nvolumeMounts:\n  - {name: data, mountPath: /data}", loops(1), spec="volumes:\n  - name: data\n    persistentVolumeClaim: {claimName: uploads}") + _UPLOADS,
        _up("securityContext: {runAsUser: 10001}\nvolumeMounts:\n  - {name: data, mountPath: /data}", spec="securityContext: {fsGroup: 10001}\nvolumes:\n  - name: data\n    persistentVolumeClaim: {claimName: uploads}") + _UPLOADS,
        log='  File "/app/store.py", line 12, in <module>\n    os.makedirs("/data/uploads")\nPermissionError: [Errno 13] Permission denied: \'/data/uploads\'',
    ),
    "crash-read-only": Example(
        pod("securityContext: {readOnlyRootFilesystem: true}", loops(1)),
        _up("securityContext: {readOnlyRootFilesystem: true}\nvolumeMounts:\n  - {name: tmp, mountPath: /tmp}", spec="volumes:\n  - {name: tmp, emptyDir: {}}"),
        log="OSError: [Errno 30] Read-only file system: '/tmp/uploads'",
    ),
    "crash-config": Example(
        pod("env:\n  - {name: LOG_LEVEL, value: info}", loops(1)),
        _up("env:\n  - {name: LOG_LEVEL, value: info}\n  - name: DATABASE_URL\n    valueFrom: {secretKeyRef: {name: api, key: DATABASE_URL}}"),
        log='  File "/app/settings.py", line 7, in <module>\n    url = os.environ["DATABASE_URL"]\nKeyError: \'DATABASE_URL\'',
    ),
    "crash-certificate": Example(
        pod("", loops(1)),
        _up("volumeMounts:\n  - {name: tls, mountPath: /etc/tls, readOnly: true}", spec="volumes:\n  - name: tls\n    secret: {secretName: api-tls}"),
        log="open /etc/tls/tls.crt: no such file or directory",
    ),
    "crash-port-taken": Example(
        pod("", loops(1), spec=_HOST), _up(), log="listen tcp :8080: bind: address already in use"
    ),
    "crash-migration": Example(
        pod("", loops(1)),
        _up(spec=_MIGRATION, status=ended(0, name="migrate", init=True, before=590)),
        log='sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedTable) relation "orders" does not exist',
    ),
    "crash-config-invalid": Example(
        pod("args: [--log-lvl=debug]", loops(2, lasted=0)),
        _up("args: [--log-level=debug]"),
        log="flag provided but not defined: -log-lvl\nUsage of /app/server:\n  -log-level string",
    ),
    "crash-code-missing": Example(
        pod("command: [node, /app/dist/serve.js]", loops(1, lasted=0)),
        _up("command: [node, /app/dist/server.js]"),
        log="Error: Cannot find module '/app/dist/serve.js'\n    at Function._resolveFilename (node:internal/modules/cjs/loader:1225:15) {\n  code: 'MODULE_NOT_FOUND'\n}\nNode.js v22.11.0",
    ),
    "crash-disk-full": Example(
        stream(pod(_DATA, loops(1), spec=_VOLUME), _CLAIM % "1Gi"),
        stream(_up(_DATA, spec=_VOLUME), _CLAIM % "20Gi"),
        log="OSError: [Errno 28] No space left on device: '/data/orders-0007.parquet'",
    ),
    "crash-credentials": Example(
        pod("env:\n  - name: DATABASE_URL\n    valueFrom: {secretKeyRef: {name: api, key: DATABASE_URL}}", loops(1)),
        _up("env:\n  - name: DATABASE_URL\n    valueFrom: {secretKeyRef: {name: db-app, key: uri}}"),
        log='psycopg.OperationalError: connection failed: connection to server at "10.96.14.3", port 5432 failed: FATAL:  password authentication failed for user "shop"',
    ),
    "crash-dependency": Example(
        stream(pod("", loops(1)), _DATABASE, pod("image: postgres:16", runs(30, ready=False), name="db-0", meta="labels: {app: db}", age=60)),
        stream(UP, _DATABASE, pod("image: postgres:16", runs(), ready=True, name="db-0", meta="labels: {app: db}")),
        log='psycopg.OperationalError: connection failed: connection to server at "db" (10.96.14.3), port 5432 failed: Connection refused',
        also=frozenset({"service-no-endpoints"}),
    ),
    "crash-signal": Example(
        pod("", loops(139, lasted=75)), _up("image: registry.example/api:1.4.3"), log="INFO resizing image 4711"
    ),
    "crash-completed": Example(
        pod("command: [sh, -c, start-server &]", loops(0, lasted=1)), _up("command: [sh, -c, exec start-server]")
    ),
    "crash-hook": Example(
        stream(
            pod("lifecycle: {postStart: {exec: {command: [sh, -c, /opt/warm-up.sh]}}}", loops(137, lasted=2)),
            event("FailedPostStartHook", "PostStartHook failed", count=4, before=41, container="api"),
        ),
        _up("lifecycle: {postStart: {exec: {command: [sh, -c, /app/warm-up.sh]}}}"),
    ),
    "crash-exit": Example(
        pod("", loops(2)),
        _up("image: registry.example/api:1.4.3"),
        log="panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:31 +0x1d",
    ),
    "probe-kills": Example(
        stream(
            _probed(_LIVENESS, loops(137, lasted=65)),
            event("Killing", "Container api failed liveness probe, will be restarted", kind="Normal", count=5, before=70, container="api"),
            event("Unhealthy", 'Liveness probe failed: Get "http://10.244.1.7:8080/healthz": dial tcp 10.244.1.7:8080: connect: connection refused', count=15, before=70, container="api"),
        ),
        _probed(_LIVENESS + _STARTUP, runs(), ready=True),
    ),
}  # fmt: skip
