"""The kubelet: the life of pods on a node, their probes and back-offs, over a Runtime that is simulated or real processes."""
