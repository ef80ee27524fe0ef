"""The environment in which Alembic runs the revisions of every history."""
