"""Kubernetes' controllers, one module each: a reconcile function and a list of what it watches, nothing else."""
