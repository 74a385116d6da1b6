"""How long a kubelet itself takes over things, beside what containers and probes take: the latencies of the reference cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, as measured on Kubernetes 1.36 with containerd (tests/fidelity/recordings/rollouts)."""

    notice: float = 0.25  # from a container's end to the sync that sees it
    stopped: float = 0.2  # from the end of a deleted pod's last container to the pod's final status
    gone: float = 0.25  # from the final status to the object's removal
    probe: float = 0.1  # from a probe's start to its result in the status
    late: float = 0.25  # a retry comes this fraction later than its back-off: the mean of completeWork's jitter (pod_workers.go)
    settle: float = 0.0  # a container has to live so long before it is shown as running: one that ends sooner was never ready
    refresh: float = 60.0  # until a change of a mounted ConfigMap or Secret is in the files (syncFrequency)


REFERENCE = Timing()

#: For containers that are real processes: nothing is slower than it has to be. `settle` stands for the second between two looks
#: of a real kubelet (pleg/generic.go, RelistPeriod): start and end of a command that fails at once are one change there.
PROMPT = Timing(notice=0.0, stopped=0.0, gone=0.0, probe=0.0, late=0.0, settle=0.2, refresh=2.0)
