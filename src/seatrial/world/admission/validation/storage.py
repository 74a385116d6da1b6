"""Claims, volumes and storage classes (pkg/apis/core/validation, pkg/apis/storage/validation)."""

from __future__ import annotations

from seatrial.world.admission.causes import NOT_POSITIVE, Causes
from seatrial.world.admission.validation import internal, meta, names, scheduling
from seatrial.world.admission.validation.resources import value_of
from seatrial.world.objects import Obj, annotations_of, dig

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_RECLAIM = ("Delete", "Recycle", "Retain")


def claim(obj: Obj, causes: Causes) -> None:
    claim_spec(obj.get("spec") or {}, "spec", causes)


def claim_spec(spec: Obj, field: str, causes: Causes) -> None:
    modes = spec.get("accessModes") or []
    if not modes:
        causes.required(f"{field}.accessModes", "at least 1 access mode is required")
    meta.label_selector(spec.get("selector"), f"{field}.selector", causes)
    _access_modes(modes, f"{field}.accessModes", causes)
    size = dig(spec, "resources.requests.storage")
    if size is None:
        causes.required(f"{field}.resources[storage]")
    else:
        _positive(size, f"{field}.resources[storage]", causes)
    for key in ("storageClassName", "volumeAttributesClassName"):
        if spec.get(key):
            causes.each(f"{field}.{key}", spec[key], names.dns_subdomain(spec[key]))
    if spec.get("volumeMode") is not None and spec["volumeMode"] not in VOLUME_MODES:
        causes.unsupported(f"{field}.volumeMode", spec["volumeMode"], VOLUME_MODES)
    for key in ("dataSource", "dataSourceRef"):
        if spec.get(key) is not None:
            _data_source(spec[key], f"{field}.{key}", causes)


