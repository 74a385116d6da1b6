"""A stand-in for the garage's Spring Boot backend: the same endpoints and variables, in the standard library alone."""
