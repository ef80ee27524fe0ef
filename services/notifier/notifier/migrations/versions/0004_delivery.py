"""Moves as a trigger, quiet hours and digests, what counts against a delivery, rounds, tombstones, suppressions."""

from alembic import op

revision = "notifier_0004"
down_revision = "notifier_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
ALTER TABLE delivery
    ADD COLUMN silent integer NOT NULL DEFAULT 0,
    ADD COLUMN digest uuid,
    ADD COLUMN released_at timestamptz;
COMMENT ON COLUMN delivery.attempts IS 'calls to the provider';
COMMENT ON COLUMN delivery.silent IS 'those of them that were never answered: each may have been taken';
COMMENT ON COLUMN delivery.digest IS 'goes out together with the other rows of this digest';
COMMENT ON COLUMN delivery.released_at IS 'when quiet hours let it go';
CREATE INDEX ix_delivery_held ON delivery (due_at) WHERE state = 'held';
CREATE INDEX ix_delivery_digest_due ON delivery (school_id, channel, due_at)
    WHERE state = 'pending' AND digest IS NOT NULL;
CREATE INDEX ix_delivery_digest ON delivery (digest) WHERE digest IS NOT NULL;

-- domain.MOVES and domain.STARTS, where no statement can get past them; a test compares the two.
CREATE FUNCTION keep_to_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (CASE WHEN TG_OP = 'INSERT' THEN NEW.state NOT IN ('pending', 'held', 'accepted', 'suppressed', 'expired')
       ELSE CASE OLD.state
            WHEN 'sending' THEN NEW.state NOT IN ('pending', 'accepted', 'failed', 'suppressed', 'expired', 'unknown')
            WHEN 'pending' THEN NEW.state NOT IN ('sending', 'held', 'suppressed', 'cancelled', 'expired')
            WHEN 'held' THEN NEW.state NOT IN ('pending', 'suppressed', 'cancelled', 'expired')
            WHEN 'accepted' THEN NEW.state <> 'read'
            ELSE true END
       END)
    THEN
        RAISE check_violation USING CONSTRAINT = 'ck_delivery_moves', TABLE = 'delivery',
            MESSAGE = format('a delivery does not go from %s to %s',
                             CASE WHEN TG_OP = 'INSERT' THEN 'nothing' ELSE OLD.state END, NEW.state);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ck_delivery_starts BEFORE INSERT ON delivery FOR EACH ROW
    WHEN (NEW.state <> 'pending') EXECUTE FUNCTION keep_to_moves();
CREATE TRIGGER ck_delivery_moves BEFORE UPDATE OF state ON delivery FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION keep_to_moves();

-- Whether a local time is quiet: half-open, over midnight where `ends` is not later, all day where they are the same.
CREATE FUNCTION quiet_at(local time, starts time, ends time) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN CASE WHEN starts < ends THEN local >= starts AND local < ends ELSE local >= starts OR local < ends END;

-- When something that comes up `at` a moment may be told; NULL when that is at once. It is let go at the
-- end of quiet hours, or at the school's digest time of that day where that is later and not quiet again. A local time
-- that a clock change skips is taken an hour later, one that happens twice is taken the second time: never early. An
-- unknown zone is read as UTC.
CREATE FUNCTION quiet_until(at timestamptz, zone text, starts time, ends time, digest time) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    local timestamp;
    over timestamp;
    told timestamp;
    found timestamptz;
BEGIN
    IF starts IS NULL OR ends IS NULL THEN
        RETURN NULL;
    END IF;
    BEGIN
        local := at AT TIME ZONE zone;
    EXCEPTION WHEN invalid_parameter_value THEN
        zone := 'UTC';
        local := at AT TIME ZONE zone;
    END;
    IF NOT quiet_at(local::time, starts, ends) THEN
        RETURN NULL;
    END IF;
    over := local::date + ends + CASE WHEN ends <= local::time THEN interval '1 day' ELSE interval '0' END;
    told := over::date + digest;
    IF told > over AND (starts = ends OR NOT quiet_at(digest, starts, ends)) THEN
        over := told;
    END IF;
    found := over AT TIME ZONE zone;
    WHILE found <= at OR (starts <> ends AND quiet_at((found AT TIME ZONE zone)::time, starts, ends)) LOOP
        found := found + interval '15 minutes';
    END LOOP;
    RETURN found;
END $$;

-- The window of a school's digests on one channel: how long its latest permit is good for.
CREATE TABLE digest_window (
    school_id uuid NOT NULL,
    channel text NOT NULL,
    permitted_until timestamptz NOT NULL,
    CONSTRAINT pk_digest_window PRIMARY KEY (school_id, channel)
);
CALL protect('digest_window');

CREATE POLICY one_school ON release TO notifier_app USING (EXISTS (
    SELECT FROM notification n WHERE n.notification_id = release.notification_id
      AND n.school_id = (SELECT bound_school())));

-- `task_id` is the latest round's. A tombstone was cancelled before it was heard of.
ALTER TABLE notification
    ADD COLUMN round integer NOT NULL DEFAULT 1,
    ADD COLUMN round_planned integer NOT NULL DEFAULT 0,
    ADD COLUMN tombstone boolean NOT NULL DEFAULT false,
    ADD COLUMN warning text;
UPDATE notification SET round_planned = planned;
CREATE INDEX ix_notification_task_id ON notification (task_id);
CREATE INDEX ix_notification_expires_at ON notification (expires_at)
    WHERE state = 'sending' AND expires_at IS NOT NULL;
CREATE INDEX ix_notification_stopping ON notification (notification_id)
    WHERE state = 'cancelled' AND completed_at IS NULL;

-- A group send tells an address once: whoever writes its row first.
CREATE TABLE group_address (
    group_id uuid NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    notification_id uuid NOT NULL,
    school_id uuid NOT NULL,
    CONSTRAINT pk_group_address PRIMARY KEY (group_id, channel, address)
);
CALL protect('group_address');

-- Whom a school no longer writes to: an address (bounce, complaint) or a person, for one kind or, with '', for all.
CREATE TABLE suppression (
    suppression_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_suppression PRIMARY KEY,
    school_id uuid NOT NULL,
    channel text NOT NULL,
    target text NOT NULL,
    kind text NOT NULL DEFAULT '',
    reason text NOT NULL,
    detail text,
    times integer NOT NULL DEFAULT 1,
    active boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lifted_by uuid,
    CONSTRAINT uq_suppression UNIQUE (school_id, channel, target, kind, reason),
    CONSTRAINT ck_suppression_reason CHECK (reason IN ('bounced', 'complained', 'unsubscribed'))
);
CALL protect('suppression');
"""
    )
