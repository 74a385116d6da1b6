"""What Helm wrote down of its releases, read where it is kept: one Secret (or ConfigMap) a revision.

One request answers what `helm history`, `helm status` and `helm get` would each need a process for.  The form is that of Helm's
storage driver: JSON, compressed, in base64 (pkg/storage/driver/util.go).  A record whose Helm has died is pending for ever;
`unlocked` is the record as its Helm would have left it.
"""

from __future__ import annotations

import base64
import gzip
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from seatrial.cluster.api import CONFIGMAPS, SECRETS, Api, Resource
from seatrial.cluster.client import ClusterError
from seatrial.world.objects import Obj, labels_of, name_of

PENDING = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})
#: What a rollback may return to.
GOOD = frozenset({"deployed", "superseded"})
#: How the description of a revision begins that was written down as failed.  Helm calls it superseded once another one follows,
#: as any other; these words stay.
NEVER = "Never came up: "
#: Labels that Helm itself puts on its records; the rest are those somebody gave the release.
_OWN_LABELS = frozenset({"name", "owner", "status", "version", "createdAt", "modifiedAt"})


@dataclass(frozen=True)
class Record:
    """One revision of a release. `data` is Helm's own document; times are RFC 3339."""

    name: str
    namespace: str
    revision: int
    status: str
    labels: Mapping[str, str]
    stored: Obj = field(repr=False)  # the object that holds it
    data: Obj = field(repr=False)

    @property
    def pending(self) -> bool:
        return self.status in PENDING

    @property
    def manifest(self) -> str:
        """The YAML of its objects, without those of hooks; it holds Secrets."""
        return str(self.data.get("manifest") or "")

    @property
    def hooks(self) -> list[Obj]:
        """Helm's hooks: name, kind, manifest, events, delete_policies, last_run."""
        return list(self.data.get("hooks") or ())

    @property
    def values(self) -> Obj:
        """The values it was given, beyond those of its chart; they hold secrets."""
        return dict(self.data.get("config") or {})

    @property
    def description(self) -> str:
        return str(self._info.get("description") or "")

    @property
    def deployed(self) -> str:
        """When it was made."""
        return str(self._info.get("last_deployed") or "")

    @property
    def chart(self) -> str:
        """Name and version of its chart: `shop-0.1.0`."""
        return "-".join(str(self._chart.get(key) or "?") for key in ("name", "version"))

    @property
    def app_version(self) -> str:
        return str(self._chart.get("appVersion") or "")

    @property
    def server_side(self) -> bool:
        """Whether Helm applied it on the server, and so owns its fields (Helm 4) instead of overwriting them."""
        return self.data.get("apply_method") == "ssa"

    @property
    def _info(self) -> Mapping[str, Any]:
        return self.data.get("info") or {}

    @property
    def _chart(self) -> Mapping[str, Any]:
        return (self.data.get("chart") or {}).get("metadata") or {}


def driver() -> Resource:
    """Where Helm keeps its records, by its own variable HELM_DRIVER."""
    return CONFIGMAPS if os.environ.get("HELM_DRIVER", "").lower() in ("configmap", "configmaps") else SECRETS


async def records(api: Api, namespace: str, release: str = "") -> list[Record]:
    """The revisions of a release, oldest first; without a name those of all releases of the namespace. Raises ClusterError."""
    labels = f"owner=helm,name={release}" if release else "owner=helm"
    stored = await api.list(driver(), namespace, labels=labels)
    found = [read(obj) for obj in stored]
    return sorted(found, key=lambda record: (record.name, record.revision))


def read(stored: Obj) -> Record:
    """A record from the object that holds it. Raises ClusterError for one that is not Helm's."""
    labels = labels_of(stored)
    try:
        raw = (stored.get("data") or {})["release"]
        if stored.get("kind") == "Secret":
            raw = base64.b64decode(raw)
        packed = base64.b64decode(raw)
        data: Obj = orjson.loads(gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed)
        own = {key: value for key, value in labels.items() if key not in _OWN_LABELS}
        status = str((data.get("info") or {}).get("status") or labels.get("status") or "unknown")
        namespace = str(stored["metadata"].get("namespace", ""))
        return Record(str(data["name"]), namespace, int(data["version"]), status, own, stored, data)
    except (KeyError, TypeError, ValueError, zlib.error, EOFError, OSError):
        raise ClusterError(f"reading {name_of(stored)}: this is no record of a Helm release") from None


def base_of(found: Sequence[Record]) -> Record | None:
    """The revision that Helm takes for what is there, of those of a release, oldest first (pkg/action/upgrade.go)."""
    return next((one for one in reversed(found) if one.status == "deployed"), found[-1] if found else None)


def good_of(found: Sequence[Record]) -> Record | None:
    """The last revision that is not known to have failed."""
    return next((one for one in reversed(found) if one.status in GOOD and not one.description.startswith(NEVER)), None)


def unlocked(record: Record, why: str) -> Obj:
    """The object that holds a record, changed so that Helm takes it for one that failed."""
    data = {**record.data, "info": {**record.data.get("info", {}), "status": "failed", "description": f"{NEVER}{why}"}}
    packed = base64.b64encode(gzip.compress(orjson.dumps(data), mtime=0))
    secret = record.stored.get("kind") == "Secret"
    text = (base64.b64encode(packed) if secret else packed).decode()
    metadata = record.stored["metadata"]
    labels = {**(metadata.get("labels") or {}), "status": "failed"}
    return {**record.stored, "metadata": {**metadata, "labels": labels}, "data": {"release": text}}


async def unlock(api: Api, record: Record, why: str) -> None:
    """Write a record down as failed, if nobody has changed it since it was read (else Refused with 409)."""
    await api.replace(driver(), unlocked(record, why))
