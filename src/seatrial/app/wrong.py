"""What a check of an app file says: where, what, what to do, and how sure it is that this cannot work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from seatrial.app.document import Path_
from seatrial.app.model import Service, StoreKeys
from seatrial.app.resolve import ResolvedApp


class Wrong(NamedTuple):
    """Something that cannot work, or (`odd`) that does and is hardly meant. `here` when it is only so in this environment:
    then its name is put before the message. `about` stays the same where the message names what an environment changes.
    `rule`: one of `seatrial check` that tells the same of what is rendered."""

    path: Path_
    message: str
    hint: str = ""
    here: bool = False
    odd: bool = False
    about: str = ""
    rule: str = ""


#: A check of an app in one environment, of a service in it, of a store in it. Each speaks until it looks at something unknown.
OfApp = Callable[[ResolvedApp], Iterator[Wrong]]
OfService = Callable[[ResolvedApp, str, Service], Iterator[Wrong]]
OfStore = Callable[[ResolvedApp, str, StoreKeys], Iterator[Wrong]]
