"""What one version of a CustomResourceDefinition brings: it rides on the version's `Resource`."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.twin.registry.scaling import ScalePaths
from seatrial.world.cel.rules import Rules
from seatrial.world.objects import Obj
from seatrial.world.schema import Shape


@dataclass(frozen=True, eq=False)
class CustomVersion:
    """What one version of a definition says beyond its names."""

    schema: Obj | None
    shape: Shape
    rules: Rules | None  # x-kubernetes-validations, when there are any
    columns: tuple[Obj, ...]  # additionalPrinterColumns
    selectable: tuple[str, ...]  # dotted paths that a fieldSelector may name
    scale: ScalePaths | None
    warning: str  # of a deprecated version
