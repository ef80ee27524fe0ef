"""What a notification is about, its texts by language, templates, a fuller inbox, and cases of must-reach."""

from alembic import op

revision = "notifier_0003"
down_revision = "notifier_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- `retracted_at`: a newer version of the record is told instead. `escalates`: what somebody had not read when this was
-- made.
ALTER TABLE notification
    ADD escalates uuid,
    ADD template_version integer,
    ADD retracted_at timestamptz;
CREATE INDEX ix_notification_escalates ON notification (escalates) WHERE escalates IS NOT NULL;

ALTER TABLE inbox_item
    ADD item_id bigint GENERATED ALWAYS AS IDENTITY,
    ADD acknowledged_at timestamptz,
    ADD withdrawn_at timestamptz;
CREATE INDEX ix_inbox_item_person ON inbox_item (person_id, school_id, item_id);
CREATE INDEX ix_inbox_item_unread ON inbox_item (person_id, school_id) WHERE read_at IS NULL;
CREATE INDEX ix_inbox_item_notification ON inbox_item (notification_id);

-- Who has been told, or may have been told, of an older version of a record: a call to a provider that never answered
-- counts, an inbox item that was withdrawn unread does not.
CREATE FUNCTION told(of_school uuid, of_origin text, before integer) RETURNS TABLE (person_id uuid)
LANGUAGE sql STABLE AS $$
    SELECT DISTINCT d.person_id FROM notification n JOIN delivery d USING (notification_id)
    WHERE n.school_id = of_school AND n.origin = of_origin AND n.origin_version < before
      AND CASE WHEN d.channel = 'inbox' THEN EXISTS (
              SELECT FROM inbox_item i WHERE i.notification_id = d.notification_id AND i.person_id = d.person_id
                AND i.withdrawn_at IS NULL)
          ELSE d.state IN ('sending', 'accepted', 'read', 'unknown') OR EXISTS (
              SELECT FROM attempt a WHERE a.delivery_id = d.delivery_id
                AND (a.outcome IS NULL OR a.outcome IN ('accepted', 'unknown'))) END
$$;

-- A school's own templates: a version is never changed, the highest is in force, `texts` is NULL once it is deleted.
CREATE TABLE template (
    school_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    variables text[] NOT NULL,
    texts jsonb,
    changed_by uuid,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_template PRIMARY KEY (school_id, name, version)
);
CALL protect('template');

-- The words of a notification, once for each language that its people are addressed in. `spoken` is the language of
-- the words where the one that was asked for has none.
CREATE TABLE rendering (
    notification_id uuid NOT NULL CONSTRAINT fk_rendering_notification REFERENCES notification,
    language text NOT NULL,
    school_id uuid NOT NULL,
    spoken text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    html text,
    push_title text NOT NULL,
    push_body text NOT NULL,
    CONSTRAINT pk_rendering PRIMARY KEY (notification_id, language)
);
CALL protect('rendering');

-- Somebody must be reached: one case for each student, or for each person where no student is meant.
CREATE TABLE escalation (
    notification_id uuid NOT NULL CONSTRAINT fk_escalation_notification REFERENCES notification,
    about uuid NOT NULL,
    school_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'open',
    step integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    deadline timestamptz,
    reached_by uuid,
    ended_at timestamptz,
    CONSTRAINT pk_escalation PRIMARY KEY (notification_id, about),
    CONSTRAINT ck_escalation_state CHECK (state IN ('open', 'reached', 'missed', 'stopped')),
    CONSTRAINT ck_escalation_ended CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE INDEX ix_escalation_due ON escalation (due_at) WHERE state = 'open';
CREATE TABLE escalation_person (
    notification_id uuid NOT NULL,
    about uuid NOT NULL,
    person_id uuid NOT NULL,
    school_id uuid NOT NULL,
    step text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_escalation_person PRIMARY KEY (notification_id, about, person_id),
    CONSTRAINT fk_escalation_person_case FOREIGN KEY (notification_id, about) REFERENCES escalation
);
CREATE INDEX ix_escalation_person ON escalation_person (notification_id, person_id);
CALL protect('escalation');
CALL protect('escalation_person');
"""
    )
