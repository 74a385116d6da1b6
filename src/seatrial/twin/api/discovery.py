"""Discovery: which groups, versions and resources are served, aggregated (v2) and in the older documents one a version."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from seatrial.twin.api.http import Accepted, Response, json_response
from seatrial.twin.registry.resources import Resource, ResourceTable
from seatrial.world.objects import Obj

_AGGREGATED = b"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

#: Subresource -> (kind it speaks, its group, its version, verbs); kind "" is the resource's own.
_SUBRESOURCES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "status": ("", "", "", ("get", "patch", "update")),
    "scale": ("Scale", "autoscaling", "v1", ("get", "patch", "update")),
    "eviction": ("Eviction", "policy", "v1", ("create",)),
    "binding": ("Binding", "", "v1", ("create",)),
    "token": ("TokenRequest", "authentication.k8s.io", "v1", ("create",)),
    "log": ("", "", "", ("get",)),
    "exec": ("PodExecOptions", "", "v1", ("create", "get")),
    "attach": ("PodAttachOptions", "", "v1", ("create", "get")),
    "portforward": ("PodPortForwardOptions", "", "v1", ("create", "get")),
    "ephemeralcontainers": ("", "", "", ("get", "patch", "update")),
    "resize": ("", "", "", ("get", "patch", "update")),
    "finalize": ("", "", "", ("update",)),
    "approval": ("", "", "", ("get", "patch", "update")),
}


class Discovery:
    """The documents of discovery, made once and again when the table of resources changes."""

    def __init__(self, resources: ResourceTable) -> None:
        self._resources, self._revision = resources, -1
        self._made: dict[str, bytes] = {}

    def answer(self, path: str, accepted: Accepted) -> Response | None:
        """The document at `/api`, `/apis`, `/apis/<group>` or `/apis/<group>/<version>`; None for any other path."""
        if self._revision != self._resources.revision:
            self._made.clear()
            self._revision = self._resources.revision
        path = path.rstrip("/")
        aggregated = accepted.form == "APIGroupDiscoveryList" and path in ("/api", "/apis")
        key = f"{path} aggregated" if aggregated else path
        body = self._made.get(key)
        if body is None:
            document = self._aggregated(path) if aggregated else self._plain(path)
            if document is None:
                return None
            body = self._made[key] = orjson.dumps(document)
        return Response(200, body, _AGGREGATED if aggregated else b"application/json", [(b"vary", b"Accept")])

    # aggregated

    def _aggregated(self, path: str) -> Obj:
        items = [_group(name, versions) for name, versions in self._groups().items() if (name == "") == (path == "/api")]
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}

    def _groups(self) -> dict[str, dict[str, list[Resource]]]:
        groups: dict[str, dict[str, list[Resource]]] = {}
        for resource in self._resources:
            if resource.served:
                groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
        return groups

    # one document a group or version

    def _plain(self, path: str) -> Obj | None:
        parts = path.split("/")[1:]
        groups = self._groups()
        match parts:
            case ["api"]:
                address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}]
                return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}
            case ["apis"]:
                listed = [_api_group(name, list(versions)) for name, versions in groups.items() if name]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
            case ["apis", name] if name in groups:
                return {"kind": "APIGroup", "apiVersion": "v1", **_api_group(name, list(groups[name]))}
            case ["api", version] if version in groups[""]:
                return _resource_list(version, groups[""][version])
            case ["apis", name, version] if version in groups.get(name, {}):
                return _resource_list(f"{name}/{version}", groups[name][version])
        return None


def _group(name: str, versions: dict[str, list[Resource]]) -> Obj:
    documents = [
        {
            "version": version,
            "resources": [_aggregated_resource(resource) for resource in _sorted(resources)],
            "freshness": "Current",
        }
        for version, resources in versions.items()
    ]
    return {"metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None}, "versions": documents}


def _sorted(resources: Iterable[Resource]) -> list[Resource]:
    return sorted(resources, key=lambda resource: resource.plural)


def _aggregated_resource(resource: Resource) -> Obj:
    document: Obj = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        document["shortNames"] = list(resource.short_names)
    if resource.categories:
        document["categories"] = list(resource.categories)
    if resource.subresources:
        document["subresources"] = [
            {"subresource": name, "responseKind": {"group": group, "version": version, "kind": kind}, "verbs": list(verbs)}
            for name, kind, group, version, verbs in _subresources(resource)
        ]
    return document


def _subresources(resource: Resource) -> Iterable[tuple[str, str, str, str, tuple[str, ...]]]:
    for name in resource.subresources:
        kind, group, version, verbs = _SUBRESOURCES[name]
        if not kind:
            kind, group, version = resource.kind, resource.group, resource.version
        yield name, kind, group, version, verbs


def _api_group(name: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(group_version: str, resources: list[Resource]) -> Obj:
    listed: list[Obj] = []
    for resource in _sorted(resources):
        listed.append(_plain_resource(resource))
        for name, kind, group, version, verbs in _subresources(resource):
            document: Obj = {
                "name": f"{resource.plural}/{name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind,
                "verbs": list(verbs),
            }
            if (group, version) != (resource.group, resource.version):
                document |= {"group": group, "version": version}
            listed.append(document)
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _plain_resource(resource: Resource) -> Obj:
    document: Obj = {
        "name": resource.plural,
        "singularName": resource.singular_name,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        document["shortNames"] = list(resource.short_names)
    if resource.categories:
        document["categories"] = list(resource.categories)
    return document


#: What `/version` says (the twin keeps to this release of Kubernetes).
VERSION: Obj = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-06-09T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


def version_response() -> Response:
    return json_response(200, VERSION)
