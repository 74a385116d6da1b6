"""The way every write takes through admission: default, mutate, validate, check.

A `Chain` only holds the four steps and their order; what they do is defaulting's, validation's and the plugins' part.
`OPEN` lets everything through, for tests and for parts of the twin that run without admission.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

#: (registry, resource id, object, the stored one on update, options); may change the object. Raises ApiError to refuse.
Step = Callable[["Registry", str, Obj, Obj | None, "Options"], None]


def _nothing(obj: Obj) -> None:
    """No defaults."""


def _no_causes(obj: Obj, old: Obj | None = None, subresource: str = "") -> list[Cause]:
    return []


@dataclass(frozen=True)
class Chain:
    """`defaulter` completes, `mutators` change, `validator` says what is wrong, `checks` refuse.

    The order is that of apiserver's pkg/endpoints/handlers and pkg/registry/rest.
    """

    defaulter: Callable[[Obj], None] = _nothing
    mutators: Sequence[Step] = ()
    validator: Callable[[Obj, Obj | None, str], list[Cause]] = _no_causes
    checks: Sequence[Step] = ()

    def mutate(self, registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
        for mutator in self.mutators:
            mutator(registry, resource, obj, old, options)

    def check(self, registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
        for check in self.checks:
            check(registry, resource, obj, old, options)


OPEN = Chain()


def standard() -> Chain:
    """Admission as the API server does it."""
    from seatrial.twin.admission import plugins
    from seatrial.world.admission.defaulting import default
    from seatrial.world.admission.validation import validate

    return Chain(defaulter=default, mutators=(plugins.mutate,), validator=validate, checks=(plugins.check,))
