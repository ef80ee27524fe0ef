"""Requests see one school in the spine's own tables too; procedures that seal the tables of people and of workers."""

from alembic import op

revision = "shared_0004"
down_revision = "shared_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CALL protect('task_track');
CALL protect('directory_seen');

-- People belong to the group: a request sees those who are members of its school. For a schema with a `membership`.
CREATE PROCEDURE protect_by_membership(people_table text) LANGUAGE plpgsql AS $$
DECLARE service text := current_schema();
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', people_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', people_table);
    EXECUTE format('CREATE POLICY members ON %I TO %I USING (EXISTS (SELECT FROM membership m
        WHERE m.person_id = %I.person_id AND m.school_id = (SELECT bound_school())))',
        people_table, service || '_app', people_table);
    EXECUTE format('CREATE POLICY everybody ON %I TO %I USING (true)', people_table, service || '_worker');
END $$;

-- Only workers touch it: a request finds nothing and writes nothing.
CREATE PROCEDURE protect_for_workers(worker_table text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', worker_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', worker_table);
    EXECUTE format('CREATE POLICY workers ON %I TO %I USING (true)', worker_table, current_schema() || '_worker');
END $$;
"""
    )
