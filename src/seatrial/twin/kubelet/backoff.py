"""Back-offs that double, a key at a time, and are forgotten after a quiet while (client-go/util/flowcontrol/backoff.go)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Entry:
    seconds: float
    updated: float


class Backoff:
    """The first wait and the longest, in seconds; an entry is forgotten twice the longest after it was last used."""

    def __init__(self, first: float = 10.0, longest: float = 300.0) -> None:
        self._first, self._longest = first, longest
        self._entries: dict[str, _Entry] = {}

    def seconds(self, key: str) -> float:
        """The wait that counts for the key now; 0 when none does."""
        entry = self._entries.get(key)
        return entry.seconds if entry else 0.0

    def left(self, key: str, since: float, now: float) -> float:
        """Seconds still to wait when the thing that went wrong did so at `since`; 0 when nothing holds back."""
        entry = self._entries.get(key)
        if entry is None or since - entry.updated > 2 * self._longest:
            return 0.0
        return max(0.0, entry.seconds - (now - since))

    def next(self, key: str, since: float, now: float) -> None:
        """Count one more try: the wait begins, doubles, or begins anew after a quiet while."""
        entry = self._entries.get(key)
        if entry is None or since - entry.updated > 2 * self._longest:
            self._entries[key] = _Entry(self._first, now)
        else:
            entry.seconds, entry.updated = min(entry.seconds * 2, self._longest), now

    def forget(self, prefix: str) -> None:
        """Drop the keys that begin so: their pod is gone."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]
