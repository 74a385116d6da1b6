"""What the runtime tells the shim about a container to start or a command to run in one, as JSON in a memory file."""

from __future__ import annotations

from typing import TypedDict


class MountPlan(TypedDict):
    source: str  # an absolute path of the machine, without symbolic links
    target: str  # an absolute path in the container
    read_only: bool


class Plan(TypedDict):
    """A container. Paths are the machine's unless said otherwise."""

    isolated: bool
    argv: list[str]
    env: dict[str, str]
    cwd: str  # in the container
    uid: int  # the user inside; outside it is always the one who runs Seatrial
    gid: int
    user: str  # the name of the user inside
    hostname: str
    hosts: str  # the file that becomes /etc/hosts
    image: MountPlan | None  # the image's own files, under a layer that takes writes; a plain container has a copy
    mounts: list[MountPlan]  # in the order they are made
    folders: list[str]  # in the container: made empty, for its user to write to
    visible: list[str]  # paths that have to be there under their own name, read-only
    read_only_root: bool
    folder: str  # of this container: empty; the root is built on it, or it is $SEATRIAL_ROOT
    address: str  # the pod's, "" when sockets are left as the program asks for them
    loopback: str  # what stands for 127.0.0.1 in this pod
    memory_limit: int | None  # bytes


class ExecPlan(TypedDict):
    """A command in a running container; what is empty or absent is the container's own."""

    argv: list[str]
    env: dict[str, str]  # added to the container's
    tty: bool
