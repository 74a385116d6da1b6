"""Images without a container engine: known servers from wheels, a team's own code as a snapshot, tools of this machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from seatrial.twin.kubelet.process.images import catalogue, store
from seatrial.twin.kubelet.process.images.launch import Launch
from seatrial.twin.kubelet.process.images.store import Image, build_image, source_hash
from seatrial.twin.kubelet.runtime import PullResult
from seatrial.world.images import doubt, parse

__all__ = ["Image", "Images", "Launch", "build_image", "source_hash"]

#: Who a team's own code runs as when its pod does not say.
APP_USER = 1000


class Images:
    """The images of a machine: those in `folder`, made by `build_image`, and the catalogue's, whose programs go into `bin_`."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        self._folder, self._bin = folder, bin_
        catalogue.write_tools(bin_)

    def resolve(self, image: str, command: tuple[str, ...] = (), args: tuple[str, ...] = ()) -> Launch | None:
        """How an image runs here with a pod's command and args; None when it cannot, and has to be simulated."""
        reference = parse(image)
        own = store.find(self._folder, reference)
        if own:
            return catalogue.finish(self._of_store(own), own.entrypoint, own.cmd, command, args)
        found = catalogue.known(reference, self._bin)
        if found:
            launch = catalogue.finish(self._with_tools(found.launch), found.entrypoint, found.cmd, command, args)
            return catalogue.with_shell(launch, reference, self._bin)
        if catalogue.runs_here(command):
            return catalogue.finish(self._with_tools(Launch(())), (), (), command, args)
        return None

    def _of_store(self, image: Image) -> Launch:
        path = (f"{image.venv}/bin",) if image.venv else ()
        env = {"VIRTUAL_ENV": image.venv, **image.env} if image.venv else image.env
        return self._with_tools(
            Launch(
                argv=(),
                env=env,
                path=path,
                workdir=image.workdir,
                root=image.root,
                user="app",
                uid=APP_USER,
                gid=APP_USER,
                stop_signal=image.stop_signal or "SIGTERM",
                visible=(Path(image.venv),) if image.venv else (),
            )
        )

    def _with_tools(self, launch: Launch) -> Launch:
        python = str(Path(sys.prefix) / "bin")
        return replace(launch, path=(*launch.path, str(self._bin), python), visible=(*launch.visible, self._bin))

    def has(self, image: str) -> bool:
        """Whether an image is on the machine: made here, or of the catalogue."""
        reference = parse(image)
        if store.find(self._folder, reference) is not None:
            return True
        return catalogue.known(reference, self._bin) is not None and not doubt(image)

    def pull(self, image: str) -> PullResult:
        """Nothing is pulled from anywhere: a command alone needs no image, and what was to be made here is here or not."""
        if self.has(image) or not parse(image).repository.startswith("localhost/"):
            return PullResult()
        missing = f'failed to resolve reference "{image}": {image}: not found'
        return PullResult(error=f'failed to pull and unpack image "{image}": {missing}')
