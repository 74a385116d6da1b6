"""Objects as a Helm chart such as a person would write: a folder of templates for each service, values for what people change.

The chart is made from the objects of all environments at once.  What tells them apart is in values.yaml (the base) and one
values-ENV.yaml for each other environment, which says only what is different there; `helm template` with that file yields
exactly that environment's objects.  The Namespace is not in it: a release lives in a namespace, and cannot bring it.
"""

from seatrial.package.helm.chart import chart, secret_values, values_files

__all__ = ["chart", "secret_values", "values_files"]
