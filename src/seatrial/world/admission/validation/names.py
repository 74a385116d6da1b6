"""The syntax of names, labels, ports, percentages and addresses: what is wrong with a text, as Kubernetes says it.

apimachinery, pkg/util/validation/validation.go and ip.go. Every function gives the reasons why a text is refused, none
when it is good; answers are cached, for the same names come again and again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache

from seatrial.world.patterns import pattern

Reasons = tuple[str, ...]
NameRule = Callable[[str], Reasons]

_cached = lru_cache(maxsize=8192)

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_UNDERSCORE = rf"{_LABEL_UNDERSCORE}(\.{_LABEL_UNDERSCORE})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_ENV = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def _regex(message: str, pattern: str, *examples: str) -> str:
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    said = "or ".join(f"'{example}', " + (" " if number < len(examples) - 1 else "") for number, example in enumerate(examples))
    return f"{message} (e.g. {said}regex used for validation is '{pattern}')"


_ALPHANUMERIC = "and must start and end with an alphanumeric character"
_BAD_LABEL = _regex(
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ALPHANUMERIC}",
    _LABEL, "my-name", "123-abc",
)  # fmt: skip
_BAD_SUBDOMAIN = _regex(
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ALPHANUMERIC}",
    _SUBDOMAIN, "example.com",
)  # fmt: skip
_BAD_SUBDOMAIN_UNDERSCORE = _regex(
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', {_ALPHANUMERIC}",
    _SUBDOMAIN_UNDERSCORE, "example.com",
)  # fmt: skip
_BAD_LABEL_1035 = _regex(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character",
    _LABEL_1035, "my-name", "abc-123",
)  # fmt: skip
_BAD_WILDCARD = _regex(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower"
    " case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    _WILDCARD, "*.example.com",
)  # fmt: skip
_BAD_KEY = _regex(
    f"must consist of alphanumeric characters, '-', '_' or '.', {_ALPHANUMERIC}", _KEY, "MyName", "my.name", "123-abc"
)
_BAD_VALUE = _regex(
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ALPHANUMERIC}",
    _VALUE, "MyValue", "my_value", "12345",
)  # fmt: skip
_BAD_CONFIG_KEY = _regex(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY, "key.name", "KEY_NAME", "key-name",
)  # fmt: skip
_BAD_PERCENT = _regex("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", "1%", "93%")
_BAD_HEADER = _regex("a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name")

_IS_LABEL = pattern(_LABEL).fullmatch
_IS_SUBDOMAIN = pattern(_SUBDOMAIN).fullmatch
_IS_KEY = pattern(_KEY).fullmatch
_IS_VALUE = pattern(_VALUE).fullmatch


def longest(most: int) -> str:
    return f"must be no more than {most} characters"


def between(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


# names


@_cached
def dns_label(text: str) -> Reasons:
    """RFC 1123 label: at most 63 of a-z, 0-9 and `-`."""
    reasons = (longest(63),) if len(text) > 63 else ()
    if _IS_LABEL(text):
        return reasons
    return (*reasons, "must not contain dots" if _IS_SUBDOMAIN(text) else _BAD_LABEL)


@_cached
def dns_subdomain(text: str) -> Reasons:
    """RFC 1123 subdomain: labels with dots, at most 253 characters."""
    reasons = (longest(253),) if len(text) > 253 else ()
    return reasons if _IS_SUBDOMAIN(text) else (*reasons, _BAD_SUBDOMAIN)


@_cached
def dns_subdomain_underscore(text: str) -> Reasons:
    reasons = (longest(253),) if len(text) > 253 else ()
    return reasons if re.fullmatch(_SUBDOMAIN_UNDERSCORE, text) else (*reasons, _BAD_SUBDOMAIN_UNDERSCORE)


@_cached
def dns_1035_label(text: str) -> Reasons:
    reasons = (longest(63),) if len(text) > 63 else ()
    return reasons if re.fullmatch(_LABEL_1035, text) else (*reasons, _BAD_LABEL_1035)


@_cached
def wildcard_subdomain(text: str) -> Reasons:
    reasons = (longest(253),) if len(text) > 253 else ()
    return reasons if re.fullmatch(_WILDCARD, text) else (*reasons, _BAD_WILDCARD)


@_cached
def path_segment(text: str) -> Reasons:
    """What may stand between two slashes of a URL."""
    if text in (".", ".."):
        return (f"may not be '{text}'",)
    return tuple(f"may not contain '{character}'" for character in "/%" if character in text)


def as_prefix(rule: NameRule, text: str) -> Reasons:
    """Of a `generateName`, which a random end is put to: it may end with a dash."""
    return rule(text[:-2] + "a" if len(text) > 1 and text.endswith("-") else text)


# labels


@_cached
def qualified(text: str) -> Reasons:
    """A label key or another qualified name: `name` or `example.com/name`."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return (f"a valid label key {_BAD_KEY} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    reasons: list[str] = []
    if slash:
        reasons += [f"prefix part {why}" for why in (dns_subdomain(prefix) if prefix else ("must be non-empty",))]
    if not name:
        reasons.append("name part must be non-empty")
    elif len(name) > 63:
        reasons.append(f"name part {longest(63)}")
    if not _IS_KEY(name):
        reasons.append(f"name part {_BAD_KEY}")
    return tuple(reasons)


