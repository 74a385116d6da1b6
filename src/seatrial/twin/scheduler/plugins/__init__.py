"""The plugins, in the order in which they are asked, with the weights of their scores (apis/config/v1/default_plugins.go)."""

from __future__ import annotations

from seatrial.twin.scheduler.framework import Plugin
from seatrial.twin.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from seatrial.twin.scheduler.plugins.node_affinity import NodeAffinity
from seatrial.twin.scheduler.plugins.node_basics import ImageLocality, NodeName, NodePorts, NodeUnschedulable, TaintToleration
from seatrial.twin.scheduler.plugins.resources import NodeResourcesBalancedAllocation, NodeResourcesFit
from seatrial.twin.scheduler.plugins.topology_spread import PodTopologySpread
from seatrial.twin.scheduler.plugins.volume_binding import VolumeBinding


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
