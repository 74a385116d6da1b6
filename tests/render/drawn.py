"""Any valid app in all of its environments, as property tests look at it."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

import apps
from seatrial.app import environments, loads, resolve
from seatrial.render import render, values

#: What fails is told as it was found: making it smaller takes minutes.
ANY = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def worlds_of(app):
    """The app as it is in each environment, and its objects there."""
    found = [resolve(app, name) for name in environments(app)]
    return [(one, render(one, secrets=values.complete(one))) for one in found]


def worlds():
    return apps.apps().map(worlds_of)


def world_of(text, environment="production"):
    """One app file in one environment, for plain examples: `app`, `version` and an empty production are filled in."""
    lines = f"app: shop\nversion: '1'\n{text}\n"
    lines += "" if "\nenvironments:" in lines else "environments: {production: {}}\n"
    one = resolve(loads(lines), environment)
    return one, render(one, secrets=values.complete(one))


__all__ = ["ANY", "st", "world_of", "worlds", "worlds_of"]
