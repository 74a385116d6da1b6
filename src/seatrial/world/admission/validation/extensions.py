"""Custom resource definitions (apiextensions-apiserver, pkg/apis/apiextensions/validation/validation.go)."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.world.admission.causes import Causes, Raw, go_json
from seatrial.world.admission.validation import names
from seatrial.world.objects import Obj, annotations_of

_SCOPES = ("Cluster", "Namespaced")
_STRATEGIES = ("None", "Webhook")
_APPROVAL = "api-approved.kubernetes.io"
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_COLUMN_TYPES = ("integer", "number", "string", "boolean", "date")


def definition(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    plural, group = (spec.get("names") or {}).get("plural") or "", spec.get("group") or ""
    if obj["metadata"].get("name") != f"{plural}.{group}":
        causes.invalid("metadata.name", obj["metadata"].get("name", ""), 'must be spec.names.plural+"."+spec.group')
    _protected_group(obj, group, causes)
    if not group:
        causes.required("spec.group")
    else:
        causes.each("spec.group", group, names.dns_subdomain(group))
        if "." not in group:
            causes.invalid("spec.group", group, "should be a domain with at least one dot")
    _scope(spec.get("scope") or "", causes)
    _versions(spec, causes)
    _names(spec.get("names") or {}, "spec.names", causes)
    strategy = (spec.get("conversion") or {}).get("strategy", "None")
    if strategy not in _STRATEGIES:
        causes.unsupported("spec.conversion.strategy", strategy, _STRATEGIES)
    if not (obj.get("status") or {}).get("storedVersions"):
        causes.invalid("status.storedVersions", None, "must have at least one stored version")


def _scope(scope: str, causes: Causes) -> None:
    if not scope:
        causes.required("spec.scope")
    elif scope not in _SCOPES:
        causes.unsupported("spec.scope", scope, _SCOPES)


def _protected_group(obj: Obj, group: str, causes: Causes) -> None:
    """Groups of Kubernetes itself need somebody's approval."""
    if not (group.endswith((".k8s.io", ".kubernetes.io")) or group in ("k8s.io", "kubernetes.io")):
        return
    if not annotations_of(obj).get(_APPROVAL):
        why = 'protected groups must have approval annotation "api-approved.kubernetes.io"'
        see = "see https://github.com/kubernetes/enhancements/pull/1111"
        causes.required(f"metadata.annotations[{_APPROVAL}]", f"{why}, {see}")


def _versions(spec: Obj, causes: Causes) -> None:
    versions = spec.get("versions") or []
    seen: set[str] = set()
    stored = 0
    for number, version in enumerate(versions):
        at, name = f"spec.versions[{number}]", version.get("name") or ""
        stored += bool(version.get("storage"))
        if name in seen:
            causes.invalid("spec.versions", _shown(versions), "must contain unique version names")
        seen.add(name)
        causes.each(f"{at}.name", name, names.dns_1035_label(name))
        _version(version, at, causes)
    if stored != 1:
        causes.invalid("spec.versions", _shown(versions), "must have exactly one version marked as storage version")


def _version(version: Obj, at: str, causes: Causes) -> None:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        causes.required(f"{at}.schema.openAPIV3Schema")
    else:
        field = f"{at}.schema.openAPIV3Schema"
        _root(schema, field, causes)
        for path, part in _parts(schema, field):
            _part(part, path, path == field, causes)
            _rules(part, path, causes)
    for number, column in enumerate(version.get("additionalPrinterColumns") or ()):
        _column(column, f"{at}.additionalPrinterColumns[{number}]", causes)
    scale = (version.get("subresources") or {}).get("scale")
    if scale is not None:
        _scale(scale, f"{at}.subresources.scale", causes)


def _root(schema: Obj, field: str, causes: Causes) -> None:
    if schema.get("type") not in (None, "", "object"):
        causes.invalid(f"{field}.type", schema["type"], "must be object at the root")
    elif not schema.get("type"):
        causes.required(f"{field}.type", "must not be empty at the root")
    if schema.get("nullable"):
        causes.forbidden(f"{field}.nullable", "nullable cannot be true at the root")


