"""Lists of a million tasks: an index for each filter. Failures that an operator edited."""

from alembic import op

revision = "gateway_0020_operate"
down_revision = "gateway_0019_import_by_key"
branch_labels = None
depends_on = None


CONCURRENTLY = True
"""Tasks can be a million, and every send writes one."""

# Tasks are listed by their time: ids of tasks that a schedule or a record causes do not say when they began.
INDEXES = {
    "ix_task_created_at": "(created_at, task_id)",
    "ix_task_school_state": "(school_id, state, created_at, task_id)",
    "ix_task_kind": "(kind, created_at, task_id)",
    "ix_task_created_by": "(created_by, created_at, task_id) WHERE created_by IS NOT NULL",
    "ix_task_school_id": "(school_id, created_at, task_id)",
    "ix_task_state": "(state, created_at, task_id)",
}


def upgrade() -> None:
    for name, on in INDEXES.items():
        # The older one of its name, or what an interrupted build left.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY {name} ON task {on}")
    # The body that is sent again is in `body`; the one that failed first stays.
    op.execute(
        """
ALTER TABLE failure ADD COLUMN IF NOT EXISTS edited_at timestamptz, ADD COLUMN IF NOT EXISTS edited_by uuid,
    ADD COLUMN IF NOT EXISTS edit_reason text, ADD COLUMN IF NOT EXISTS edited_fields text[],
    ADD COLUMN IF NOT EXISTS original_body bytea;
"""
    )
