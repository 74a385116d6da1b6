"""The same object as it is in several environments, merged into one template and the values that tell them apart.

`Merger` walks the variants of an object side by side.  At each place a table (`lifts`) may say that the value belongs into
values.yaml, under a name a person would give it; what is equal everywhere else stays literal.  What differs and is in no table
gets a value named after its place if it is small enough for a person to set; the rest stays in the template, and the value
`environment` says which of it is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from seatrial.package.emit import Cases, Inline, Namespaced, Nested, When
from seatrial.package.helm.truth import holds
from seatrial.world.objects import Obj, group_of, labels_of, name_of

#: A place in an object: keys, and items of lists by their name in brackets: `("spec", "containers", "[api]", "image")`.
Place = tuple[str, ...]
#: A value in each environment; an environment that lacks it is not in the map.
Variants = Mapping[str, Any]
Values = dict[str, Any]

COMPONENT = "app.kubernetes.io/component"
NAME = "app.kubernetes.io/name"


@dataclass(slots=True)
class Context:
    """The object that is being merged: its kind, its name, and where the values of its service or store are kept."""

    group: str
    kind: str
    name: str
    owner: str
    component: str
    prefix: tuple[str, ...]  # ("services", "api")
    environments: tuple[str, ...]  # those that have the object
    together: bool = False  # whether an environment has all objects of this service or store, or none
    hosted: tuple[str, ...] = ()  # the stores that somebody else runs in some environment, by their keys

    @classmethod
    def of(cls, obj: Obj, environments: Sequence[str]) -> Context:
        labels = labels_of(obj)
        owner, component = labels.get(NAME, ""), labels.get(COMPONENT, "")
        group = "stores" if component == "store" else "services"
        prefix = (group, camel(owner)) if owner else ()
        return cls(group_of(obj), obj["kind"], name_of(obj), owner, component, prefix, tuple(environments))

    def path(self, *keys: str) -> str:
        """The template expression of one of the component's values."""
        return expression((*self.prefix, *keys))


def expression(keys: Sequence[str]) -> str:
    """`.Values.services.api`, or with `index` where a key is no identifier."""
    if all(key.isidentifier() and key.isascii() for key in keys):
        return ".Values." + ".".join(keys)
    return "(index .Values " + " ".join(f'"{key}"' for key in keys) + ")"


def camel(name: str) -> str:
    """`order-api` as a key of values: `orderApi`. A digit after a dash keeps an underscore, so that no two names meet."""
    first, *rest = name.split("-")
    return first + "".join(f"_{part}" if not part[:1].isalpha() else part[:1].upper() + part[1:] for part in rest)


#: Names of values that are in the tables, or would say nothing.
RESERVED = frozenset(
    {"image", "replicas", "scale", "resources", "config", "env", "secrets", "expose", "jobs", "storage", "storageClass", "quota"}
    | {"services", "stores", "ingress", "monitoring", "global", "name", "value", "spec", "enabled"}
    | {
        "migrate",
        "externalSecret",
        "environment",
        "platform",
        "telemetry",
        "affinity",
        "nodeSelector",
        "spread",
        "host",
        "serviceAccount",
    }
)

#: The value that says which environment a release is.
ENVIRONMENT = ".Values.environment"
#: A text of more lines than this, where environments have different ones, is a file of the chart.
LONG = 20

#: How texts say a namespace: as a label in a query, in the name of a service; and at last, as a word of its own.
_SURE = "|".join(
    (
        r"(?<=namespace=\")NAME(?=\")",
        r"(?<=namespace=\\\")NAME(?=\\\")",
        r"(?<=\.)NAME(?=\.svc\b)",
        r"(?<=kubectl -n )NAME(?= )",
        r"(?<=/ns/)NAME(?=/)",
        r"(?<=k8s\.namespace\.name=)NAME(?=,|$)",
    )
)
_ENVIRONMENT = r"(?<=deployment\.environment\.name=)NAME(?=,|$)"
NAMESPACE = (_SURE, r"(?<![A-Za-z0-9-])NAME(?![A-Za-z0-9-])", r"(?<![A-Za-z0-9-])NAME(?![A-Za-z0-9])")