@_cached
def label_value(text: str) -> Reasons:
    reasons = (longest(63),) if len(text) > 63 else ()
    return reasons if _IS_VALUE(text) else (*reasons, _BAD_VALUE)


# ports, numbers


def port(number: int) -> Reasons:
    return () if 1 <= number <= 65535 else (between(1, 65535),)


@_cached
def port_name(text: str) -> Reasons:
    """The name of a port: at most 15 characters, with a letter."""
    tests = (
        (len(text) > 15, longest(15)),
        (not re.fullmatch("[-a-z0-9]+", text), "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"),
        (not re.search("[a-z]", text), "must contain at least one letter (a-z)"),
        ("--" in text, "must not contain consecutive hyphens"),
        (text[:1] == "-" or text[-1:] == "-", "must not begin or end with a hyphen"),
    )
    return tuple(why for is_wrong, why in tests if is_wrong)


def port_or_name(value: int | str) -> Reasons:
    return port_name(value) if isinstance(value, str) else port(value)


@_cached
def percent(text: str) -> Reasons:
    return () if re.fullmatch("[0-9]+%", text) else (_BAD_PERCENT,)


def user_id(number: int) -> Reasons:
    """A user or group id."""
    return () if 0 <= number <= 2**31 - 1 else (between(0, 2**31 - 1),)


# the rest


@_cached
def environment_name(text: str) -> Reasons:
    """The name of an environment variable, relaxed as Kubernetes has had it since 1.32."""
    if not text:
        return ("environment variable name must be non-empty",)
    if all(" " <= character <= "~" and character != "=" for character in text):
        return ()
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


@_cached
def config_key(text: str) -> Reasons:
    """A key of a ConfigMap or Secret."""
    reasons = [longest(253)] if len(text) > 253 else []
    if not re.fullmatch(_CONFIG_KEY, text):
        reasons.append(_BAD_CONFIG_KEY)
    if text in (".", ".."):
        reasons.append(f"must not be '{text}'")
    elif text.startswith(".."):
        reasons.append("must not start with '..'")
    return tuple(reasons)


@_cached
def http_header(text: str) -> Reasons:
    return () if re.fullmatch(_HEADER, text) else (_BAD_HEADER,)


def http_path_reason() -> str:
    return _regex("Invalid path", _HTTP_PATH)


def is_http_path(text: str) -> bool:
    return re.fullmatch(_HTTP_PATH, text) is not None


@_cached
def address(text: str) -> Reasons:
    """An IPv4 or IPv6 address."""
    return () if is_ip(text) else ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)


@_cached
def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@_cached
def cidr(text: str) -> Reasons:
    bad = ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)
    return () if network(text) is not None else bad


@_cached
def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The network of a CIDR, None when it is none."""
    if not re.fullmatch(r"[^/]+/\d+", text):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


#: Where the twin's own Services and pods have their addresses: of the loopback range, which Kubernetes refuses otherwise.
_OURS = ipaddress.ip_network("127.96.0.0/15")


@_cached
def usable_address(text: str) -> Reasons:
    """Why an address may not stand in endpoints or external IPs (ValidateNonSpecialIP); the twin's own may."""
    if not is_ip(text):
        return ("must be a valid IP address",)
    ip = ipaddress.ip_address(text)
    tests = (
        (ip.is_unspecified, f"may not be unspecified ({text})"),
        (ip.is_loopback and ip not in _OURS, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (ip.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (_link_multicast(ip), "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    )
    return tuple(why for is_wrong, why in tests if is_wrong)


def _link_multicast(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(ip in ipaddress.ip_network(net) for net in ("224.0.0.0/24", "ff02::/16") if ip.version == (6 if ":" in net else 4))


@_cached
def relative_path(text: str) -> Reasons:
    """A path below something else: not absolute, and without `..`."""
    reasons = ("must be a relative path",) if text.startswith("/") else ()
    return (*reasons, *no_backsteps(text))


@_cached
def no_backsteps(text: str) -> Reasons:
    return ("must not contain '..'",) if ".." in text.split("/") else ()


@_cached
def projected_path(text: str) -> Reasons:
    """Where a key of a volume is written: relative, and no name that starts with `..`."""
    reasons = relative_path(text)
    if text.startswith("..") and not text.startswith("../"):
        return (*reasons, "must not start with '..'")
    return reasons
