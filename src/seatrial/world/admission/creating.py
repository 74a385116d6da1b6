"""What an API server makes of a new object between its defaults and its validation, as far as validation looks at it.

And `refusals`, which takes an object through all three: what a server would say of creating it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from seatrial.world.admission.causes import Cause
from seatrial.world.admission.defaulting import default
from seatrial.world.admission.validation import validate
from seatrial.world.objects import Obj, clone, dig

#: What stands for the identity that a server would give an object.
UID = "00000000-0000-0000-0000-000000000000"


def namespace(obj: Obj) -> None:
    """Every namespace is Kubernetes' to end (pkg/registry/core/namespace/strategy.go)."""
    finalizers = dig(obj, "spec.finalizers") or []
    if "kubernetes" not in finalizers:
        finalizers = [*finalizers, "kubernetes"]
    obj["spec"] = {"finalizers": finalizers}


def job(obj: Obj) -> None:
    """The selector that finds the Job's own pods and nobody else's (pkg/registry/batch/job/strategy.go)."""
    spec = obj.get("spec") or {}
    if spec.get("manualSelector"):
        return
    name, uid = obj["metadata"].get("name", ""), obj["metadata"]["uid"]
    generated = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    metadata = spec.setdefault("template", {}).get("metadata")
    if not isinstance(metadata, dict):
        metadata = spec["template"]["metadata"] = {}
    metadata["labels"] = {**generated, **(metadata.get("labels") or {}), **generated}
    if not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(metadata["labels"])  # a default, which the server applies on reading as well
    selector = spec.get("selector") or {}
    wanted = {"batch.kubernetes.io/controller-uid": uid}
    spec["selector"] = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **wanted}}


def secret(obj: Obj) -> None:
    """stringData is written into data and never read back (pkg/apis/core/v1/conversion.go)."""
    text = obj.pop("stringData", None)
    if text:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def definition(obj: Obj) -> None:
    """A definition begins with a status of its own (apiextensions-apiserver, pkg/registry/customresourcedefinition)."""
    versions = dig(obj, "spec.versions") or []
    stored = [version["name"] for version in versions if version.get("storage")]
    obj["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}


def pod(obj: Obj) -> None:
    """A pod gets the account of its namespace, whose token its volumes may ask for (plugin/pkg/admission/serviceaccount)."""
    spec = obj.get("spec")
    if spec and not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = "default"


_PREPARED: dict[tuple[str, str], Callable[[Obj], None]] = {
    ("v1", "Namespace"): namespace,
    ("v1", "Pod"): pod,
    ("v1", "Secret"): secret,
    ("batch/v1", "Job"): job,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): definition,
}


def refusals(obj: Obj) -> list[Cause]:
    """Why a server would refuse to create an object of a built-in kind that fits its type, in Kubernetes' order.

    What other objects have to say (quotas, limit ranges, classes, namespaces) is not asked.
    """
    new = clone(obj)
    metadata = new.setdefault("metadata", {})
    metadata["uid"] = UID
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = f"{metadata['generateName']}00000"
    default(new)
    prepare = _PREPARED.get((new.get("apiVersion", ""), new.get("kind", "")))
    if prepare is not None:
        prepare(new)
    return validate(new)
