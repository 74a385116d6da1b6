"""Admission plugins, one a module: plain functions that complete or refuse an object.

`mutate` runs after defaulting and before validation, `check` after validation and before the store, which is the order
of the API server (apiserver/pkg/endpoints/handlers/create.go). What the client should be warned of goes to
`Options.warnings`. A refusal is an ApiError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from seatrial.twin.admission import warnings
from seatrial.twin.admission.plugins import (
    classes,
    escalation,
    limits,
    namespaces,
    pod_security,
    priorities,
    quota,
    service_accounts,
    tolerations,
    webhooks,
)
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

#: (registry, resource id such as `deployments.apps`, the object, the stored one on update, options)
Plugin = Callable[["Registry", str, Obj, Obj | None, "Options"], None]

#: In the order of the API server (pkg/kubeapiserver/options/plugins.go).
MUTATING: tuple[Plugin, ...] = (
    namespaces.admit,
    limits.admit,
    service_accounts.admit,
    classes.node_taint,
    priorities.admit,
    tolerations.admit,
    classes.storage_class,
    classes.protection,
    classes.runtime_class,
    classes.ingress_class,
    escalation.check,  # the API server asks this of its storage, which comes after what changes an object and before validation
)
VALIDATING: tuple[Plugin, ...] = (
    warnings.warn,
    limits.check,
    pod_security.check,
    priorities.check,
    classes.resize,
    webhooks.check,
    quota.check,
)


def mutate(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    """Complete an object that is about to be created (`old` is None) or updated. Raises ApiError."""
    for plugin in MUTATING:
        plugin(registry, resource, obj, old, options)


def check(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    """Refuse an object that may not be stored, and charge it to its quotas (not in a dry run). Raises ApiError."""
    for plugin in VALIDATING:
        plugin(registry, resource, obj, old, options)