_MARKS = f"[{Namespaced.MARK}{Namespaced.ENVIRONMENT}]"

#: A lift answers with a node, or with None where it does not apply.
Lift = Callable[["Merger", Context, Place, Variants], Any]


@dataclass(slots=True)
class Merger:
    """`lifts` and `conditions` are the tables; `values` is what each environment's values file must say."""

    chart: str
    common: frozenset[str]  # the labels that every object has
    lifts: Callable[[Merger, Context, Place, Variants], Any]
    conditions: Callable[[Context, Place], Sequence[str]]
    values: dict[str, Values] = field(default_factory=dict)
    images: dict[tuple[str, ...], Variants] = field(default_factory=dict)
    names: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    contexts: list[Context] = field(default_factory=list)
    namespaces: Mapping[str, str] = field(default_factory=dict)  # that of each environment
    known: Mapping[str, Values] = field(default_factory=dict)  # the values as an earlier merge of the same objects found them
    about: dict[tuple[str, ...], str] = field(default_factory=dict)  # what a value that is in no table stands for
    files: dict[str, str] = field(default_factory=dict)  # long texts that templates read

    def lift(self, keys: Sequence[str], variants: Variants) -> str:
        """Put a value into the values of each environment that has it, and return the expression that reads it."""
        for environment, value in variants.items():
            part = self.values.setdefault(environment, {})
            for key in keys[:-1]:
                part = part.setdefault(key, {})
            part[keys[-1]] = value
        return expression(keys)

    def condition(self, context: Context, place: Place, there: Iterable[str], among: Iterable[str]) -> str:
        """The first condition that the tables have for a place and that holds in the environments that have it, and no other."""
        return self.fitting(self.conditions(context, place), there, among)

    def fitting(self, conditions: Iterable[str], there: Iterable[str], among: Iterable[str]) -> str:
        present, all_of_them = list(there), list(among)
        return next((one for one in conditions if one and self.fits(one, present, all_of_them)), "")

    def environments(self, there: Iterable[str], among: Iterable[str]) -> str:
        """The condition that the release is one of these environments; `among` are those that it can be here."""
        present = set(there)
        own = [f'"{name}"' for name in self.values if name in present]
        others = [f'"{name}"' for name in self.values if name in set(among) - present]
        if len(own) == 1:
            return f"eq {ENVIRONMENT} {own[0]}"
        return f"ne {ENVIRONMENT} {others[0]}" if len(others) == 1 else f"has {ENVIRONMENT} (list {' '.join(own)})"

    def fits(self, condition: str, there: Iterable[str], among: Iterable[str]) -> bool:
        present = set(there)
        return not self.known or all(holds(condition, self.known[one]) == (one in present) for one in among)

    def node(self, context: Context, place: Place, variants: Variants) -> Any:
        """What stands in the template for a value: a literal, an action, or a map or list of them."""
        lifted = self.lifts(self, context, place, variants)
        if lifted is not None:
            return lifted
        found = list(variants.values())
        if all(isinstance(value, dict) for value in found):
            return self._map(context, place, variants)
        if all(isinstance(value, list) for value in found):
            return self._list(context, place, variants)
        placed = self.placed(variants)
        if placed is not None:
            return placed
        if all(value == found[0] for value in found):
            return found[0]
        return self._generic(context, place, variants)

    def placed(self, variants: Variants) -> Any:
        """A text that names the namespace it is in, where it says so, or where that is all that tells environments apart."""
        if not all(isinstance(value, str) and not re.search(_MARKS, value) for value in variants.values()):
            return None
        if not any(self.namespaces.get(env, "") in value or env in value for env, value in variants.items()):
            return None  # the usual case, without a pattern
        differ = len(set(variants.values())) > 1
        for pattern in NAMESPACE if differ else NAMESPACE[:1]:
            marked = set()
            for environment, value in variants.items():
                name = re.escape(self.namespaces.get(environment, ""))
                text = re.sub(pattern.replace("NAME", name), Namespaced.MARK, value) if name else value
                if differ:
                    text = re.sub(_ENVIRONMENT.replace("NAME", re.escape(environment)), Namespaced.ENVIRONMENT, text)
                marked.add(text)
            if len(marked) == 1 and re.search(_MARKS, text := marked.pop()):
                return Namespaced(text)
        return None

    def _map(self, context: Context, place: Place, variants: Variants) -> Any:
        nodes = {}
        for key in in_order([list(value) for value in variants.values()]):
            inner = (*place, key)
            there = {environment: value[key] for environment, value in variants.items() if key in value}
            nodes[key] = self._optional(context, inner, there, variants)
        return nodes

    def _optional(self, context: Context, place: Place, there: Variants, among: Variants) -> Any:
        """A value that some environments may lack."""
        if len(there) == len(among):
            return self.node(context, place, there)
        condition = self.condition(context, place, there, among)
        if condition:
            return When(condition, self.node(context, place, there))
        if self._all_conditional(context, place, there, among):
            empty = type(next(iter(there.values())))
            lacking = {environment: empty() for environment in context.environments if environment not in there}
            children = self.node(context, place, {**there, **lacking})
            inner = list(children.values() if isinstance(children, dict) else children)
            return When(_any(child.condition for child in inner), children)
        first = next(iter(there.values()))
        differs = any(value != first for value in there.values()) and all(is_small(value) for value in there.values())
        if differs and self.lifts(self, context, place, there) is None and self.placed(there) is None:
            path = self.lift(self._generic_keys(context, place), there)
            return When(path, self._read(path, first))
        return When(self.environments(there, among), self.node(context, place, there))

    def _all_conditional(self, context: Context, place: Place, there: Variants, among: Variants) -> bool:
        """Whether everything in a map or list has a condition of its own, so that it can be taken for empty where it lacks."""
        found = list(there.values())
        if all(isinstance(value, dict) and value for value in found):
            parts = {key: {env for env, value in there.items() if key in value} for value in found for key in value}
        elif all(isinstance(value, list) and value for value in found):
            names = {env: [f"[{identity(item)}]" for item in value] for env, value in there.items()}
            parts = {name: {env for env, own in names.items() if name in own} for found in names.values() for name in found}
        else:
            return False
        return all(self.condition(context, (*place, part), having, among) for part, having in parts.items())

    def _list(self, context: Context, place: Place, variants: Variants) -> Any:
        """Item by item where items stand in the same order everywhere, else as a whole."""
        names = {environment: self._identities(environment, value) for environment, value in variants.items()}
        whole = in_order(list(names.values()))
        if any([name for name in whole if name in own] != own for own in names.values()):
            return self._generic(context, place, variants)
        return [self._item(context, place, name, names, variants) for name in whole]

    def _identities(self, environment: str, items: Sequence[Any]) -> list[str]:
        """The identity of each item; the namespace that one names is none of its identity."""
        name = re.escape(self.namespaces.get(environment, ""))
        return [re.sub(_SURE.replace("NAME", name), Namespaced.MARK, one) if name else one for one in identities(items)]

    def _item(self, context: Context, place: Place, name: str, names: Mapping[str, list[str]], variants: Variants) -> Any:
        there = {env: value[names[env].index(name)] for env, value in variants.items() if name in names[env]}
        return self._optional(context, (*place, f"[{name}]"), there, variants)

    def _generic(self, context: Context, place: Place, variants: Variants) -> Any:
        if all(is_small(value) for value in variants.values()):
            path = self.lift(self._generic_keys(context, place), variants)
            return self._read(path, next(iter(variants.values())))
        texts = [value for value in variants.values() if isinstance(value, str)]
        if len(texts) == len(self.values) and all(text.count("\n") > LONG for text in texts):
            own = f"files/{context.name}"
            self.files |= {f"{own}/{environment}/{place[-1]}": text for environment, text in variants.items()}
            return Inline(f'{{{{ .Files.Get (printf "{own}/%s/{place[-1]}" {ENVIRONMENT}) | toJson }}}}')
        return self._cases(context, place, variants)

    def _cases(self, context: Context, place: Place, variants: Variants) -> Any:
        """Each form under the environments that have it; that of the base stands first, and the last needs no condition."""
        forms: list[tuple[Any, list[str]]] = []
        for environment, value in variants.items():
            same = next((own for form, own in forms if form == value), None)
            if same is None:
                forms.append((value, [environment]))
            else:
                same.append(environment)
        found = []
        for number, (value, own) in enumerate(forms, 1):
            condition = "" if number == len(forms) else self.environments(own, variants)
            found.append((condition, value if len(forms) == 1 else self.node(context, place, dict.fromkeys(own, value))))
        return Cases(tuple(found)) if len(found) > 1 else found[0][1]

    def _generic_keys(self, context: Context, place: Place) -> tuple[str, ...]:
        """A name for a value in no table: as much of the end of its place as tells it apart from all others."""
        own = (context.group, context.kind, context.name, *place)
        words = [word for part in own for word in re.findall(r"[A-Za-z0-9]+", part)]
        for length in range(1, len(words) + 1):
            name = words[-length][:1].lower() + words[-length][1:]
            name += "".join(word[:1].upper() + word[1:] for word in words[len(words) - length + 1 :])
            if name not in RESERVED and not name[:1].isdigit() and self.takes((*context.prefix, name), own):
                self.about[*context.prefix, name] = f"`{'.'.join(place)}` of {context.kind} {context.name}"
                return (*context.prefix, name)
        raise AssertionError(f"no name for {place} of {context.kind} {context.name}")

    def takes(self, keys: tuple[str, ...], owner: tuple[str, ...]) -> bool:
        """Whether a name among the values is its owner's: the first that asks for it gets it."""
        return self.names.setdefault(keys, owner) == owner

    def flag(self, context: Context) -> tuple[str, ...]:
        """Where the values say whether an object is there; all of a kind, at one service or store, share a map."""
        short = context.kind[:1].lower() + context.kind[1:]
        groups = [part[:1].upper() + part[1:] for part in context.group.split(".")]
        names = (short, f"{short}Object", short + "".join(groups))
        owner = ("", context.group, context.kind)
        name = next(name for name in names if name not in RESERVED and self.takes((*context.prefix, name), owner))
        own = () if context.name == context.owner else (camel(context.name),)
        return (*context.prefix, name, *own, "enabled")

    def _read(self, path: str, example: Any) -> Any:
        if isinstance(example, (dict, list)):
            return Nested(f"toYaml {path}")
        return Inline(f"{{{{ {path} | quote }}}}" if isinstance(example, str) else f"{{{{ {path} }}}}")


