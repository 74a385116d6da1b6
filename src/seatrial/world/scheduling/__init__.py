"""How the scheduler of Kubernetes places a pod, as pure decisions: what it counts, its filters and scores, its words.

The twin's scheduler makes them one pod after another as time goes on; a preflight makes them ahead of a release (`choice`).
Queues, binding and preemption are the twin's own.
"""
