"""Remember which people were erased, so that files about them go.

A rebuild of the projection `remember_directory` marks people who were erased before; a guess could remove a file.
"""

from alembic import op

revision = "files_0002"
down_revision = "files_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE person ADD COLUMN erased boolean NOT NULL DEFAULT false")
