"""Single keys of a docker-compose service, each with what it becomes or the reason why it becomes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from seatrial.importing.compose_values import settings_of
from seatrial.importing.draft import Draft
from seatrial.importing.parts import binary, put_size
from seatrial.importing.source import Node

NO_SUCH_KEY = "the app file has no such key"

WHY = {
    "networks": "who may reach whom comes from `calls`",
    "privileged": "no service is privileged",
    "cap_add": "services run without capabilities",
    "network_mode": "every pod has its own network",
    "profiles": "it is carried over whatever its profile",
    "configs": "files are not carried over; put settings under `config`",
    "extra_hosts": "names come from the cluster's DNS",
    "working_dir": "set it in the Dockerfile",
    "ulimits": "the cluster's nodes set them",
    "sysctls": "the cluster's nodes set them",
    "read_only": "the root file system of every service is read-only; `writable` names folders that are not",
    "cap_drop": "services run without capabilities",
    "security_opt": "every service runs as pod security `restricted` asks",
    "stop_signal": "a pod is always ended by SIGTERM",
    "shm_size": "shared memory is 64Mi; /dev/shm cannot be made larger",
    "runtime": "the nodes have it; `nodes` keeps a service to those that do",
    "gpus": "a service asks for CPU and memory; `nodes` keeps it to nodes that have what it needs",
    "devices": "a pod has no devices of its node",
    "dns": "names come from the cluster's DNS",
    "group_add": "a service is in the group of its `user`",
    "userns_mode": "the nodes set it",
    "pid": "every pod has its own processes",
    "ipc": "every pod has its own",
    "cgroup_parent": "the nodes set it",
    "develop": "it is for the machine of who writes the code",
    "credential_spec": "a service has an `identity`",
    "mac_address": "every pod has its own network",
}

#: Keys of `deploy` that are said otherwise, or by themselves.
DEPLOY = {
    "mode": "a service has `replicas`, and not one pod on each node",
    "placement": "see `nodes`, and `platform.nodes`",
    "update_config": "a new version comes before the old one goes; see `canary`",
    "rollback_config": "`seatrial release` goes back by itself",
    "endpoint_mode": "a Service balances over the pods that are ready",
}


def _healthcheck(draft: Draft, ours: str, node: Node) -> None:
    test = " ".join([node["test"].text, *node["test"].words])
    found = re.search(r"https?://[^\s/'\"|]+(/[^\s?'\"|;#]*)?", test)
    if found:
        draft.put(("services", ours, "health"), found[1] or "/", node.place)
    elif test and test.upper() != "NONE":
        draft.note(node["test"].place, f"`healthcheck` of `{ours}`: it is no HTTP request; the port is tried instead")
    if found and node["start_period"].text:
        path = found[1] or "/"
        draft.put(("services", ours, "health"), {"live": path, "ready": path, "startup": node["start_period"].text}, node.place)


def _volumes(draft: Draft, ours: str, node: Node) -> None:
    for volume in node.each():
        target = volume["target"].text or volume.text
        if volume["type"].text == "tmpfs":
            draft.add(("services", ours, "writable"), target, volume.place)
        else:
            where = target.split(":")[1] if target.count(":") and not volume["target"] else target
            draft.note(
                volume.place, f"volume {where} of `{ours}`: a service keeps nothing; use a store, or `writable` for what may go"
            )


def _tmpfs(draft: Draft, ours: str, node: Node) -> None:
    for text in [node.text, *node.words]:
        if text:
            draft.add(("services", ours, "writable"), text.partition(":")[0], node.place)


def _secrets(draft: Draft, ours: str, node: Node) -> None:
    for item in node.each():
        source = item.text or item["source"].text
        if f"/run/secrets/{item['target'].text or source}" in _named_files(item, ours):
            continue  # it goes by the variable that named the file
        variable = re.sub(r"[^A-Za-z0-9_]", "_", source).upper()
        draft.add(("services", ours, "secrets"), variable, item.place)
        draft.note(
            item.place, f"secret {source} of `{ours}`: it was the file /run/secrets/{source} and is the variable {variable} now"
        )


def _deploy(draft: Draft, ours: str, node: Node) -> None:
    for key, value in node.items():
        if key == "replicas" and value.text.isdecimal():
            draft.put(("services", ours, "replicas"), int(value.text), value.place)
        elif key == "resources":
            _resources(draft, ours, value)
        elif key == "labels":
            _labels(draft, ours, value)
        elif key not in ("mode", "restart_policy") or value.text == "global":
            draft.note(value.place, f"`deploy.{key}` of `{ours}`: {DEPLOY.get(key, NO_SUCH_KEY)}")


def _resources(draft: Draft, ours: str, node: Node) -> None:
    sizes = [
        {k: v for k, v in (("cpu", node[part]["cpus"].text), ("memory", binary(node[part]["memory"].text))) if v}
        for part in ("reservations", "limits")
    ]
    put_size(draft, ours, sizes[0], sizes[1], node.place)
    for part in ("reservations", "limits"):
        for key in ("devices", "generic_resources", "pids"):
            if node[part][key]:
                hint = "a service asks for CPU and memory; `nodes` keeps it to nodes that have what it needs"
                draft.note(node[part][key].place, f"`{part}.{key}` of `{ours}`: {hint}")


_RULE = re.compile(r"traefik\.http\.routers\.[^.]+\.rule=.*?Host\(`([^`]+)`\)")
_LED_TO = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port=([0-9]+)$")


def _labels(draft: Draft, ours: str, node: Node) -> None:
    """What Traefik reads from labels: the host, and the port it leads to. Other labels are made anew."""
    texts = [(item, item.text) for item in node.each()] + [(item, f"{key}={item.text}") for key, item in node.items()]
    others = 0
    for item, text in texts:
        host, port = _RULE.match(text), _LED_TO.match(text)
        if host:
            draft.put(("services", ours, "expose"), host[1], item.place)
        elif port:
            draft.put(("services", ours, "port"), int(port[1]), item.place)
        else:
            others += not text.startswith("traefik.")
    if others:
        draft.note(node.place, f"`labels` of `{ours}`: labels are made from the app file")


def _named_files(item: Node, ours: str) -> list[str]:
    """The files that variables of an item's service name."""
    service = Node(item.document, item.document.data, (), item.offset).at(*item.path[:2])
    return [setting.value or "" for setting in settings_of(service, Path()) if setting.name.endswith("_FILE")]


