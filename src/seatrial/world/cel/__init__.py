"""The Common Expression Language, as far as Kubernetes uses it in custom resource definitions.

`engine` compiles and evaluates expressions with Google's own implementation, `library` has the functions that Kubernetes adds,
and `rules` is about `x-kubernetes-validations`.
"""
