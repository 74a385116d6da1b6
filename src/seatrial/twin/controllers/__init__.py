"""The controllers: each a reconcile function and its watches, run by `base.Manager` over one cluster.

`all_controllers` makes them all; another one (an operator's) is one more object of the `base.Controller` shape.
"""

from __future__ import annotations

from seatrial.twin.context import Context, add_indexes
from seatrial.twin.controllers.aggregation import ClusterRoleAggregation
from seatrial.twin.controllers.autoscaling import HorizontalController
from seatrial.twin.controllers.base import Controller, Manager
from seatrial.twin.controllers.cronjob import CronJobController
from seatrial.twin.controllers.daemonset import DaemonSetController
from seatrial.twin.controllers.definitions import DefinitionController
from seatrial.twin.controllers.deployment import DeploymentController
from seatrial.twin.controllers.disruption import DisruptionController
from seatrial.twin.controllers.endpoints import EndpointsController
from seatrial.twin.controllers.endpointslice import EndpointSliceController
from seatrial.twin.controllers.garbage import GarbageCollector
from seatrial.twin.controllers.hpa_metrics import Usage, Values
from seatrial.twin.controllers.job import JobController, OrphanedJobPods
from seatrial.twin.controllers.mirroring import EndpointSliceMirroring
from seatrial.twin.controllers.namespace import NamespaceController
from seatrial.twin.controllers.nodelifecycle import NodeLifecycleController, TaintEvictionController
from seatrial.twin.controllers.quota import ResourceQuotaController
from seatrial.twin.controllers.replicaset import ReplicaSetController
from seatrial.twin.controllers.serviceaccount import RootCAController, ServiceAccountController
from seatrial.twin.controllers.statefulset import StatefulSetController
from seatrial.twin.controllers.ttl import PodGC, TTLAfterFinished
from seatrial.twin.controllers.volumes import VolumeController

__all__ = ["Controller", "Manager", "all_controllers"]


def all_controllers(
    context: Context, *, usage: Usage | None = None, values: Values | None = None, root_ca: str = ""
) -> list[Controller]:
    """Every controller of the twin.

    `usage` measures pods for autoscalers, (namespace, pod) -> cores and bytes of each container, None where nothing is known;
    `values` gives the metrics of type Pods, Object and External, (namespace, metric) -> its values. Without them autoscalers say
    that there is no such API. `root_ca`: the certificate authority (PEM) that namespaces publish.
    """
    add_indexes(context.store)
    return [
        GarbageCollector(context),
        NamespaceController(context),
        ServiceAccountController(context),
        RootCAController(context, root_ca),
        DeploymentController(context),
        ReplicaSetController(context),
        StatefulSetController(context),
        DaemonSetController(context),
        JobController(context),
        OrphanedJobPods(context),
        TTLAfterFinished(context),
        CronJobController(context),
        HorizontalController(context, usage, values),
        DisruptionController(context),
        ResourceQuotaController(context),
        VolumeController(context),
        NodeLifecycleController(context),
        TaintEvictionController(context),
        PodGC(context),
        EndpointSliceController(context),
        EndpointsController(context),
        EndpointSliceMirroring(context),
        DefinitionController(context),
        ClusterRoleAggregation(context),
    ]
