"""HTTP conventions: fields, pagination, idempotency, OpenAPI, calls to other services."""
