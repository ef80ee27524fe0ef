"""Counts of open failures, retries that are accepted before their failures are collected, and lists of many tasks."""

from alembic import op

revision = "gateway_0016_counts"
down_revision = "gateway_0015_operations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- Until the commit, no failure is stored that neither the first count nor the triggers see.
LOCK TABLE failure IN SHARE ROW EXCLUSIVE MODE;
-- Changes of the number of open failures. Each commit adds rows and changes none, so that no commit waits for another;
-- a sweep replaces the rows of one fault by their sum.
CREATE TABLE failure_count (
    count_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_failure_count PRIMARY KEY,
    school_id uuid,
    queue text NOT NULL,
    fingerprint text NOT NULL,
    type text,
    change bigint NOT NULL,
    first_failed timestamptz,
    last_failed timestamptz
);
CALL protect('failure_count');
INSERT INTO failure_count (school_id, queue, fingerprint, type, change, first_failed, last_failed)
SELECT school_id, queue, fingerprint, type, count(*), min(first_failed), max(last_failed) FROM failure
WHERE given_back_at IS NULL AND discarded_at IS NULL GROUP BY school_id, queue, fingerprint, type;

-- Triggers, because the code of the previous release writes failures too.
CREATE FUNCTION count_added_failures() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO failure_count (school_id, queue, fingerprint, type, change, first_failed, last_failed)
    SELECT school_id, queue, fingerprint, type, count(*), min(first_failed), max(last_failed) FROM added
    WHERE given_back_at IS NULL AND discarded_at IS NULL GROUP BY school_id, queue, fingerprint, type;
    RETURN NULL;
END $$;
CREATE FUNCTION count_changed_failures() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO failure_count (school_id, queue, fingerprint, type, change, first_failed, last_failed)
    SELECT school_id, queue, fingerprint, type, sum(change), min(first_failed), max(last_failed) FROM (
        SELECT school_id, queue, fingerprint, type, 1 AS change, first_failed, last_failed FROM added
        WHERE given_back_at IS NULL AND discarded_at IS NULL
        UNION ALL
        SELECT school_id, queue, fingerprint, type, -1, NULL, NULL FROM removed
        WHERE given_back_at IS NULL AND discarded_at IS NULL) changes
    GROUP BY school_id, queue, fingerprint, type;
    RETURN NULL;
END $$;
CREATE FUNCTION count_removed_failures() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO failure_count (school_id, queue, fingerprint, type, change)
    SELECT school_id, queue, fingerprint, type, -count(*) FROM removed
    WHERE given_back_at IS NULL AND discarded_at IS NULL GROUP BY school_id, queue, fingerprint, type;
    RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON failure REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added_failures();
CREATE TRIGGER count_changed AFTER UPDATE ON failure REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_failures();
CREATE TRIGGER count_removed AFTER DELETE ON failure REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed_failures();

-- A group's newest failure is one look into an index, for all schools and for one.
CREATE INDEX ix_failure_open_school ON failure (school_id, queue, fingerprint, failure_id)
    WHERE given_back_at IS NULL AND discarded_at IS NULL;

-- Accepted retries whose failures are not members yet.
CREATE TABLE failure_retry_selection (
    task_id uuid CONSTRAINT pk_failure_retry_selection PRIMARY KEY,
    requested_by uuid,
    count bigint NOT NULL,
    seen_until timestamptz NOT NULL,
    failure bigint,
    service text,
    queue text,
    fingerprint text,
    type text,
    school uuid
);
CALL for_workers('failure_retry_selection');
-- Selected failures that were closed before they became members.
ALTER TABLE failure_retry ADD COLUMN absent bigint NOT NULL DEFAULT 0;
"""
    )
