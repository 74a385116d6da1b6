"""The app file: what a team writes, read into an `App` with every mistake found at its line, and resolved for an environment."""

from seatrial.app.load import load, loads
from seatrial.app.model import App
from seatrial.app.problems import AppFileErrors, Problem
from seatrial.app.resolve import ResolvedApp, UnknownEnvironmentError, environments, resolve

__all__ = [
    "App",
    "AppFileErrors",
    "Problem",
    "ResolvedApp",
    "UnknownEnvironmentError",
    "environments",
    "load",
    "loads",
    "resolve",
]
