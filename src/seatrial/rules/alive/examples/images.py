# ruff: noqa: E501 - what registries and runtimes say is one line
"""Images that cannot be pulled, in the words of containerd and of registries."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import IMAGE, UP, Example, event, pod, runs, stream, waits

_LAYER = "sha256:3b1b3ac9f8d4c1a7e2f5b6d8c9e0a1b2c3d4e5f60718293a4b5c6d7e8f901234"


def _pulls(answer: str, image: str = IMAGE, spec: str = "") -> str:
    """A pod that waits for its image; the kubelet tells the registry's answer with its own words before it."""
    words = f'Back-off pulling image "{image}": ErrImagePull: {answer}'
    return stream(
        pod(f"image: {image}", waits("ImagePullBackOff", words), phase="Pending", spec=spec),
        event("Failed", f'Failed to pull image "{image}": {answer}', count=4, before=35, container="api"),
    )


def _unresolved(image: str, answer: str, code: str = "Unknown") -> str:
    return f'rpc error: code = {code} desc = failed to pull and unpack image "{image}": failed to resolve reference "{image}": {answer}'


def _up(image: str = IMAGE, **more: str) -> str:
    return pod(f"image: {image}", runs(), ready=True, **more)  # type: ignore[arg-type] # fields of the pod


_TYPO, _CAPITALS = "registry.example/api:1.4.22", "registry.example/API:1.4.2"
_NEVER = "imagePullPolicy: Never"

EXAMPLES = {
    "image-name": Example(
        pod(
            f"image: {_CAPITALS}",
            waits("InvalidImageName", f'Failed to apply default image tag "{_CAPITALS}": couldn\'t parse image name "{_CAPITALS}": invalid reference format: repository name (API) must be lowercase'),
            phase="Pending",
        ),
        UP,
    ),
    "image-not-found": Example(_pulls(_unresolved(_TYPO, f"{_TYPO}: not found", "NotFound"), _TYPO), _up()),
    "image-platform": Example(
        _pulls(f'rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": no match for platform in manifest: not found'),
        _up(spec="nodeSelector: {kubernetes.io/arch: amd64}"),
    ),
    "image-unauthorized": Example(
        _pulls(_unresolved(IMAGE, "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://registry.example/token?scope=repository%3Aapi%3Apull: 401 Unauthorized")),
        _up(spec="imagePullSecrets:\n  - name: registry-example"),
    ),
    "image-never-pulled": Example(
        pod(_NEVER, waits("ErrImageNeverPull", f'Container image "{IMAGE}" is not present with pull policy of Never'), phase="Pending"),
        pod("imagePullPolicy: IfNotPresent", runs(), ready=True),
    ),
    "image-disk": Example(
        _pulls(f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": failed to extract layer {_LAYER}: write /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/88/fs/app/model.bin: no space left on device: unknown'),
        UP,
    ),
    "image-rate-limit": Example(
        _pulls(_unresolved(IMAGE, "unexpected status from HEAD request to https://registry.example/v2/api/manifests/1.4.2: 429 Too Many Requests: toomanyrequests: You have reached your unauthenticated pull rate limit")),
        UP,
    ),
    "image-network": Example(
        _pulls(_unresolved(IMAGE, 'failed to do request: Head "https://registry.example/v2/api/manifests/1.4.2": dial tcp: lookup registry.example on 10.0.0.2:53: no such host')),
        UP,
    ),
    "image-pull": Example(
        _pulls(f'rpc error: code = FailedPrecondition desc = failed to pull and unpack image "{IMAGE}": failed commit on ref "layer-{_LAYER}": unexpected commit size 1048576, expected 7340032: failed precondition'),
        UP,
    ),
}  # fmt: skip
