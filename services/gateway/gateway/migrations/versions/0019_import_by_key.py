"""Whether a program requested an import."""

from alembic import op

revision = "gateway_0019_import_by_key"
down_revision = "gateway_0018_look"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE import_job ADD COLUMN by_key boolean NOT NULL DEFAULT false")
