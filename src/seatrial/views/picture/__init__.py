"""A world as a picture: who is reached from outside, who calls whom, what is kept where, and in red what is at fault.

`drawn` makes the picture from a world and its findings, `layered` gives each box its place, `svg` and `text` show it.
"""

from seatrial.views.picture.layout import layered
from seatrial.views.picture.model import Edge, Node, Picture, drawn

__all__ = ["Edge", "Node", "Picture", "drawn", "layered"]
