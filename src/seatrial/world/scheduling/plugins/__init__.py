"""The plugins, in the order in which they are asked, with the weights of their scores (apis/config/v1/default_plugins.go)."""

from __future__ import annotations

from seatrial.world.scheduling.framework import Plugin
from seatrial.world.scheduling.plugins.inter_pod_affinity import InterPodAffinity
from seatrial.world.scheduling.plugins.node_affinity import NodeAffinity
from seatrial.world.scheduling.plugins.node_basics import ImageLocality, NodeName, NodePorts, NodeUnschedulable, TaintToleration
from seatrial.world.scheduling.plugins.resources import NodeResourcesBalancedAllocation, NodeResourcesFit
from seatrial.world.scheduling.plugins.topology_spread import PodTopologySpread
from seatrial.world.scheduling.plugins.volume_binding import VolumeBinding


def default_plugins() -> tuple[Plugin, ...]:
    return (
        NodeUnschedulable(),
        NodeName(),
        TaintToleration(),
        NodeAffinity(),
        NodePorts(),
        NodeResourcesFit(),
        VolumeBinding(),
        PodTopologySpread(),
        InterPodAffinity(),
        NodeResourcesBalancedAllocation(),
        ImageLocality(),
    )
