"""Schedules, and the copy of schools and calendars that their rules need."""

from alembic import op

revision = "scheduler_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- One row a schedule. `version` rises with every decision and is the ETag; `due_at` is the next run, as the database's
-- clock counts. A row without a rule is a tombstone: a decision that came before the intent.
-- A `simple` row (one run, no calendar) carries its whole message, all but what only the moment of firing knows, so
-- that a backlog is released by one statement.
CREATE TABLE schedule (
    schedule_id uuid CONSTRAINT pk_schedule PRIMARY KEY,
    school_id uuid,
    emits text NOT NULL,
    state text NOT NULL CONSTRAINT ck_schedule_state
        CHECK (state IN ('active', 'paused', 'done', 'expired', 'cancelled')),
    version integer NOT NULL DEFAULT 1,
    rule jsonb,
    timezone text NOT NULL DEFAULT 'UTC',
    catch_up text NOT NULL DEFAULT 'once',
    max_age_seconds integer,
    payload jsonb,
    directory_version bigint NOT NULL DEFAULT 0,
    requested_by uuid,
    requested_at timestamptz,
    correlation_id uuid,
    simple boolean NOT NULL DEFAULT false,
    needs_calendar boolean NOT NULL DEFAULT false,
    calendar_version bigint NOT NULL DEFAULT 0,
    due_at timestamptz,
    fire_until timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00+00',
    headers text,
    data text,
    runs bigint NOT NULL DEFAULT 0,
    last_due_at timestamptz,
    last_run_at timestamptz,
    last_outcome text,
    last_task_id uuid,
    last_notification_id uuid,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ix_schedule_simple_due_at ON schedule (due_at) WHERE state = 'active' AND simple;
CREATE INDEX ix_schedule_due_at ON schedule (due_at) WHERE state = 'active' AND NOT simple;
CREATE INDEX ix_schedule_school_id ON schedule (school_id, schedule_id);
CREATE INDEX ix_schedule_calendar ON schedule (school_id) WHERE needs_calendar;
CREATE INDEX ix_schedule_changed_at ON schedule USING brin (changed_at);

-- Projected from the log. `seen` is the highest directory version of the school that has come by.
CREATE TABLE school (
    school_id uuid CONSTRAINT pk_school PRIMARY KEY,
    timezone text,
    active boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 0,
    calendar jsonb,
    calendar_version bigint NOT NULL DEFAULT 0,
    seen bigint NOT NULL DEFAULT 0
);

CALL protect('schedule');
CALL protect('school');
-- The group's own schedules (cleanups) belong to no school: anybody may see them, only workers change them.
CREATE POLICY of_the_group ON schedule FOR SELECT TO scheduler_app USING (school_id IS NULL);
"""
    )
