"""What known images run first: small programs that do here what the image's own entrypoint does, and become the server.

They run in the container, with the standard library alone, and are given the real program's path as their first argument.
"""
