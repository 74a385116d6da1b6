"""What every write goes through: the resource table, the life of an object (uid, generation, deletion), admission, the store.

`registry.Registry` is the Kubernetes API inside this process.  The HTTP server and the controllers use the same one.
"""
