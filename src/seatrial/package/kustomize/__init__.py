"""Objects as a Kustomize tree: a base, an overlay for each environment, and components for what several of them share.

Nothing is said twice.  `base` has the objects of all environments; `components/A-B` what only the environments A and B have, or
change in the same way; `components/common` the labels, images and version of everything; an overlay its namespace, the objects
that it alone has, and patches.  `transformers/facts` fill in what is a namespace, an environment or a version after that, and
`transformers/jobs` what jobs have of their services.  `kubectl kustomize overlays/ENV` yields its objects.
"""

from seatrial.package.kustomize.tree import kustomize

__all__ = ["kustomize"]
