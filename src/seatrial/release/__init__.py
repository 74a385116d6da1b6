"""From one world to another: plan, preflight, timeout, apply, watch, verify, roll back.

`events` is what all parts agree on; `run` is the loop that observes, decides, does one thing and writes it down.  Nothing here
knows whether it talks to the twin or to a real cluster, and nothing here knows how it is shown: that is for `views`.
"""
