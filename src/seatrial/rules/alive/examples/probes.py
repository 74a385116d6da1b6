# ruff: noqa: E501 - what a probe meets is one line
"""Probes that do not pass, in the words of the kubelet."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import Example, ago, event, pod, runs, stream

_PORTS = "ports:\n  - {name: http, containerPort: 8080}\n"


def _probe(question: str, kind: str = "readiness", more: str = "") -> str:
    return f"{_PORTS}{kind}Probe:\n  {question}\n  periodSeconds: 10{more}"


def _fails(probe: str, words: str, *, seconds: float = 120, ready: bool = False, count: int = 11) -> str:
    return stream(
        pod(probe, runs(seconds, ready=ready), ready=ready, age=seconds + 5),
        event("Unhealthy", words, count=count, before=4, container="api"),
    )


def _passes(probe: str) -> str:
    return pod(probe, runs(), ready=True)


_READY = "httpGet: {path: /ready, port: 8080}"
_AT = "http://10.244.1.7"

_INIT = "initContainers:\n  - name: wait\n    image: registry.example/tools:1\n    command: [sh, -c, 'until nc -z db 5432; do sleep 2; done']"

EXAMPLES = {
    "init-waits": Example(
        pod(spec=_INIT, phase="Pending", state=f"initContainerStatuses:\n  - {{name: wait, ready: false, restartCount: 0, state: {{running: {{startedAt: {ago(200)}}}}}}}"),
        pod(spec=_INIT, state=f"initContainerStatuses:\n  - {{name: wait, ready: true, restartCount: 0, state: {{terminated: {{exitCode: 0, reason: Completed, startedAt: {ago(590)}, finishedAt: {ago(585)}}}}}}}\n{runs()}", ready=True),
    ),
    "probe-port": Example(
        _fails(_probe("httpGet: {path: /ready, port: 8081}"), f'Readiness probe failed: Get "{_AT}:8081/ready": dial tcp 10.244.1.7:8081: connect: connection refused'),
        _passes(_probe("httpGet: {path: /ready, port: http}")),
    ),
    "probe-path": Example(
        _fails(_probe("httpGet: {path: /readyz, port: http}"), "Readiness probe failed: HTTP probe failed with statuscode: 404"),
        _passes(_probe(_READY)),
    ),
    "probe-refused": Example(
        _fails(_probe("httpGet: {path: /, port: http}"), "Readiness probe failed: HTTP probe failed with statuscode: 401"),
        _passes(_probe(_READY)),
    ),
    "probe-scheme": Example(
        _fails(_probe("httpGet: {path: /ready, port: 8080, scheme: HTTPS}"), 'Readiness probe failed: Get "https://10.244.1.7:8080/ready": http: server gave HTTP response to HTTPS client'),
        _passes(_probe("httpGet: {path: /ready, port: 8080, scheme: HTTP}")),
    ),
    "probe-command": Example(
        _fails(
            _probe('exec: {command: [curl, -f, "http://localhost:8080/ready"]}'),
            'Readiness probe errored and resulted in unknown state: rpc error: code = Unknown desc = failed to exec in container: failed to start exec "4f0c1d": OCI runtime exec failed: exec failed: unable to start container process: exec: "curl": executable file not found in $PATH',
        ),
        _passes(_probe(_READY)),
    ),
    "probe-fails": Example(
        _fails(_probe(_READY), "Readiness probe failed: HTTP probe failed with statuscode: 503", seconds=15, count=1),
        _passes(_probe(_READY)),
    ),
    "probe-not-passing": Example(
        _fails(_probe(_READY), "Readiness probe failed: HTTP probe failed with statuscode: 503", seconds=240, count=23),
        _passes(_probe(_READY)),
    ),
    "probe-failing-liveness": Example(
        _fails(
            _probe("httpGet: {path: /healthz, port: 8080}", "liveness", "\n  failureThreshold: 30"),
            f'Liveness probe failed: Get "{_AT}:8080/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
            seconds=900, ready=True, count=9,
        ),
        _passes(_probe("httpGet: {path: /healthz, port: 8080}", "liveness", "\n  failureThreshold: 3")),
    ),
}  # fmt: skip
