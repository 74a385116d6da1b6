"""The single values of an app file: names, ports, quantities, durations, hosts, images, schedules, and what is wrong with one.

Each is a pydantic type over a plain `str` or `int`.  A wrong value raises a message for a person and a hint how to write it.
"""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any

from seatrial.app.document import text_of
from seatrial.app.reads import Reads, kind_of, shown, string, text, wrong
from seatrial.world import duration, quantity

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_DNS = rf"{_LABEL}(?:\.{_LABEL})*"

#: The name of an app, service or store: it becomes the name of objects and of a Service, hence RFC 1035.
_NAME = r"[a-z](?:[a-z0-9-]*[a-z0-9])?"
Name = Annotated[str, text("a name", _NAME, "lower-case letters, digits and dashes, beginning with a letter", 40)]
Namespace = Annotated[str, text("a namespace", _LABEL, "lower-case letters, digits and dashes", 63)]
Host = Annotated[
    str,
    text("a host name", rf"(?:\*\.)?{_DNS}", "such as shop.example.com: no scheme, no port, no path", 253, "shop.example.com"),
]
Domain = Annotated[str, text("a domain", _DNS, "such as staging.example.com", 240, "staging.example.com")]
_VARIABLE = text("the name of a variable", r"[A-Za-z_][A-Za-z0-9_]*", "letters, digits and underscores, such as LOG_LEVEL")


def _variable(value: Any) -> str:
    name, equals, _ = value.partition("=") if isinstance(value, str) else ("", "", "")
    if equals:  # what follows may be a secret, and is not repeated
        raise wrong(f'"{name[:60]}=…" is not the name of a variable', f"the name alone: `{name[:60]}`")
    return str(_VARIABLE.check(value))


