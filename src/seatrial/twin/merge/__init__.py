"""Every way two objects merge: the patches, server-side apply (`apply.apply`), and the record of who owns which field."""

from seatrial.twin.merge import apply
from seatrial.twin.merge.apply import track_update
from seatrial.twin.merge.patch import json_patch, merge_patch
from seatrial.twin.merge.strategic import strategic_merge_patch

__all__ = ["apply", "json_patch", "merge_patch", "strategic_merge_patch", "track_update"]