def limits(draft: Draft, ours: str, service: Node) -> None:
    """The size of a service, as files of version 2 say it."""
    asked = {"memory": binary(service["mem_reservation"].text)}
    most = {"memory": binary(service["mem_limit"].text), "cpu": service["cpus"].text}
    found = [{key: value for key, value in part.items() if value} for part in (asked, most)]
    if any(found):
        put_size(draft, ours, found[0], found[1], (service["mem_limit"] or service["cpus"]).place)


def _scale(draft: Draft, ours: str, node: Node) -> None:
    if node.text.isdecimal() and int(node.text):
        draft.put(("services", ours, "replicas"), int(node.text), node.place)


def _grace(draft: Draft, ours: str, node: Node) -> None:
    draft.put(("services", ours, "grace"), node.text, node.place)


def _user(draft: Draft, ours: str, node: Node) -> None:
    number = node.text.partition(":")[0]
    if number.isdecimal() and int(number):
        draft.put(("services", ours, "user"), int(number), node.place)
    else:
        draft.note(node.place, f"`user` of `{ours}`: a user's number is wanted, and never 0; 10001 is used")


READERS: dict[str, Callable[[Draft, str, Node], None]] = {
    "healthcheck": _healthcheck,
    "volumes": _volumes,
    "tmpfs": _tmpfs,
    "secrets": _secrets,
    "deploy": _deploy,
    "labels": _labels,
    "scale": _scale,
    "stop_grace_period": _grace,
    "user": _user,
}
