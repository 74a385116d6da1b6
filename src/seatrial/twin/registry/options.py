"""Who writes, and how: what every write carries besides the object."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    """The query parameters of a write, and the user behind it."""

    user: str = "system:apiserver"
    groups: tuple[str, ...] = ("system:masters",)
    manager: str = ""  # fieldManager; "" leaves managedFields alone
    dry_run: bool = False
    field_validation: str = "Ignore"  # Strict, Warn, Ignore
    force: bool = False  # server-side apply takes fields over
    #: Where admission and validation leave what the client should be warned of (HTTP `Warning` headers); None drops it.
    warnings: list[str] | None = field(default=None, compare=False)

    def warn(self, message: str) -> None:
        if self.warnings is not None and message not in self.warnings:
            self.warnings.append(message)


SYSTEM = Options()