def _any(conditions: Any) -> str:
    found = list(dict.fromkeys(conditions))
    return found[0] if len(found) == 1 else "or " + " ".join(f"({one})" if " " in one else one for one in found)


def is_small(value: Any) -> bool:
    """Whether a person would set a value: a word, a number, a few of them."""
    if isinstance(value, str):
        return len(value) <= 80 and not re.search(r"[\s{(]", value)
    if isinstance(value, (dict, list)):
        items = list(value.values() if isinstance(value, dict) else value)
        return len(items) <= 6 and not any(isinstance(item, (dict, list)) for item in items)
    return True


def identities(items: Sequence[Any]) -> list[str]:
    """The identity of each item; one that is there already gets a number."""
    found: list[str] = []
    seen: dict[str, int] = {}
    for item in items:
        name = identity(item)
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def identity(item: Any) -> str:
    """What tells an item of a list from its neighbours: its name, the metric or limit it is of, or all of it."""
    if isinstance(item, dict):
        for key in ("name", "secretKey", "alert", "record", "topologyKey", "type"):
            if isinstance(item.get(key), str) and not isinstance(item.get("resource"), dict):
                return str(item[key])
        if isinstance(item.get("metadata"), dict):
            return str(item["metadata"].get("name"))
        resource = item.get("resource")
        if isinstance(resource, dict) and "name" in resource:
            return str(resource["name"])
        if "host" in item:
            return "rule"
        if "hosts" in item:
            return "certificate"
    return repr(item)


T = TypeVar("T", bound=Hashable)


def in_order(lists: Sequence[Sequence[T]]) -> list[T]:
    """The union of lists, each item after those that precede it where it first stands."""
    whole: list[T] = []
    for one in sorted(lists, key=len, reverse=True):
        position = 0
        for item in one:
            if item in whole:
                position = whole.index(item) + 1
            else:
                whole.insert(position, item)
                position += 1
    return whole
