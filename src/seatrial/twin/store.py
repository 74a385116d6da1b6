"""Versioned objects, the history of their changes, and an optional SQLite file behind them.

The store knows no kinds: an object lives under a resource (`deployments.apps`, `pods`), a namespace and a name.
Stored objects are shared with everybody who asks and never change: to change one, clone it and write it back.
Subscribers hear of a change before the write returns, in the order of writes; they note it and return at once
(they enqueue a key, they never write).
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from seatrial.world.objects import Obj

Key = tuple[str, str]  # namespace, name
Indexer = Callable[[Obj], Iterable[str]]
Objects = list[Obj]


class Change(NamedTuple):
    """One write: `type` is ADDED, MODIFIED or DELETED; a DELETED object carries the version of its deletion."""

    type: str
    resource: str
    object: Obj
    old: Obj | None
    version: int


Changes = list[Change]


class Expired(Exception):  # noqa: N818 - Kubernetes' own word for a version that is no longer in the history
    """The history no longer reaches back to the version asked for."""


class Exists(Exception):  # noqa: N818
    """There is an object of this name already."""


class Store:
    """All objects of one cluster.

    `path`: the SQLite file that keeps them; every write is in it before the call returns. One store has it at a time, which
    `statefile` sees to. Raises sqlite3.DatabaseError for a file that is something else.
    `history`: how many changes a watch can go back, over all resources.
    """

    def __init__(self, path: Path | None = None, history: int = 20_000) -> None:
        self._objects: dict[str, dict[Key, Obj]] = {}
        self._namespaced: dict[str, dict[str, dict[str, Obj]]] = {}
        self._history: deque[Change] = deque(maxlen=history)
        self._subscribers: dict[str, list[Callable[[Change], None]]] = {}
        self._everything: list[Callable[[Change], None]] = []
        self._indexers: dict[tuple[str, str], Indexer] = {}
        self._index: dict[tuple[str, str], dict[str, dict[Key, Obj]]] = {}
        self._bytes: dict[tuple[str, str, str], tuple[str, bytes]] = {}
        self.version = 0
        self._file = _File(path) if path else None
        if self._file:
            self.version = self._file.load(self._place)

    # reading

    def get(self, resource: str, namespace: str, name: str) -> Obj | None:
        return self._objects.get(resource, {}).get((namespace, name))

    def list(self, resource: str, namespace: str | None = None) -> Objects:
        """Objects in the order of namespace and name; of one namespace, or of all for None."""
        if namespace is not None:
            group = self._namespaced.get(resource, {}).get(namespace, {})
            return [group[name] for name in sorted(group)]
        objects = self._objects.get(resource, {})
        return [objects[key] for key in sorted(objects)]

    def count(self, resource: str) -> int:
        return len(self._objects.get(resource, ()))

    def resources(self) -> Iterator[str]:
        """The resources that hold objects."""
        return (resource for resource, objects in self._objects.items() if objects)

    def encoded(self, resource: str, obj: Obj) -> bytes:
        """The JSON of a stored object, kept until it changes: one encoding serves every watcher."""
        metadata = obj["metadata"]
        key, version = (resource, metadata.get("namespace", ""), metadata["name"]), metadata["resourceVersion"]
        cached = self._bytes.get(key)
        if cached and cached[0] == version:
            return cached[1]
        encoded = orjson.dumps(obj)
        self._bytes[key] = (version, encoded)
        return encoded

    # indexes

    def add_index(self, resource: str, index: str, indexer: Indexer) -> None:
        """Make `by_index(resource, index, value)` answer in constant time; `indexer` gives an object's values."""
        if (resource, index) in self._indexers:
            return
        self._indexers[resource, index] = indexer
        self._index[resource, index] = {}
        for key, obj in self._objects.get(resource, {}).items():
            for value in indexer(obj):
                self._index[resource, index].setdefault(value, {})[key] = obj

    def by_index(self, resource: str, index: str, value: str) -> Objects:
        """The objects with that value, in the order they were written."""
        return list(self._index[resource, index].get(value, {}).values())

    # writing

    def create(self, resource: str, obj: Obj) -> Obj:
        """Store a new object; the store sets its resourceVersion and keeps the dictionary itself. Raises Exists."""
        key = _key(obj)
        if key in self._objects.get(resource, {}):
            raise Exists(key)
        return self._write("ADDED", resource, key, obj, None)

    def update(self, resource: str, obj: Obj) -> Obj:
        """Replace an object. Raises KeyError when it is not there; versions are compared by the caller."""
        key = _key(obj)
        return self._write("MODIFIED", resource, key, obj, self._objects[resource][key])

    def delete(self, resource: str, namespace: str, name: str) -> Obj:
        """Remove an object and return its last state. Raises KeyError when it is not there."""
        old = self._objects[resource][namespace, name]
        obj = {**old, "metadata": {**old["metadata"]}}
        return self._write("DELETED", resource, (namespace, name), obj, old)

    def _write(self, type_: str, resource: str, key: Key, obj: Obj, old: Obj | None) -> Obj:
        version = self.version + 1
        obj["metadata"]["resourceVersion"] = str(version)
        if self._file:
            self._file.write(resource, key, None if type_ == "DELETED" else obj, version)
        self.version = version
        if type_ == "DELETED":
            self._displace(resource, key, old)
        else:
            self._place(resource, key, obj)
        change = Change(type_, resource, obj, old, version)
        self._history.append(change)
        for subscriber in (*self._subscribers.get(resource, ()), *self._everything):
            subscriber(change)
        return obj

    def _place(self, resource: str, key: Key, obj: Obj) -> None:
        objects = self._objects.setdefault(resource, {})
        old = objects.get(key)
        objects[key] = obj
        self._namespaced.setdefault(resource, {}).setdefault(key[0], {})[key[1]] = obj
        self._reindex(resource, key, old, obj)

    def _displace(self, resource: str, key: Key, old: Obj | None) -> None:
        del self._objects[resource][key]
        del self._namespaced[resource][key[0]][key[1]]
        self._bytes.pop((resource, *key), None)
        self._reindex(resource, key, old, None)

    def _reindex(self, resource: str, key: Key, old: Obj | None, new: Obj | None) -> None:
        for (of, name), indexer in self._indexers.items():
            if of != resource:
                continue
            index = self._index[of, name]
            for value in indexer(old) if old is not None else ():
                bucket = index.get(value)
                if bucket is not None:
                    bucket.pop(key, None)
                    if not bucket:
                        del index[value]
            for value in indexer(new) if new is not None else ():
                index.setdefault(value, {})[key] = new  # type: ignore[assignment]

    # watching

    def subscribe(self, resource: str | None, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Hear of every change of a resource (None: of all); returns the function that ends it."""
        subscribers = self._everything if resource is None else self._subscribers.setdefault(resource, [])
        subscribers.append(callback)
        return lambda: subscribers.remove(callback) if callback in subscribers else None

    def since(self, resource: str, version: int) -> Changes:
        """The changes of a resource after `version`. Raises Expired when the history does not reach back that far."""
        if version < self.version and (not self._history or self._history[0].version > version + 1):
            raise Expired(f"too old resource version: {version} ({self.oldest})")
        return [change for change in self._history if change.version > version and change.resource == resource]

    @property
    def oldest(self) -> int:
        """The oldest version from which a watch can still start."""
        return self._history[0].version - 1 if self._history else self.version

    # what is no object

    def secret(self, name: str) -> bytes:
        """32 random bytes of this name; the same ones as long as the file is there. They never leave it otherwise."""
        return self._file.secret(name) if self._file else secrets.token_bytes(32)

    def close(self) -> None:
        if self._file:
            self._file.close()


def _key(obj: Obj) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class _File:
    """The SQLite file: one row an object. A write is committed before it returns, so that a killed process loses none.

    Only its owner can read it, and the logs that SQLite keeps beside it, which have its mode: it holds Secrets.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600, exist_ok=True)
        path.chmod(0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")  # safe against kill -9; a power cut may lose the last moments
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS objects (resource TEXT, namespace TEXT, name TEXT, version INTEGER, json BLOB,"
            " PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID")

    def load(self, place: Callable[[str, Key, Obj], None]) -> int:
        """Hand every object to `place`; returns the last version written."""
        rows = self._db.execute("SELECT resource, namespace, name, json FROM objects")
        for resource, namespace, name, encoded in rows:
            place(resource, (namespace, name), orjson.loads(encoded))
        row = self._db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        return int(row[0]) if row else 0

    def write(self, resource: str, key: Key, obj: Obj | None, version: int) -> None:
        self._db.execute("BEGIN")
        if obj is None:
            self._db.execute("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", (resource, *key))
        else:
            row = (resource, *key, version, orjson.dumps(obj))
            self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", row)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('version', ?)", (version,))
        self._db.execute("COMMIT")

    def secret(self, name: str) -> bytes:
        self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (f"secret:{name}", secrets.token_bytes(32)))
        return bytes(self._db.execute("SELECT value FROM meta WHERE key = ?", (f"secret:{name}",)).fetchone()[0])

    def close(self) -> None:
        self._db.close()
