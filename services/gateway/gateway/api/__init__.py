"""The public routes, one file a resource."""
