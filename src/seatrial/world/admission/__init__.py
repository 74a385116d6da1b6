"""What an API server lets into a namespace, as pure decisions: quotas and what counts towards them, limit ranges, pod security.

The twin refuses by them; a preflight foretells by them what a cluster would refuse.
"""