Variable = Annotated[str, Reads(_variable, _VARIABLE.schema)]
#: The name of a size.
SizeName = Annotated[
    str, text("a size", _NAME, "small, medium, large, or one of the app's own `sizes`; how much a store keeps is `storage`", 40)
]
HttpPath = Annotated[str, text("a path", r"/[^\s]*", "it begins with a slash, such as /healthz", example="/healthz")]
#: A path that both an Ingress and an HTTPRoute take: no empty parts, no dots alone, no slash in disguise.
RoutePath = Annotated[
    str,
    text(
        "a path",
        r"/|(?:/(?!\.{1,2}(?:/|$))(?:[-A-Za-z0-9._~!$&'()*+,;=:@]|%(?!2[fF])[0-9a-fA-F]{2})+)+/?",
        "such as /api: it begins with a slash, and has no empty part",
        example="/api",
    ),
]
Folder = Annotated[
    str,
    text("a folder", r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[^\0\n]+", "relative to the app file and inside its folder, such as ./api"),
]
MountPath = Annotated[str, text("an absolute path", r"/[^\0\n:]+", "such as /var/cache/app")]
Version = Annotated[str, text("a version", r"[A-Za-z0-9_][A-Za-z0-9._+-]*", 'such as "1.4"', 63, "1.4", numeric=True)]
Team = Annotated[
    str, text("a team", r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", "letters, digits, dots and dashes", 63, "storefront")
]
TimeZone = Annotated[str, text("a time zone", r"[A-Za-z]+(?:[/_+-][A-Za-z0-9_+-]+)*", "such as Europe/Paris")]
Header = Annotated[str, text("the name of a header", r"[A-Za-z0-9-]+", "letters, digits and dashes, such as X-Canary", 100)]
Metric = Annotated[str, text("a name", r"[A-Za-z_:][A-Za-z0-9_.:/-]*", "such as http_requests_total", 200)]
Resource = Annotated[
    str, text("a resource", r"[a-z]+(?:/[a-z]+)?(?:\.[a-z0-9.-]+)?", "in the plural, such as configmaps, or jobs.batch", 253)
]
Query = Annotated[str, text("a query", r"[\s\S]*\S[\s\S]*", "in PromQL", 4000)]
Text = Annotated[str, text("a text", r"[^\s](?:[^\n\0]*[^\s])?", "one line", 253)]
Region = Annotated[str, text("a region", r"[a-z0-9]+(?:-[a-z0-9]+)*", "such as eu-central-1", 63, "eu-central-1")]
GatewayName = Annotated[str, text("a gateway", rf"{_LABEL}/{_DNS}", "as namespace/name", 317, "infra/public")]


def _node_label(value: Any) -> Any:
    """The value of a node's label, or whether there is such a label."""
    return value if isinstance(value, bool) else _label_text(value)


_LABEL_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL_VALUE = text("the value of a label", f"(?:{_LABEL_WORD})?", "at most 63 letters, digits, dashes, dots and underscores", 63)
_label_text = _LABEL_VALUE.check
#: The key of a label, and its value (apimachinery, util/validation: IsQualifiedName, IsValidLabelValue).
LabelKey = Annotated[
    str, text("the key of a label", rf"(?:{_DNS}/)?{_LABEL_WORD}", "such as pool, or topology.kubernetes.io/zone", 317, "pool")
]
LabelValue = Annotated[str, _LABEL_VALUE]
NodeLabel = Annotated[str | bool, Reads(_node_label, {"type": ["string", "boolean"], "examples": ["linux", False]})]
_AGE_KEY = text("a public key of age", r"age1[02-9ac-hj-np-z]{58}", "it begins with age1 and has 62 characters", 62)


def _age_key(value: Any) -> str:
    if isinstance(value, str) and value.upper().startswith("AGE-SECRET"):  # and it is not repeated
        hint = "take it out, make another, and give the one that begins with age1"
        raise wrong("this is the secret key of age, which does not belong into a file that others read", hint)
    return str(_AGE_KEY.check(value))


AgeKey = Annotated[str, Reads(_age_key, _AGE_KEY.schema)]
Bucket = Annotated[
    str,
    text(
        "a bucket",
        r"(?:s3|gs)://[a-z0-9][a-z0-9._-]+(?:/[A-Za-z0-9._/-]*)?|https://[a-z0-9.-]+/[A-Za-z0-9._/-]+",
        "such as s3://acme-backups/shop",
        1024,
        "s3://acme-backups/shop",
    ),
]
Identity = Annotated[
    str,
    text(
        "an identity",
        r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+|[a-z0-9-]+@[a-z0-9.-]+\.iam\.gserviceaccount\.com"
        r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "the ARN of an AWS role, the e-mail of a Google service account, or the client id of an Azure identity",
        512,
    ),
]
Url = Annotated[
    str,
    text(
        "a URL",
        r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[^\s]*)?",
        "it begins with http:// or https://, such as https://api.payments.example",
    ),
]
Image = Annotated[
    str,
    text(
        "an image",
        r"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
        r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
        "[registry/]repository[:tag][@sha256:digest], in lower case, such as ghcr.io/acme/shop-api:1.4; a tag has no `+`",
        example="ghcr.io/acme/shop-api",
    ),
]


def _integer(what: str, low: int, high: int, hint: str = "") -> Reads:
    def check(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,18}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(f"{what} is wanted here, not {kind_of(value)}", hint)
        if not low <= value <= high:
            raise wrong(f"{value} is not {what}: it is between {low} and {high}", hint)
        return int(value)

    return Reads(check, {"type": "integer", "minimum": low, "maximum": high})


Port = Annotated[int, _integer("a port", 1, 65535, "the number it listens on, such as 8080")]
UserId = Annotated[
    int, _integer("a user's number", 1, 2**31 - 1, "such as 10001: nothing runs as root, and names mean nothing to a node")
]
Replicas = Annotated[int, _integer("a number of replicas", 1, 1000, "a whole number, such as 2")]
Count = Annotated[int, _integer("a number", 1, 1_000_000)]


def _number(value: Any) -> float:
    found = string("a number")(value)
    if not re.fullmatch(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", found):
        raise wrong(f"{kind_of(value)} is not a number", "such as 100 or 0.5")
    return float(found)


Number = Annotated[float, Reads(_number, {"type": ["number", "string"]})]


def _share(value: Any) -> float:
    """A share with decimals, in percent: 99.95% gives 99.95."""
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,5})?) ?%?", string("a percentage")(value))
    if not found or not 0 < float(found[1]) < 100:
        raise wrong(f"{kind_of(value)} is not a share", "above 0% and below 100%, such as 99.9%")
    if float(found[1]) < 1 and not found[0].endswith("%"):
        raise wrong(f"{found[1]} is less than 1%: a share is said in percent", f"such as {float(found[1]) * 100:g}%")
    return float(found[1])


Share = Annotated[
    float, Reads(_share, {"type": ["string", "number"], "pattern": r"^[0-9]{1,3}(?:\.[0-9]{1,5})? ?%?$", "examples": ["99.9%"]})
]


def _percent(value: Any) -> int:
    found = re.fullmatch(r"([0-9]{1,3}) ?%?", string("a percentage")(value))
    if not found or not 1 <= int(found[1]) <= 100:
        raise wrong(f"{kind_of(value)} is not a percentage", "between 1% and 100%, such as 70%")
    return int(found[1])


Percent = Annotated[
    int,
    Reads(
        _percent,
        {"type": ["string", "integer"], "pattern": "^[0-9]{1,3} ?%?$", "minimum": 1, "maximum": 100, "examples": ["70%"]},
    ),
]


_QUANTITY = r"[0-9]{1,18}(?:\.[0-9]{1,9})?(?:[eE][0-9]{1,2}|m|k|[KMGTPE]i|[MGTPE])?"


def _quantity(what: str, hint: str, low: int) -> Reads:
    def check(value: Any) -> str:
        found = string(what)(value)
        if not re.fullmatch(_QUANTITY, found):
            raise wrong(f'"{found[:80]}" is not {what}', hint)
        size = quantity.millis(found)
        if not low <= size < 1 << 63:
            bare = f" is {found} bytes:" if found.isdigit() and "CPU" not in what else " is"
            raise wrong(f'"{found}"{bare} too {"little" if size < low else "much"} for {what}', hint)
        return found

    schema = {"type": ["string", "number"], "pattern": f"^{_QUANTITY}$"}
    return Reads(check, schema)


