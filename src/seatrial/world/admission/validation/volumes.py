"""Volumes of pods and how containers mount them (pkg/apis/core/validation/validation.go, ValidateVolumes and below)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import meta, names
from seatrial.world.admission.validation.downward import field_ref, resource_ref
from seatrial.world.admission.validation.resources import value_of
from seatrial.world.admission.validation.storage import claim_spec
from seatrial.world.objects import Obj

MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
Volumes = dict[str, Obj]


def volumes(listed: list[Obj], field: str, causes: Causes, pod: str = "") -> Volumes:
    """Check a pod's volumes; returns the good ones by name. `pod` is the name of the pod where it is known."""
    created = {f"{pod}-{one.get('name')}" for one in listed if pod and one.get("ephemeral") is not None}
    good: Volumes = {}
    for number, one in enumerate(listed):
        at = f"{field}[{number}]"
        found = Causes()
        _source(one, at, found, pod)
        name = one.get("name", "")
        if not name:
            found.required(f"{at}.name")
        else:
            found.each(f"{at}.name", name, names.dns_label(name))
        if name in good:
            found.duplicate(f"{at}.name", name)
        if not found:
            good[name] = one
        causes.extend(found)
        claim = (one.get("persistentVolumeClaim") or {}).get("claimName")
        if claim and claim in created:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            causes.invalid(f"{at}.persistentVolumeClaim.claimName", claim, why)
    return good


def _source(volume: Obj, field: str, causes: Causes, pod: str) -> None:
    """Exactly one source; only the first is looked at more closely, in the order of Kubernetes."""
    found = 0
    for name, check in _SOURCES.items():
        source = volume.get(name)
        if source is None:
            continue
        found += 1
        if found == 1:
            check(source, f"{field}.{name}", causes)
        else:
            causes.forbidden(f"{field}.{_MISSPELT.get(name, name)}", "may not specify more than 1 volume type")
    if not found:
        causes.required(field, "must specify a volume type")
    if volume.get("ephemeral") is not None and pod and volume.get("name"):
        claim = f"{pod}-{volume['name']}"
        for why in names.dns_subdomain(claim):
            causes.invalid(f"{field}.name", volume["name"], f'PVC name "{claim}": {why}')


#: Paths that Kubernetes spells otherwise in this one place.
_MISSPELT = {"downwardAPI": "downwarAPI", "cephfs": "cephFS"}


def _mode(source: Obj, key: str, field: str, causes: Causes) -> None:
    mode = source.get(key)
    if mode is not None and not 0 <= mode <= 0o777:
        causes.invalid(f"{field}.{key}", mode, MODE)


