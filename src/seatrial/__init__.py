"""Seatrial takes a microservices application from one file to production on Kubernetes, and tries every release first."""

__version__ = "0.1.0"
