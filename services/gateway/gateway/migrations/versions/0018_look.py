"""A school's own look: a line, a colour and a picture for its reports."""

from alembic import op

revision = "gateway_0018_look"
down_revision = "gateway_0016_counts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE school ADD COLUMN letterhead text NOT NULL DEFAULT '', ADD COLUMN color text,
    ADD COLUMN logo_file uuid, ADD COLUMN logo text;
"""
    )