def _parts(schema: Obj, field: str) -> Iterator[tuple[str, Obj]]:
    """Every schema inside a schema, with its path."""
    yield field, schema
    for name, part in (schema.get("properties") or {}).items():
        if isinstance(part, dict):
            yield from _parts(part, f"{field}.properties[{name}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _parts(schema[key], f"{field}.{key}")


def _part(schema: Obj, field: str, is_root: bool, causes: Causes) -> None:
    """The structural rules: a type everywhere, and no properties besides additionalProperties."""
    kind = schema.get("type") or ""
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if kind and kind not in _TYPES:
        causes.unsupported(f"{field}.type", kind, _TYPES)
    elif not kind and not free and not is_root:
        causes.required(f"{field}.type", "must not be empty for specified object fields")
    if kind == "array" and schema.get("items") is None:
        causes.required(f"{field}.items", "must be specified")
    others = schema.get("additionalProperties")
    if others is not None and others is not True and schema.get("properties"):
        causes.forbidden(f"{field}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.forbidden(f"{field}.uniqueItems", why)


_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def _rules(schema: Obj, field: str, causes: Causes) -> None:
    """What is wrong with the rules of a schema, which are compiled for that; those that cannot be here are let through."""
    if not schema.get("x-kubernetes-validations"):
        return
    from seatrial.world.cel import rules  # few schemas have some
    from seatrial.world.cel.engine import CelError, UncheckedError

    for number, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        at, text, message = f"{field}.x-kubernetes-validations[{number}]", rule.get("rule") or "", rule.get("message") or ""
        if not text.strip():
            causes.required(f"{at}.rule", "rule is not specified")
            continue
        if message and not message.strip():
            causes.invalid(f"{at}.message", message, "message must be non-empty if specified")
        elif "\n" in message.strip():
            causes.invalid(f"{at}.message", message, "message must not contain line breaks")
        elif "\n" in text.strip() and not message:
            causes.required(f"{at}.message", "message must be specified if rule contains line breaks")
        if rule.get("reason") is not None and rule["reason"] not in _REASONS:
            causes.unsupported(f"{at}.reason", rule["reason"], _REASONS)
        try:
            rules.rule(rule, schema)
        except UncheckedError:
            continue
        except rules.MessageError as error:
            causes.invalid(f"{at}.messageExpression", _rule_shown(rule), str(error))
        except CelError as error:
            why = str(error) if str(error).startswith("cel ") else f"compilation failed: {error}"
            causes.invalid(f"{at}.rule", _rule_shown(rule), why)


def _rule_shown(rule: Obj) -> Raw:
    fields = ("rule", "message", "messageExpression", "reason", "fieldPath", "optionalOldSelf")
    unset = {"reason": None, "optionalOldSelf": None}
    return Raw(go_json({name[0].upper() + name[1:]: rule.get(name, unset.get(name, "")) for name in fields}))


def _column(column: Obj, field: str, causes: Causes) -> None:
    if not column.get("name"):
        causes.required(f"{field}.name")
    kind = column.get("type") or ""
    if not kind:
        causes.required(f"{field}.type", f"must be one of {','.join(sorted(_COLUMN_TYPES))}")
    elif kind not in _COLUMN_TYPES:
        causes.invalid(f"{field}.type", kind, f"must be one of {','.join(sorted(_COLUMN_TYPES))}")
    if not column.get("jsonPath"):
        causes.required(f"{field}.JSONPath")


def _scale(scale: Obj, field: str, causes: Causes) -> None:
    for key, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        path = scale.get(key) or ""
        if not path:
            causes.required(f"{field}.{key}")
        elif not path.startswith(root):
            causes.invalid(f"{field}.{key}", path, f"should be a json path under {root.rstrip('.')}")


def _names(given: Obj, field: str, causes: Causes) -> None:
    for key in ("plural", "singular", "kind", "listKind"):
        name = given.get(key) or ""
        if not name:
            if key != "singular":
                causes.required(f"{field}.{key}")
            continue
        causes.each(f"{field}.{key}", name, names.dns_1035_label(name.lower()))
    for key in ("shortNames", "categories"):
        for number, name in enumerate(given.get(key) or ()):
            causes.each(f"{field}.{key}[{number}]", name, names.dns_1035_label(name))
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        causes.invalid(f"{field}.listKind", given["listKind"], "kind and listKind may not be the same")


_SHARED = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")


def _shown(versions: list[Obj]) -> Raw:
    """The versions as Go shows them; what all of them have in common it keeps elsewhere."""
    shared = {key for key in _SHARED if all(version.get(key) == versions[0].get(key) for version in versions)}
    rows = []
    for version in versions:
        row = {
            "Name": version.get("name", ""),
            "Served": bool(version.get("served")),
            "Storage": bool(version.get("storage")),
            "Deprecated": bool(version.get("deprecated")),
            "DeprecationWarning": version.get("deprecationWarning"),
        }
        for key in _SHARED:
            row[key[0].upper() + key[1:]] = None if key in shared else version.get(key)
        rows.append(row)
    return Raw(go_json(rows))


def definition_update(obj: Obj, old: Obj, causes: Causes) -> None:
    definition(obj, causes)
    new, before = obj.get("spec") or {}, old.get("spec") or {}
    established = any(
        one.get("type") == "Established" and one.get("status") == "True"
        for one in (old.get("status") or {}).get("conditions") or ()
    )
    if established:
        causes.same("spec.scope", new.get("scope"), before.get("scope"))
        for key in ("kind",):
            causes.same(f"spec.names.{key}", (new.get("names") or {}).get(key), (before.get("names") or {}).get(key))
    causes.same("spec.group", new.get("group"), before.get("group"))
    causes.same("spec.names.plural", (new.get("names") or {}).get("plural"), (before.get("names") or {}).get("plural"))
