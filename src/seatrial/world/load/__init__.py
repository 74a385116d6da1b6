"""Objects from bytes: YAML and JSON with the line of every object and field, and whatever is wrong told by line.

Which files are read, and what renders a chart or an app, is for `seatrial.sources`.
"""

from seatrial.world.load.fields import Written
from seatrial.world.load.problems import Problem
from seatrial.world.load.reading import Read, read
from seatrial.world.place import Place

__all__ = ["Place", "Problem", "Read", "Written", "read"]
