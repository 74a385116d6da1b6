"""What goes wrong with Kubernetes objects, one module a topic: a world in, findings out.  Pure.

`finding` is the form of an answer; the rules about what runs are read by a release and by `diagnose` alike.
"""
