"""The recorded objects sent to a server: is each completed as Kubernetes completed it, or refused in the same words?

A server is a function from a path and an object to a status code and the answer, so that a running twin and one without a
socket are asked alike.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Callable
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from seatrial.twin.registry.resources import ResourceTable, builtin_resources
from seatrial.world.objects import Obj

FOLDER = Path(__file__).parent / "recordings" / "api"
RESOURCES = ResourceTable(builtin_resources())
QUERY = "?dryRun=All&fieldValidation=Strict"

Post = Callable[[str, Obj], tuple[int, Obj]]


class Entry(NamedTuple):
    path: str
    request: Obj
    status: int
    response: Obj

    def __str__(self) -> str:
        return f"{self.request.get('kind', '')} to {self.path}"


def recorded(name: str) -> list[Entry]:
    """`defaults` or `invalid`."""
    entries = json.loads((FOLDER / f"{name}.json").read_text())
    return [Entry(e.get("path") or _path(e["request"]), e["request"], e["status"], e["response"]) for e in entries]


def _path(obj: Obj) -> str:
    resource = RESOURCES.of_kind(obj["apiVersion"], obj["kind"])
    assert resource is not None
    group = "apis" if resource.group else "api"
    within = "/namespaces/default" if resource.namespaced else ""
    return f"/{group}/{resource.api_version}{within}/{resource.plural}"


def over_http(kubeconfig: Path) -> Post:
    """Ask the server that a kubeconfig names."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    connection = HTTPSConnection(urlsplit(cluster["server"]).netloc, context=context, timeout=30)
    headers = {"authorization": f"Bearer {user['token']}", "content-type": "application/json"}

    def post(path: str, obj: Obj) -> tuple[int, Obj]:
        connection.request("POST", path + QUERY, json.dumps(obj), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    return post


def completed_alike(entry: Entry, post: Post) -> bool:
    """Whether an object is completed as recorded, after uids, times, cluster IPs and ports."""
    code, answer = post(entry.path, entry.request)
    return code == entry.status and _masked(answer) == _masked(entry.response)


def refused_alike(entry: Entry, post: Post) -> bool:
    """Whether the code, the reason and the causes are as recorded; the message where there are no causes."""
    code, answer = post(entry.path, entry.request)
    return _verdict(code, answer) == _verdict(entry.status, entry.response)


def _masked(obj: Obj) -> Obj:
    """An object with what is random replaced as in the recordings."""
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key != "managedFields"}
    text = json.dumps({**obj, "metadata": metadata})
    for key, mask in (("uid", "<uid>"), ("creationTimestamp", "<time>")):
        if key in metadata:
            text = text.replace(metadata[key], mask)
    text = re.sub(r"kube-api-access-[a-z0-9]{5}", "kube-api-access-<id>", text)
    text = re.sub(r'"127\.\d+\.\d+\.\d+"', '"<cluster-ip>"', text)
    masked: Obj = json.loads(re.sub(r'"nodePort": \d+', '"nodePort": "<port>"', text))
    return masked


def _verdict(code: int, answer: Obj) -> tuple[Any, ...]:
    if code < 400:
        return (code,)
    listed = (answer.get("details") or {}).get("causes") or []
    causes = sorted((c["reason"], c.get("field", ""), _without_addresses(c["message"])) for c in listed)
    return code, answer["reason"], causes, "" if causes else answer["message"]


def _without_addresses(message: str) -> str:
    return re.sub(r"127\.\d+\.\d+\.\d+/\d+", "<cluster-ip>/16", message)
