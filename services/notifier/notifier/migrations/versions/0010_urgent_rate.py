"""Each school has a rate of urgent sends."""

from alembic import op

revision = "notifier_0010"
down_revision = "notifier_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- How many urgent sends of a school have been planned since `began`; those about safety are counted apart.
CREATE TABLE urgent_rate (
    school_id uuid NOT NULL,
    safety boolean NOT NULL,
    began timestamptz NOT NULL,
    used integer NOT NULL,
    CONSTRAINT pk_urgent_rate PRIMARY KEY (school_id, safety)
);
CALL protect('urgent_rate');
"""
    )
