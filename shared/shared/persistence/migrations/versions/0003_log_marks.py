"""What lies at a projection's offset, and what the log no longer held when it was to be read."""

from alembic import op

revision = "shared_0003"
down_revision = "shared_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- `mark`: id of the message at `position`; another message there means that the stream was made anew.
-- `gap`: history that was not there to be read; set until a rebuild has found the projection complete.
ALTER TABLE log_offset ADD COLUMN mark text, ADD COLUMN gap text;
"""
    )
