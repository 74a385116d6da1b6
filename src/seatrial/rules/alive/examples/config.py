# ruff: noqa: E501 - what the kubelet says is one line
"""Containers that the kubelet cannot make, and volumes that it cannot mount."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import Example, event, pod, runs, stream, thing, waits

_CONFIG_MAP = thing("v1", "ConfigMap", "api-config", "data:\n  LOG_LEVEL: info")
_ENV = "env:\n  - name: LOG_LEVEL\n    valueFrom: {configMapKeyRef: {name: api-config, key: %s}}"
_FROM = "envFrom:\n  - configMapRef: {name: api-config}"
_MOUNT = "volumeMounts:\n  - {name: config, mountPath: /etc/api}"
_VOLUME = "volumes:\n  - name: config\n    configMap: {name: api-config%s}"
_DATA, _CLAIM = (
    "volumeMounts:\n  - {name: data, mountPath: /data}",
    "volumes:\n  - name: data\n    persistentVolumeClaim: {claimName: data}",
)


def _not_made(container: str, words: str, **more: str) -> str:
    return pod(container, waits("CreateContainerConfigError", words), phase="Pending", **more)  # type: ignore[arg-type] # fields of the pod


def _not_mounted(container: str, volume: str, words: str, reason: str = "FailedMount") -> str:
    return stream(
        pod(container, waits("ContainerCreating"), phase="Pending", spec=volume, age=180), event(reason, words, count=8)
    )


def _up(container: str, *documents: str, spec: str = "", **more: str) -> str:
    return stream(pod(container, runs(), ready=True, spec=spec), *documents)


def _claim(phase: str) -> str:
    return thing(
        "v1",
        "PersistentVolumeClaim",
        "data",
        f"spec:\n  accessModes: [ReadWriteOnce]\n  storageClassName: standard\n  volumeName: pvc-6d0c2b1a\nstatus: {{phase: {phase}}}",
    )


EXAMPLES = {
    "config-object-missing": Example(_not_made(_FROM, 'configmap "api-config" not found'), _up(_FROM, _CONFIG_MAP)),
    "config-key-missing": Example(
        stream(_not_made(_ENV % "LOGLEVEL", "couldn't find key LOGLEVEL in ConfigMap shop/api-config"), _CONFIG_MAP),
        _up(_ENV % "LOG_LEVEL", _CONFIG_MAP),
    ),
    "config-root": Example(
        _not_made("", 'container has runAsNonRoot and image will run as root (pod: "api-7d4b9c6f5-x2kqp_shop(6f1c2d0e-9b3a-4c55-8d7f-2a1e0b9c8d7e)", container: api)', spec="securityContext: {runAsNonRoot: true}"),
        _up("", spec="securityContext: {runAsNonRoot: true, runAsUser: 10001}"),
    ),
    "config-invalid": Example(
        stream(_not_made("volumeMounts:\n  - {name: config, mountPath: /etc/api.yaml, subPath: ../api.yaml}", 'failed to prepare subPath for volumeMount "config" of container "api"', spec=_VOLUME % ""), _CONFIG_MAP),
        _up("volumeMounts:\n  - {name: config, mountPath: /etc/api.yaml, subPath: api.yaml}", _CONFIG_MAP, spec=_VOLUME % ""),
    ),
    "mount-object-missing": Example(
        _not_mounted(_MOUNT, _VOLUME % "", 'MountVolume.SetUp failed for volume "config" : configmap "api-config" not found'),
        _up(_MOUNT, _CONFIG_MAP, spec=_VOLUME % ""),
    ),
    "mount-key-missing": Example(
        stream(
            _not_mounted(_MOUNT, _VOLUME % ", items: [{key: api.yaml, path: api.yaml}]", 'MountVolume.SetUp failed for volume "config" : configmap references non-existent config key: api.yaml'),
            _CONFIG_MAP,
        ),
        _up(_MOUNT, _CONFIG_MAP, spec=_VOLUME % ", items: [{key: LOG_LEVEL, path: level}]"),
    ),
    "mount-claim-missing": Example(
        _not_mounted(_DATA, _CLAIM, 'Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: error processing PVC shop/data: failed to fetch PVC from API server: persistentvolumeclaims "data" not found'),
        _up(_DATA, _claim("Bound"), spec=_CLAIM),
    ),
    "mount-busy": Example(
        stream(_not_mounted(_DATA, _CLAIM, 'Multi-Attach error for volume "pvc-6d0c2b1a" Volume is already used by pod(s) api-5c8f7b6d9-h7j4m', "FailedAttachVolume"), _claim("Bound")),
        _up(_DATA, _claim("Bound"), spec=_CLAIM),
    ),
    "mount-failed": Example(
        stream(_not_mounted(_DATA, _CLAIM, 'MountVolume.MountDevice failed for volume "pvc-6d0c2b1a" : rpc error: code = DeadlineExceeded desc = context deadline exceeded'), _claim("Bound")),
        _up(_DATA, _claim("Bound"), spec=_CLAIM),
    ),
}  # fmt: skip
