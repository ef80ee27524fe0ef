"""The notifier's directory, notifications, deliveries and inbox."""

from alembic import op

revision = "notifier_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- The directory as this service needs it, projected from the log. `version` guards against older states.
CREATE TABLE school (
    school_id uuid CONSTRAINT pk_school PRIMARY KEY,
    name text NOT NULL,
    timezone text NOT NULL,
    language text NOT NULL,
    active boolean NOT NULL,
    mute_details boolean NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE person (
    person_id uuid CONSTRAINT pk_person PRIMARY KEY,
    active boolean NOT NULL,
    language text,
    timezone text,
    given_name text,
    family_name text,
    version bigint NOT NULL
);
CREATE TABLE membership (
    person_id uuid NOT NULL,
    school_id uuid NOT NULL,
    role text NOT NULL,
    grade text,
    starts date,
    ends date,
    CONSTRAINT pk_membership PRIMARY KEY (person_id, school_id, role)
);
CREATE INDEX ix_membership_school_id_role ON membership (school_id, role);
CREATE TABLE contact (
    person_id uuid NOT NULL,
    kind text NOT NULL,
    address text NOT NULL,
    CONSTRAINT pk_contact PRIMARY KEY (person_id, kind, address)
);
CREATE TABLE device (
    token text CONSTRAINT pk_device PRIMARY KEY,
    person_id uuid NOT NULL,
    fid text,
    platform text NOT NULL,
    registered_at timestamptz NOT NULL
);
CREATE INDEX ix_device_person_id ON device (person_id);
CREATE TABLE preference (
    person_id uuid NOT NULL,
    kind text NOT NULL,
    channel text NOT NULL,
    wanted boolean NOT NULL,
    CONSTRAINT pk_preference PRIMARY KEY (person_id, kind, channel)
);
CREATE TABLE student (
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    grade text,
    active boolean NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT pk_student PRIMARY KEY (school_id, student_id)
);
CREATE INDEX ix_student_school_id_grade ON student (school_id, grade);
CREATE TABLE guardianship (
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    guardian_id uuid NOT NULL,
    relationship text NOT NULL,
    custody boolean NOT NULL,
    billing boolean NOT NULL,
    emergency boolean NOT NULL,
    CONSTRAINT pk_guardianship PRIMARY KEY (school_id, student_id, guardian_id)
);

CREATE TABLE notification (
    notification_id uuid CONSTRAINT pk_notification PRIMARY KEY,
    school_id uuid NOT NULL,
    task_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    urgent boolean NOT NULL,
    audience jsonb NOT NULL,
    channels text[] NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    data jsonb NOT NULL,
    expires_at timestamptz,
    directory_version bigint NOT NULL,
    requested_by uuid,
    requested_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    planned integer NOT NULL DEFAULT 0,
    outstanding integer NOT NULL DEFAULT 0,
    told_at timestamptz,
    completed_at timestamptz,
    error text,
    CONSTRAINT ck_notification_state CHECK (state IN ('waiting', 'sending', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_notification_outstanding CHECK (outstanding >= 0),
    CONSTRAINT ck_notification_completed CHECK (state <> 'completed' OR outstanding = 0)
);
CREATE INDEX ix_notification_school_id ON notification (school_id, notification_id);
CREATE INDEX ix_notification_waiting ON notification (received_at) WHERE state = 'waiting';

-- One row per (notification, person, channel, address, round); address '' where the channel needs or has none.
CREATE TABLE delivery (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_delivery PRIMARY KEY,
    notification_id uuid NOT NULL CONSTRAINT fk_delivery_notification REFERENCES notification,
    school_id uuid NOT NULL,
    person_id uuid NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    round integer NOT NULL DEFAULT 1,
    state text NOT NULL,
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease uuid,
    leased_until timestamptz,
    provider_id text,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT uq_delivery UNIQUE (notification_id, person_id, channel, address, round),
    CONSTRAINT ck_delivery_channel CHECK (channel IN ('push', 'mail', 'inbox')),
    CONSTRAINT ck_delivery_state CHECK (state IN ('pending', 'held', 'sending', 'accepted', 'failed', 'suppressed',
                                                  'cancelled', 'expired', 'unknown', 'read')),
    CONSTRAINT ck_delivery_lease CHECK ((state = 'sending') = (lease IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX ix_delivery_due ON delivery (notification_id, channel, due_at) WHERE state = 'pending';
CREATE INDEX ix_delivery_leased ON delivery (leased_until) WHERE state = 'sending';

-- One row per call to a provider; outcome NULL while it is under way.
CREATE TABLE attempt (
    delivery_id bigint NOT NULL CONSTRAINT fk_attempt_delivery REFERENCES delivery,
    number integer NOT NULL,
    school_id uuid NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text,
    reason text,
    CONSTRAINT pk_attempt PRIMARY KEY (delivery_id, number)
);

-- The window of a notification on one channel: how long its latest permit is good for.
CREATE TABLE release (
    notification_id uuid NOT NULL CONSTRAINT fk_release_notification REFERENCES notification,
    channel text NOT NULL,
    lane text NOT NULL,
    permitted_until timestamptz NOT NULL,
    CONSTRAINT pk_release PRIMARY KEY (notification_id, channel)
);

CREATE TABLE inbox_item (
    notification_id uuid NOT NULL,
    person_id uuid NOT NULL,
    school_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at timestamptz,
    CONSTRAINT pk_inbox_item PRIMARY KEY (person_id, notification_id)
);

CALL protect('membership');
CALL protect('student');
CALL protect('guardianship');
CALL protect('school');
CALL protect('notification');
CALL protect('delivery');
CALL protect('attempt');
CALL protect('inbox_item');

-- People belong to the group: a request sees those who are members of its school.
CREATE PROCEDURE protect_person(person_table text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', person_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', person_table);
    EXECUTE format('CREATE POLICY members ON %I TO notifier_app USING (EXISTS (SELECT FROM membership m
        WHERE m.person_id = %I.person_id AND m.school_id = (SELECT bound_school())))', person_table, person_table);
    EXECUTE format('CREATE POLICY everybody ON %I TO notifier_worker USING (true)', person_table);
END $$;
CALL protect_person('person');
CALL protect_person('contact');
CALL protect_person('device');
CALL protect_person('preference');
ALTER TABLE release ENABLE ROW LEVEL SECURITY;
ALTER TABLE release FORCE ROW LEVEL SECURITY;
CREATE POLICY every_school ON release TO notifier_worker USING (true);
"""
    )
