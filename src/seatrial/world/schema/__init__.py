"""What is known of Kubernetes' types: shapes, checks with the server's words, and the server's form of an object."""

from seatrial.world.schema.decoding import Problems, check, duplicates
from seatrial.world.schema.fitting import Misfit, fits, misfits, why_not
from seatrial.world.schema.normal import normalise, zero
from seatrial.world.schema.restoring import restore
from seatrial.world.schema.structural import custom, structural
from seatrial.world.schema.table import ANY, META, Field, Shape, fields, kinds, rule, shape, shape_of, type_of

__all__ = [
    "ANY",
    "META",
    "Field",
    "Misfit",
    "Problems",
    "Shape",
    "check",
    "custom",
    "duplicates",
    "fields",
    "fits",
    "kinds",
    "misfits",
    "normalise",
    "restore",
    "rule",
    "shape",
    "shape_of",
    "structural",
    "type_of",
    "why_not",
    "zero",
]
