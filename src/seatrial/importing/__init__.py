"""A first app file from what a team has already: a docker-compose file, plain manifests, or answers to a few questions.

`source` reads files with their lines, `compose`, `manifests` and `asking` each make a draft of them, and `draft` turns a draft
into a file that loads.  What could not be carried over is told with its place.  Writing the file is left to the command line.
"""

from seatrial.importing.draft import Draft, Note, settled

__all__ = ["Draft", "Note", "settled"]
