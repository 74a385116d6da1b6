"""What an API server does with an object before it keeps it, as pure decisions: defaults, validation in Kubernetes' words, quotas
and what counts towards them, limit ranges, pod security.

The twin admits and refuses by them; a check and a preflight foretell by them what a cluster would refuse.
"""
