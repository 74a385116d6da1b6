"""What names, selects and makes what in a world: `world.graph` answers; tables for every kind stand in the modules beside it."""

from seatrial.world.graph.edges import Maker, PodTemplate, Port, Reference
from seatrial.world.graph.graph import Graph, pod_templates

__all__ = ["Graph", "Maker", "PodTemplate", "Port", "Reference", "pod_templates"]
