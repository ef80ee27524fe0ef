"""Lists of a million tasks: an index for each filter. Failures that an operator edited."""

from alembic import op

revision = "gateway_0020_operate"
down_revision = "gateway_0019_import_by_key"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- Tasks are listed by their time: ids of tasks that a schedule or a record causes do not say when they began.
DROP INDEX ix_task_school_id;
DROP INDEX ix_task_state;
CREATE INDEX ix_task_created_at ON task (created_at, task_id);
CREATE INDEX ix_task_school_id ON task (school_id, created_at, task_id);
CREATE INDEX ix_task_school_state ON task (school_id, state, created_at, task_id);
CREATE INDEX ix_task_state ON task (state, created_at, task_id);
CREATE INDEX ix_task_kind ON task (kind, created_at, task_id);
CREATE INDEX ix_task_created_by ON task (created_by, created_at, task_id) WHERE created_by IS NOT NULL;

-- The body that is sent again is in `body`; the one that failed first stays.
ALTER TABLE failure ADD COLUMN edited_at timestamptz, ADD COLUMN edited_by uuid, ADD COLUMN edit_reason text,
    ADD COLUMN edited_fields text[], ADD COLUMN original_body bytea;
"""
    )
