"""Role-based access control: which rules a user holds, what they allow, and what may be handed on.

The API server asks it who may do what, admission whether a role or binding would give more than its author has, and a
controller gathers aggregated roles with it.  Formulas are those of pkg/registry/rbac and plugin/pkg/auth/authorizer/rbac.
"""