def _empty_dir(source: Obj, field: str, causes: Causes) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and value_of(limit) < 0:
        causes.forbidden(f"{field}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(source: Obj, field: str, causes: Causes) -> None:
    path = source.get("path") or ""
    if not path:
        causes.required(f"{field}.path")
        return
    causes.each(f"{field}.path", path, names.no_backsteps(path))
    kind = source.get("type")
    if kind is not None and kind not in _HOST_PATH_TYPES:
        causes.unsupported(f"{field}.type", kind, _HOST_PATH_TYPES)


def _secret(source: Obj, field: str, causes: Causes) -> None:
    _files(source, "secretName", field, causes)


def _config_map(source: Obj, field: str, causes: Causes) -> None:
    _files(source, "name", field, causes)


def _files(source: Obj, key: str, field: str, causes: Causes) -> None:
    if not source.get(key):
        causes.required(f"{field}.{key}")
    _mode(source, "defaultMode", field, causes)
    for number, item in enumerate(source.get("items") or ()):
        _key_to_path(item, f"{field}.items[{number}]", causes)


def _key_to_path(item: Obj, field: str, causes: Causes) -> None:
    for key in ("key", "path"):
        if not item.get(key):
            causes.required(f"{field}.{key}")
    path = item.get("path") or ""
    causes.each(f"{field}.path", path, names.projected_path(path))
    _mode(item, "mode", field, causes)


def _downward(source: Obj, field: str, causes: Causes) -> None:
    _mode(source, "defaultMode", field, causes)
    for item in source.get("items") or ():
        _downward_file(item, field, causes)


def _downward_file(item: Obj, field: str, causes: Causes) -> None:
    path = item.get("path") or ""
    if not path:
        causes.required(f"{field}.path")
    causes.each(f"{field}.path", path, names.projected_path(path))
    if item.get("fieldRef") is not None:
        field_ref(item["fieldRef"], _VOLUME_FIELDS, f"{field}.fieldRef", causes)
        if item.get("resourceFieldRef") is not None:
            causes.invalid(field, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.get("resourceFieldRef") is not None:
        resource_ref(item["resourceFieldRef"], f"{field}.resourceFieldRef", causes, needs_container=True)
    else:
        causes.required(field, "one of fieldRef and resourceFieldRef is required")
    _mode(item, "mode", field, causes)


def _claim(source: Obj, field: str, causes: Causes) -> None:
    if not source.get("claimName"):
        causes.required(f"{field}.claimName")


def _nfs(source: Obj, field: str, causes: Causes) -> None:
    for key in ("server", "path"):
        if not source.get(key):
            causes.required(f"{field}.{key}")
    path = source.get("path") or ""
    if not path.startswith("/"):
        causes.invalid(f"{field}.path", path, "must be an absolute path")


def _csi(source: Obj, field: str, causes: Causes) -> None:
    if not source.get("driver"):
        causes.required(f"{field}.driver")
    else:
        causes.each(f"{field}.driver", source["driver"], names.dns_subdomain(source["driver"].lower()))
    secret = source.get("nodePublishSecretRef")
    if secret is not None:
        name = secret.get("name") or ""
        if not name:
            causes.required(f"{field}.nodePublishSecretRef.name")
        else:
            causes.each(f"{field}.name", name, names.dns_subdomain(name))


def _ephemeral(source: Obj, field: str, causes: Causes) -> None:
    template = source.get("volumeClaimTemplate")
    if template is None:
        causes.required(f"{field}.volumeClaimTemplate")
        return
    at = f"{field}.volumeClaimTemplate"
    metadata = template.get("metadata") or {}
    meta.check_labels(metadata.get("labels") or {}, f"{at}.metadata.labels", causes)
    meta.check_annotations(metadata.get("annotations") or {}, f"{at}.metadata.annotations", causes)
    claim_spec(template.get("spec") or {}, f"{at}.spec", causes)


def _image(source: Obj, field: str, causes: Causes) -> None:
    reference = source.get("reference") or ""
    if not reference:
        causes.required(f"{field}.reference")
    elif reference != reference.strip():
        causes.invalid(f"{field}.reference", reference, "must not have leading or trailing whitespace")
    causes.one_of(f"{field}.pullPolicy", source.get("pullPolicy"), _PULL_POLICIES)


def _projected(source: Obj, field: str, causes: Causes) -> None:
    _mode(source, "defaultMode", field, causes)
    paths: set[str] = set()
    for number, part in enumerate(source.get("sources") or ()):
        _projection(part, f"{field}.sources[{number}]", field, paths, causes)


def _projection(part: Obj, at: str, field: str, paths: set[str], causes: Causes) -> None:
    found = 0
    for key in ("secret", "configMap"):
        source = part.get(key)
        if source is None:
            continue
        found += 1
        if not source.get("name"):
            causes.required(f"{at}.{key}.name")
        for number, item in enumerate(source.get("items") or ()):
            _key_to_path(item, f"{at}.{key}.items[{number}]", causes)
            _once(item.get("path"), source.get("name", ""), field, paths, causes)
    if part.get("downwardAPI") is not None:
        found += 1
        for item in part["downwardAPI"].get("items") or ():
            _downward_file(item, f"{at}.downwardAPI", causes)
            _once(item.get("path"), item.get("path"), field, paths, causes)
    if part.get("serviceAccountToken") is not None:
        found += 1
        _token(part["serviceAccountToken"], f"{at}.serviceAccountToken", field, causes)
    if found > 1:
        causes.forbidden(at, "may not specify more than 1 volume type per source")


def _once(path: str | None, shown: Any, field: str, paths: set[str], causes: Causes) -> None:
    if path and path in paths:
        causes.invalid(field, shown, "conflicting duplicate paths")
    paths.add(path or "")


def _token(source: Obj, at: str, field: str, causes: Causes) -> None:
    seconds = source.get("expirationSeconds", 0)
    if seconds < 600:
        causes.invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > 1 << 32:
        causes.invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
    path = source.get("path") or ""
    if not path:
        causes.required(f"{field}.path")
    else:
        causes.each(f"{field}.path", path, names.projected_path(path))


def _with(*required: str) -> Callable[[Obj, str, Causes], None]:
    """A source of which only the presence of these keys is checked: disks of clouds and clusters."""

    def check(source: Obj, field: str, causes: Causes) -> None:
        for key in required:
            if not source.get(key):
                causes.required(f"{field}.{key}")

    return check


#: In the order in which Kubernetes looks at them.
_SOURCES: dict[str, Callable[[Obj, str, Causes], None]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gitRepo": _with("repository"),
    "gcePersistentDisk": _with("pdName"),
    "awsElasticBlockStore": _with("volumeID"),
    "secret": _secret,
    "nfs": _nfs,
    "iscsi": _with("targetPortal", "iqn"),
    "glusterfs": _with("endpoints", "path"),
    "flocker": _with(),
    "persistentVolumeClaim": _claim,
    "rbd": _with("monitors", "image"),
    "cinder": _with("volumeID"),
    "cephfs": _with("monitors"),
    "quobyte": _with("registry", "volume"),
    "downwardAPI": _downward,
    "fc": _with(),
    "flexVolume": _with("driver"),
    "configMap": _config_map,
    "azureFile": _with("secretName", "shareName"),
    "vsphereVolume": _with("volumePath"),
    "photonPersistentDisk": _with("pdID"),
    "portworxVolume": _with("volumeID"),
    "azureDisk": _with("diskName", "diskURI"),
    "storageos": _with(),
    "projected": _projected,
    "scaleIO": _with("gateway", "system", "volumeName"),
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}


# mounts


_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def mounts(container: Obj, known: Volumes, field: str, causes: Causes) -> None:
    """volumeMounts of a container against the good volumes of its pod."""
    devices = {one.get("name"): one.get("devicePath") for one in container.get("volumeDevices") or ()}
    seen: set[str] = set()
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        at = f"{field}[{number}]"
        name, path = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            causes.required(f"{at}.name")
        if name not in known:
            causes.not_found(f"{at}.name", name)
        if not path:
            causes.required(f"{at}.mountPath")
        if path in seen:
            causes.invalid(f"{at}.mountPath", path, "must be unique")
        seen.add(path)
        if name in devices:
            causes.invalid(f"{at}.name", name, "must not already exist in volumeDevices")
        if path in devices.values():
            causes.invalid(f"{at}.mountPath", path, "must not already exist as a path in volumeDevices")
        if len(mount) > 2:
            _mount_options(mount, known.get(name) or {}, container, at, field, causes)


def _mount_options(mount: Obj, volume: Obj, container: Obj, at: str, field: str, causes: Causes) -> None:
    path, expression = mount.get("subPath"), mount.get("subPathExpr")
    if volume.get("image") is not None:
        for key in ("subPath", "subPathExpr"):
            if mount.get(key):
                causes.invalid(f"{at}.{key}", mount[key], "not allowed in image volume sources")
    if path:
        causes.each(f"{field}.subPath", path, names.relative_path(path))
    if expression:
        if path:
            causes.invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
        causes.each(f"{field}.subPathExpr", expression, names.relative_path(expression))
    _propagation(mount, container, field, causes)


def _propagation(mount: Obj, container: Obj, field: str, causes: Causes) -> None:
    propagation, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if propagation is not None:
        if propagation not in _PROPAGATIONS:
            causes.unsupported(f"{field}.mountPropagation", propagation, _PROPAGATIONS)
        if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            why = "Bidirectional mount propagation is available only to privileged containers"
            causes.forbidden(f"{field}.mountPropagation", why)
    if recursive is None or recursive == "Disabled":
        return
    if recursive not in _RECURSIVE:
        causes.unsupported(f"{field}.recursiveReadOnly", recursive, _RECURSIVE)
        return
    if not mount.get("readOnly"):
        causes.forbidden(f"{field}.recursiveReadOnly", "may only be specified when readOnly is true")
    if propagation not in (None, "None"):
        why = "may only be specified when mountPropagation is None or not specified"
        causes.forbidden(f"{field}.recursiveReadOnly", why)


def devices(container: Obj, known: Volumes, field: str, causes: Causes) -> None:
    """volumeDevices of a container: claims as block devices."""
    mounted: Mapping[str, str] = {m.get("name", ""): m.get("mountPath", "") for m in container.get("volumeMounts") or ()}
    seen_names: set[str] = set()
    seen_paths: set[str] = set()
    for number, device in enumerate(container.get("volumeDevices") or ()):
        at = f"{field}[{number}]"
        name, path = device.get("name", ""), device.get("devicePath", "")
        volume = known.get(name)
        tests = (
            (not name, "required", "name", ""),
            (name in seen_names, "must be unique", "name", name),
            (
                volume is not None and volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None,
                "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                "name",
                name,
            ),
            (volume is None, "not found", "name", name),
            (not path, "required", "devicePath", ""),
            (path in seen_paths, "must be unique", "devicePath", path),
            (bool(names.no_backsteps(path)), "can not contain backsteps ('..')", "devicePath", path),
            (name in mounted, "must not already exist in volumeMounts", "name", name),
            (path in mounted.values(), "must not already exist as a path in volumeMounts", "devicePath", path),
        )
        for is_wrong, why, key, value in tests:
            if is_wrong and why == "required":
                causes.required(f"{at}.{key}")
            elif is_wrong and why == "not found":
                causes.not_found(f"{at}.{key}", value)
            elif is_wrong:
                causes.invalid(f"{at}.{key}", value, why)
        seen_names.add(name)
        seen_paths.add(path)
