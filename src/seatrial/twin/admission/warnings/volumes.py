"""Volumes of a pod: kinds that are gone, and files that land on each other (pkg/api/pod/warnings.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from seatrial.twin.admission.warnings import quantities
from seatrial.world.admission.causes import quote
from seatrial.world.objects import Obj

#: In the order they are asked for.
DEPRECATED = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
#: Kubernetes names this one as its Go field.
_SHOWN = {"storageos": "storageOS"}


def deprecated(source: Obj, at: str) -> Iterator[str]:
    for key, why in DEPRECATED.items():
        if key in source:
            yield f"{at}.{_SHOWN.get(key, key)}: {why}"


def volumes(listed: Iterable[Obj], at: str) -> Iterator[str]:
    for index, volume in enumerate(listed):
        yield from deprecated(volume, f"{at}[{index}]")
        claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if claim:
            yield from quantities.storage(claim.get("spec") or {}, f"{at}[{index}].ephemeral.volumeClaimTemplate.spec")
    for volume in listed:
        yield from overlapping(volume)


class _Path(NamedTuple):
    path: str
    source: str

    def __str__(self) -> str:
        return f"{quote(self.path)} ({self.source})" if self.source else quote(self.path)


def overlapping(volume: Obj) -> Iterator[str]:
    """Files of a volume where one would replace the other, or lie in it."""
    at = f"volume {quote(volume['name'])}"
    for kind, key, name in (
        ("ConfigMap", "configMap", "name"),
        ("Secret", "secret", "secretName"),
        ("DownwardAPI", "downwardAPI", ""),
    ):
        source = volume.get(key)
        if source and source.get("items"):
            what = f"{kind} {quote(source.get(name) or '')}" if name else kind
            yield from _collisions(f"{at} ({what})", (_Path(item["path"], "") for item in source["items"]))
    projected = volume.get("projected")
    if projected:
        sources = projected.get("sources") or ()
        yield from (f"{at} (Projected) has no sources provided" for source in sources if not source)
        yield from _collisions(f"{at} (Projected)", (path for source in sources for path in _projected(source)))


def _projected(source: Obj) -> Iterator[_Path]:
    for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret"), ("DownwardAPI", "downwardAPI")):
        part = source.get(key)
        if part and part.get("items"):
            what = kind if kind == "DownwardAPI" else f"{kind} {quote(part.get('name') or '')}"
            yield from (_Path(item["path"], what) for item in part["items"])
            return
    if source.get("serviceAccountToken"):
        yield _Path(source["serviceAccountToken"].get("path", ""), "ServiceAccountToken")
    elif source.get("clusterTrustBundle"):
        bundle = source["clusterTrustBundle"]
        yield _Path(bundle.get("path", ""), f"ClusterTrustBundle {quote(bundle.get('name') or bundle.get('signerName') or '')}")


def _collisions(at: str, paths: Iterable[_Path]) -> Iterator[str]:
    before: list[_Path] = []
    for path, source in paths:
        mine = _Path(path.rstrip("/"), source)
        for other in before:
            if mine.path and other.path and _one_in_the_other(mine.path, other.path):
                yield f"{at}: overlapping paths: {mine} with {other}"
        before.append(mine)


def _one_in_the_other(first: str, second: str) -> bool:
    return f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/")