def _access_modes(modes: list[str], field: str, causes: Causes) -> None:
    for mode in modes:
        if mode not in ACCESS_MODES:
            causes.unsupported(field, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and any(mode in ACCESS_MODES[:3] for mode in modes):
        causes.forbidden(field, "may not use ReadWriteOncePod with other access modes")


def _positive(size: object, field: str, causes: Causes) -> None:
    if value_of(str(size)) <= 0:
        causes.invalid(field, str(size), NOT_POSITIVE)


def _data_source(source: Obj, field: str, causes: Causes) -> None:
    for key in ("name", "kind"):
        if not source.get(key):
            causes.required(f"{field}.{key}")
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        causes.invalid(field, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if group:
        causes.each(f"{field}.apiGroup", group, names.dns_subdomain(group))
    if source.get("namespace"):
        causes.each(f"{field}.namespace", source["namespace"], names.dns_label(source["namespace"]))


def claim_update(obj: Obj, old: Obj, causes: Causes) -> None:
    claim(obj, causes)
    new_spec, old_spec = dict(obj.get("spec") or {}), dict(old.get("spec") or {})
    if not old_spec.get("volumeName"):
        old_spec.pop("volumeName", None)
        if new_spec.get("volumeName"):
            old_spec["volumeName"] = new_spec["volumeName"]
    if annotations_of(obj).get(_BETA_CLASS) != annotations_of(old).get(_BETA_CLASS):
        causes.invalid(f"metadata.annotations.{_BETA_CLASS}", annotations_of(obj).get(_BETA_CLASS, ""), "field is immutable")
    if old_spec.get("storageClassName") is None and new_spec.get("storageClassName") is not None:
        new_spec.pop("storageClassName")
    if dig(obj, "status.phase") == "Bound":
        _grow(new_spec, old_spec)
    if new_spec != old_spec:
        changed = internal.diff("api.core.v1.PersistentVolumeClaimSpec", old_spec, new_spec)
        why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        causes.forbidden("spec", f"{why}\n{changed}")
    size, before = (value_of(str(dig(one, "spec.resources.requests.storage", "0"))) for one in (obj, old))
    if size < before and size <= value_of(str(dig(old, "status.capacity.storage", "0"))):
        causes.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    causes.same("volumeMode", dig(obj, "spec.volumeMode"), dig(old, "spec.volumeMode"))


def _grow(new: Obj, old: Obj) -> None:
    """A bound claim may ask for more room, and for another class of attributes: hide both from the comparison."""
    if (new.get("resources") or {}).get("requests"):
        requests = {**new["resources"]["requests"], "storage": dig(old, "resources.requests.storage")}
        new["resources"] = {**new["resources"], "requests": requests}
    if new.get("volumeAttributesClassName") is not None:
        new["volumeAttributesClassName"] = old.get("volumeAttributesClassName")


def volume(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    modes = spec.get("accessModes") or []
    if not modes:
        causes.required("spec.accessModes")
    _access_modes(modes, "spec.accessModes", causes)
    capacity = spec.get("capacity") or {}
    if not capacity:
        causes.required("spec.capacity")
    elif "storage" not in capacity or len(capacity) > 1:
        causes.unsupported("spec.capacity", capacity, ("storage",))
    for name, amount in sorted(capacity.items()):
        if value_of(amount) <= 0:
            causes.invalid(f"spec.capacity[{name}]", str(amount), NOT_POSITIVE)
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and policy not in _RECLAIM:
        causes.unsupported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM)
    _sources(spec, causes)
    if spec.get("storageClassName"):
        causes.each("spec.storageClassName", spec["storageClassName"], names.dns_subdomain(spec["storageClassName"]))
    if spec.get("volumeMode") is not None and spec["volumeMode"] not in VOLUME_MODES:
        causes.unsupported("spec.volumeMode", spec["volumeMode"], VOLUME_MODES)


#: What else a PersistentVolume's spec has, besides one source.
_NO_SOURCE = frozenset({
    "capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName", "mountOptions", "volumeMode",
    "nodeAffinity", "volumeAttributesClassName",
})  # fmt: skip


def _sources(spec: Obj, causes: Causes) -> None:
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        if affinity.get("required") is None:
            causes.required("spec.nodeAffinity.required", "must specify required node constraints")
        else:
            scheduling.node_selector(affinity["required"], "spec.nodeAffinity.required", causes)
    sources = [key for key, value in spec.items() if key not in _NO_SOURCE and value is not None]
    if not sources:
        causes.required("spec", "must specify a volume type")
    for extra in sources[1:]:
        causes.forbidden(f"spec.{extra}", "may not specify more than 1 volume type")
    path = dig(spec, "hostPath.path")
    if spec.get("hostPath") is not None and not path:
        causes.required("spec.hostPath.path")
    if path and path.rstrip("/") == "" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        causes.forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'")
    if spec.get("local") is not None:
        if not spec["local"].get("path"):
            causes.required("spec.local.path")
        if affinity is None:
            causes.required("spec.local.nodeAffinity", "Local volume requires node affinity")


def volume_update(obj: Obj, old: Obj, causes: Causes) -> None:
    volume(obj, causes)
    new_sources, old_sources = (
        {key: value for key, value in (one.get("spec") or {}).items() if key not in _NO_SOURCE} for one in (obj, old)
    )
    if new_sources != old_sources:
        changed = internal.diff("api.core.v1.PersistentVolumeSource", old_sources, new_sources)
        why = f"spec.persistentvolumesource is immutable after creation\n{changed}"
        causes.forbidden("spec.persistentvolumesource", why)
    causes.same("volumeMode", dig(obj, "spec.volumeMode"), dig(old, "spec.volumeMode"))


# classes


def storage_class(obj: Obj, causes: Causes) -> None:
    provisioner = obj.get("provisioner") or ""
    if not provisioner:
        causes.required("provisioner")
    else:
        causes.each("provisioner", provisioner, names.qualified(provisioner.lower()))
    parameters = obj.get("parameters") or {}
    if any(not key for key in parameters):
        causes.invalid("parameters", parameters, "field can not be empty.")
    policy = obj.get("reclaimPolicy")
    if policy and policy not in ("Delete", "Retain"):
        causes.unsupported("reclaimPolicy", policy, ("Delete", "Retain"))
    causes.one_of("volumeBindingMode", obj.get("volumeBindingMode"), ("Immediate", "WaitForFirstConsumer"))


def storage_class_update(obj: Obj, old: Obj, causes: Causes) -> None:
    storage_class(obj, causes)
    for key in ("parameters", "provisioner", "reclaimPolicy"):
        if (obj.get(key) or None) != (old.get(key) or None):
            causes.forbidden(key, f"updates to {key} are forbidden.")
    causes.same("volumeBindingMode", obj.get("volumeBindingMode"), old.get("volumeBindingMode"))
