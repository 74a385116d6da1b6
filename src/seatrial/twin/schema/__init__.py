"""What the twin knows of Kubernetes' types: shapes, checks with the server's words, and the server's form of an object."""

from seatrial.twin.schema.decoding import Problems, check, duplicates, wrong_kind
from seatrial.twin.schema.normal import normalise, zero
from seatrial.twin.schema.restoring import restore
from seatrial.twin.schema.structural import custom, structural
from seatrial.twin.schema.table import ANY, META, Field, Shape, fields, rule, shape, shape_of, type_of

__all__ = [
    "ANY",
    "META",
    "Field",
    "Problems",
    "Shape",
    "check",
    "custom",
    "duplicates",
    "fields",
    "normalise",
    "restore",
    "rule",
    "shape",
    "shape_of",
    "structural",
    "type_of",
    "wrong_kind",
    "zero",
]
