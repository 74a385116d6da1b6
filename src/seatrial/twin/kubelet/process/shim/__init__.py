"""The shim: the small process that starts, watches and ends containers, and cleans up when Seatrial is gone.

It runs on the standard library alone, in its own session, and outlives a Seatrial that is killed by the moment it needs.
"""
