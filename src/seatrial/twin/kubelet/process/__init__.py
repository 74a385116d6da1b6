"""Containers as processes of this machine.

Nothing is imported here: the shim starts from this package with the standard library alone.
"""
