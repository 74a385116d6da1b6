"""From what the kubelet wants and what the image says, to what the shim is told: one plan for one container."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import seatrial
from seatrial.twin.kubelet.process.addresses import loopback_of
from seatrial.twin.kubelet.process.capability import Capability
from seatrial.twin.kubelet.process.images import Launch
from seatrial.twin.kubelet.process.images.launch import ROOT_PATH
from seatrial.twin.kubelet.process.pods import Move, Pod
from seatrial.twin.kubelet.process.shim.plan import MountPlan, Plan
from seatrial.twin.kubelet.process.volumes import inside
from seatrial.twin.kubelet.runtime import ContainerSpec

TERMINATION_LOG = "/dev/termination-log"


def compose(spec: ContainerSpec, launch: Launch, pod: Pod, folder: Path, capability: Capability) -> Plan:
    """The plan for a container. `folder` is its own and empty. Raises OSError about a mount that cannot be made."""
    isolated = capability.full
    stage = folder / "root"
    stage.mkdir(exist_ok=True)
    said = folder / "termination-log"
    said.touch(0o666)
    cwd = spec.working_dir or launch.workdir
    own = {"source": str(said.resolve()), "target": TERMINATION_LOG, "read_only": False}
    mounts = [MountPlan(**own)] if isolated else []  # type: ignore[typeddict-item]
    uid = launch.uid if spec.run_as_user is None else spec.run_as_user
    user = launch.user if uid == launch.uid else ("root" if uid == 0 else "app")
    move = _as_it_is if isolated else relocation(spec, launch, folder)
    image = None
    if launch.root and isolated:
        image = MountPlan(source=str(launch.root.resolve()), target=launch.workdir, read_only=False)
    elif launch.root:
        shutil.copytree(launch.root, f"{stage}{launch.workdir}", symlinks=True, dirs_exist_ok=True)
    return Plan(
        isolated=isolated,
        argv=[move(word) for word in launch.argv],
        env=_environment(spec, launch, pod, None if isolated else stage, uid, move),
        cwd=cwd,
        uid=uid,
        gid=launch.gid if spec.run_as_group is None else spec.run_as_group,
        user=user,
        hostname=pod.hostname,
        hosts=str(pod.hosts),
        image=image,
        mounts=[*mounts, *_mounts(spec, pod)],
        folders=list(launch.folders),
        visible=[str(path) for path in _visible(launch)],
        read_only_root=spec.read_only_root,
        folder=str(stage),
        address=pod.address if capability.addresses else "",
        loopback=loopback_of(pod.address),
        memory_limit=spec.memory_limit,
    )


class Relocation:
    """Where a plain process finds what a container has at its mount paths: those paths in words and variables are changed to it.

    Only whole paths are: `/data` in `--dir /data` and `DIR=/data/x`, not in `/database` or `$HOME/data`.
    """

    def __init__(self, root: Path, targets: Iterable[str]) -> None:
        self._root = str(root)
        paths = sorted((target.rstrip("/") for target in targets if target != "/"), key=len, reverse=True)
        choice = "|".join(re.escape(path) for path in paths)
        self._pattern = re.compile(rf"(?<![\w./}}-])({choice})(?![\w.-])") if paths else None

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._root + match[1], text)


def _as_it_is(text: str) -> str:
    return text


def relocation(spec: ContainerSpec, launch: Launch, folder: Path) -> Relocation:
    """The relocation of a plain container with this folder of its own."""
    own = [launch.workdir] if launch.root else []
    return Relocation(folder / "root", [*own, *(_absolute(mount.path) for mount in spec.mounts)])


def _environment(spec: ContainerSpec, launch: Launch, pod: Pod, root: Path | None, uid: int, move: Move) -> dict[str, str]:
    env = {
        "PATH": ROOT_PATH,
        "HOME": "/root" if uid == 0 else "/",
        "HOSTNAME": pod.hostname,
        "SEATRIAL_POD_IP": pod.address,
        **launch.env,
        **spec.env,
    }
    env = {name: move(value) for name, value in env.items()}
    env["PATH"] = ":".join([*launch.path, env["PATH"]])
    if root is not None:
        pod.sockets.mkdir(parents=True, exist_ok=True)
        pod.sockets.chmod(0o777)
        env |= {"SEATRIAL_ROOT": str(root), "SEATRIAL_SOCKETS": str(pod.sockets)}
    return env


def _mounts(spec: ContainerSpec, pod: Pod) -> list[MountPlan]:
    """In the order in which they have to be made: a mount inside another comes after it."""
    plans = []
    for mount in sorted(spec.mounts, key=lambda mount: len(PurePosixPath(mount.path).parts)):
        folder = pod.volumes.get(mount.volume)
        if folder is None:
            raise FileNotFoundError(f'volume "{mount.volume}" of mount {mount.path} is not there')
        source = inside(folder, mount.sub_path) if mount.sub_path else folder.resolve()
        read_only = mount.read_only or mount.volume in pod.files
        plans.append(MountPlan(source=str(source), target=_absolute(mount.path), read_only=read_only))
    return plans


def _absolute(path: str) -> str:
    """A mount path without `.` and `..`, from the root."""
    parts: list[str] = []
    for part in PurePosixPath("/", path).parts[1:]:
        if part == "..":
            parts[-1:] = []
        else:
            parts.append(part)
    return "/" + "/".join(parts)


def _visible(launch: Launch) -> list[Path]:
    """What every container may need wherever it lies: this interpreter, its packages, and Seatrial."""
    interpreter = Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent
    return list(dict.fromkeys([*interpreter, Path(seatrial.__file__).parent.parent, *launch.visible]))


#: What the trial runs: it asks for every address, and ends with 0 when it was given the pod's own instead.
TRIAL = """
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", 9698))
sys.exit(0 if listener.getsockname()[0] == sys.argv[1] else 9)
"""


def probe_plan(folder: Path, address: str, isolated: bool) -> Plan:
    """A container that ends at once, to see what this machine permits: with 0, or with 9 when sockets stay as they are."""
    return Plan(
        isolated=isolated,
        argv=[sys.executable, "-I", "-S", "-c", TRIAL, address],
        env={},
        cwd="/",
        uid=1,
        gid=1,
        user="probe",
        hostname="probe",
        hosts="",
        image=None,
        mounts=[],
        folders=[],
        visible=[str(path) for path in _visible(Launch(()))],
        read_only_root=True,
        folder=str(folder),
        address=address,
        loopback=loopback_of(address),
        memory_limit=None,
    )
