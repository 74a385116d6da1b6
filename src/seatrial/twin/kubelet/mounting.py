"""The volumes of one pod: mounted before its first container starts, tried again where they fail, kept up to date while it runs.

What is in a volume is worked out in `volumes`; where it lives is the runtime's.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from seatrial.twin.clock import Timer
from seatrial.twin.kubelet import volumes
from seatrial.twin.kubelet.environment import Surroundings
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.kubelet.worker import PodWorker

#: Mounting that fails is tried again after half a second, doubling (util/goroutinemap/exponentialbackoff). Seconds.
FIRST_RETRY, LAST_RETRY = 0.5, 122.0

#: A service account's token is renewed when this part of its life has passed (pkg/kubelet/token/token_manager.go).
TOKEN_LIFE_USED = 0.8


class PodVolumes:
    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self._mounted: set[str] = set()
        self._failures = 0
        self._renewal: Timer | None = None

    def mount(self) -> bool:
        """Make all volumes ready; where one fails, say so, and ask for a later try."""
        around, failed = self._worker.surroundings(), False
        for volume in self._volumes():
            if volume["name"] not in self._mounted:
                failed |= not self._mount(around, volume)
        if failed:
            self._worker.retry_after(min(LAST_RETRY, FIRST_RETRY * 2**self._failures), exactly=True)
            self._failures = min(self._failures + 1, 10)
            return False
        self._failures = 0
        self._plan_renewal()
        return True

    def refresh(self, names: Collection[str]) -> None:
        """Bring the files of some volumes up to date; what cannot be read now stays as it is."""
        if self._worker.ending:
            return
        around = self._worker.surroundings()
        for volume in self._volumes():
            if volume["name"] in names and volume["name"] in self._mounted:
                self._mount(around, volume)

    def stop(self) -> None:
        if self._renewal:
            self._renewal.cancel()
            self._renewal = None

    def _volumes(self) -> list[Obj]:
        return self._worker.pod["spec"].get("volumes") or []

    def _mount(self, around: Surroundings, volume: Obj) -> bool:
        worker = self._worker
        try:
            worker.host.runtime.mount(worker.uid, volumes.resolve(around, volume, worker.host.token))
        except volumes.MountError as error:
            worker.say_pod("Warning", "FailedMount", str(error))
            return False
        except OSError as error:
            worker.say_pod("Warning", "FailedMount", f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}')
            return False
        self._mounted.add(volume["name"])
        return True

    def _plan_renewal(self) -> None:
        lives = [life for volume in self._volumes() for life in volumes.token_lives(volume)]
        if lives and not self._renewal:
            self._renewal = self._worker.clock.call_later(min(lives) * TOKEN_LIFE_USED, self._renew)

    def _renew(self) -> None:
        self._renewal = None
        self.refresh([volume["name"] for volume in self._volumes() if list(volumes.token_lives(volume))])
        self._plan_renewal()
