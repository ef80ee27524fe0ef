"""The tables that every service's schema has."""

from alembic import op

revision = "shared_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- Inbox: one row per (consumer, message) handled. Its insert is the first statement of every handler.
CREATE TABLE inbox (
    message_id uuid NOT NULL,
    consumer text NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_inbox PRIMARY KEY (message_id, consumer)
);
CREATE INDEX ix_inbox_handled_at ON inbox USING brin (handled_at);

-- Outbox: what a commit promised to publish. `data` holds the plain fact until the relay seals and sends it;
-- `sealed` names the fields to seal with the key of `sealed_for`.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_outbox PRIMARY KEY,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    headers text NOT NULL,
    data text NOT NULL,
    sealed_for uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    lease uuid,
    failures integer NOT NULL DEFAULT 0
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- How far each projection has read each stream.
CREATE TABLE log_offset (
    projection text NOT NULL,
    stream text NOT NULL,
    position bigint NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_log_offset PRIMARY KEY (projection, stream)
);

-- Which of a school's directory versions have been applied here: gap-free, but not in order on the log.
CREATE TABLE directory_seen (
    school_id uuid CONSTRAINT pk_directory_seen PRIMARY KEY,
    versions int8multirange NOT NULL
);

-- The tasks that this service moves on, so that every TaskChanged is newer than the one before.
CREATE TABLE task_track (
    task_id uuid CONSTRAINT pk_task_track PRIMARY KEY,
    school_id uuid,
    kind text NOT NULL,
    state text NOT NULL,
    epoch integer NOT NULL,
    version integer NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The school that this request is bound to; a request that names none is refused, it never just finds nothing.
CREATE FUNCTION bound_school() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(current_setting('app.school_id', true), '') = '' THEN
        RAISE EXCEPTION 'app.school_id is not set: bind a school before touching a tenant''s table';
    END IF;
    RETURN current_setting('app.school_id')::uuid;
END $$;

-- Seals a tenant's table: requests see one school, workers see all, the owner's own rows are policed too.
CREATE PROCEDURE protect(tenant_table text) LANGUAGE plpgsql AS $$
DECLARE service text := current_schema();
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY one_school ON %I TO %I USING (school_id = (SELECT bound_school()))',
                   tenant_table, service || '_app');
    EXECUTE format('CREATE POLICY every_school ON %I TO %I USING (true)', tenant_table, service || '_worker');
END $$;
"""
    )
