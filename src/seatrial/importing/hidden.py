"""What must not be written down: which variables and commands look as if they held a secret.

It errs on the side of caution: a variable taken for a secret is easily moved to `config`, a password in version control is not
easily taken back.
"""

from __future__ import annotations

import re

_NAME = re.compile(
    r"(?i)pass(?:word|wd|phrase)|(?:^|[_-])(?:pass|pwd|auth|key|dsn|salt|cert|pin)$|secret|token|credential|private|signing|encrypt"
    r"|(?:api|access|license|account|auth)[_-]?key"
)
_VALUE = re.compile(
    r"://[^/\s@]+@|-----BEGIN|\beyJ[\w-]{8,}\.|\b(?:AKIA|ASIA|ghp_|gho_|xox[abp]-|sk_|sk-|glpat-|AGE-SECRET)"
    r"|(?i:password|passwd|pwd|secret|token|accountkey|apikey|api_key)\s*[=:]\s*\S"
)
_FLAG = re.compile(r"(?i)(?:pass|pwd|secret|token|credential|api-?key|private-?key|auth)[\w-]*(?:[=:\s]|$)")


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable looks like one nobody should see: by its name, or by what its value holds."""
    return bool(_NAME.search(name) or _VALUE.search(value) or _random(value))


def holds_secret(words: list[str]) -> bool:
    """Whether a command has a word that looks like a secret, or an option that takes one."""
    return any(_VALUE.search(word) or _random(word) for word in words) or bool(_FLAG.search(" ".join(words)))


def _random(value: str) -> bool:
    """Thirty-two characters or more of letters and digits without a word in them: a key, a hash."""
    return bool(
        re.fullmatch(r"[A-Za-z0-9+/=_-]{32,}", value)
        and re.search(r"[0-9]", value)
        and re.search(r"[A-Za-z]", value)
        and not re.search(r"[/_-]", value.strip("/="))
    )