Cpu = Annotated[str, _quantity("an amount of CPU", "cores, or thousandths of one: 2, 0.5, 250m", 1)]
Memory = Annotated[str, _quantity("an amount of memory", "bytes with a unit: 256Mi, 1Gi", 1000 << 20)]
Storage = Annotated[str, _quantity("an amount of storage", "bytes with a unit: 20Gi", 1000 << 20)]


def _duration(value: Any) -> float:
    found = string("a duration")(value)
    try:
        seconds = float(found) if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", found) else duration.parse(found)
    except ValueError:
        raise wrong(f'"{found[:80]}" is not a duration', "such as 30s, 5m, 1h30m") from None
    if seconds > 86400:
        raise wrong(f'"{found}" is longer than a day', "such as 30s, 5m, 1h30m")
    return seconds


Duration = Annotated[
    float,
    Reads(
        _duration, {"type": ["string", "number"], "pattern": r"^(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d)?)+$", "examples": ["30s"]}
    ),
]

_MACROS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")


def _schedule(value: Any) -> str:
    from cronsim import CronSim, CronSimError  # only app files with jobs pay for it

    found = string("a schedule")(value).strip()
    if found in _MACROS:
        return found
    try:
        if len(found.split()) != 5:
            count = len(found.split())
            raise CronSimError(f"it has {count} field{'s' if count != 1 else ''}, not five")
        from datetime import datetime

        CronSim(found, datetime(2024, 1, 1))
    except CronSimError as error:
        hint = 'minute, hour, day, month, weekday, such as "0 3 * * *", or @daily'
        raise wrong(f'"{found[:80]}" is not a schedule: {str(error)[:1].lower()}{str(error)[1:]}', hint) from None
    return found


Schedule = Annotated[str, Reads(_schedule, {"type": "string", "examples": ["0 3 * * *"]})]


def _command(value: Any) -> tuple[str, ...]:
    """The words of a command; a text that needs a shell to be understood gets one."""
    if isinstance(value, (list, tuple)):
        if not value:
            raise wrong("a command has at least one word")
        return tuple(string("a word of a command")(word) for word in value)
    found = string("a command")(value)
    if needs_shell(found):
        return ("/bin/sh", "-c", found)
    try:
        words = tuple(shlex.split(found))
    except ValueError as error:
        raise wrong(f"this is not a command: {str(error).lower()}", "a quote that is opened must be closed") from None
    if not words:
        raise wrong("a command has at least one word")
    return words


def needs_shell(command: str) -> bool:
    """Whether a command holds something only a shell understands, outside quotes: pipes, redirections, `$`, globs."""
    plain = re.sub(r"'[^']*'|\\.", "", command)  # what is in single quotes or escaped means itself
    plain = re.sub(r"\$\([A-Za-z_][A-Za-z0-9_]*\)", "", plain)  # Kubernetes expands $(NAME) itself
    if re.search(r"[$`]", plain):
        return True
    plain = re.sub(r'"[^"]*"', "", plain)
    first = plain.split(maxsplit=1)[:1]
    return bool(re.search(r"[|&;<>*?\n(){}~#]", plain)) or bool(first and re.fullmatch(r"[A-Za-z_]\w*=.*", first[0]))


Command = Annotated[
    tuple[str, ...],
    Reads(_command, {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


def _setting(value: Any) -> str:
    if value is None:
        raise wrong("a value is wanted here, not nothing", 'for an empty text write ""')
    if isinstance(value, (dict, list)):
        raise wrong(f"a single value is wanted here, not {kind_of(value)}", "variables are texts")
    return text_of(value)


Setting = Annotated[str, Reads(_setting, {"type": ["string", "number", "boolean"]})]


def call_entry(value: Any) -> Any:
    """One of `calls` in its long form, `{name, url}`."""
    if isinstance(value, dict) and not value.keys() & {"name", "url"}:
        if len(value) != 1:
            raise wrong(f"one `name: URL` is wanted in each entry, not {len(value)}")
        name, url = next(iter(value.items()))
        if not re.fullmatch(_NAME, str(name)):
            raise wrong(f'"{name}" is not a name', "lower-case letters, digits and dashes, beginning with a letter")
        return {"name": name, "url": url}
    if isinstance(value, str):
        if re.match(r"(?!https?:)[a-z][a-z0-9+.-]*://", value):
            hint = "a database is a store, called by its name; one that somebody else runs is a store with `host:`"
            raise wrong(f'"{shown(value)[:80]}" is no URL of HTTP', hint)
        if "://" in value:
            return {"url": value}
        if re.fullmatch(_NAME, value):
            return {"name": value}
        raise wrong(f'"{value[:80]}" is neither a name nor a URL', "such as db, or https://api.payments.example")
    if isinstance(value, dict):
        return value
    raise wrong(f"the name of a service or store, or a URL, is wanted here, not {kind_of(value)}")


CALL_SCHEMA = {
    "anyOf": [
        {"type": "string", "description": "a service or store of this app, or a URL"},
        {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1, "maxProperties": 1},
    ]
}
