"""KEDA (keda.sh/v1alpha1), as of 2.18: ScaledObjects, which have a HorizontalPodAutoscaler and scale to zero and up again.

`cpu`, `memory`, `cron` and `kubernetes-workload` triggers are evaluated; the sources of all others are outside the cluster,
so their values come from whoever runs it, or from an annotation of the ScaledObject: `sim.seatrial.dev/s0-prometheus: "42"`.
A trigger without a value fails as it does when its source cannot be reached. A `scalingModifiers` formula is not worked out: the
value of its result is asked for in the same way, as `composite-metric`. TriggerAuthentications are accepted and mean nothing.
"""

from seatrial.twin.operators import Operator
from seatrial.twin.operators.keda.controller import make
from seatrial.world.schema.keda import definitions

OPERATOR = Operator("keda", definitions, make)
