"""Lists of tasks by state: the few that failed are found without reading all that did not."""

from alembic import op

revision = "gateway_0008_lists"
down_revision = "gateway_0007_roster"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX ix_task_state ON task (school_id, state, task_id)")
