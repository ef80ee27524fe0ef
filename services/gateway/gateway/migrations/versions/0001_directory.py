"""Schools, people and what they are to each other; devices, preferences; terms, classes, enrolments."""

from alembic import op

revision = "gateway_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- A table of the whole group: requests, which see one school, see nothing of it; workers see all.
CREATE PROCEDURE for_workers(group_table text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', group_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', group_table);
    EXECUTE format('CREATE POLICY every_row ON %I TO gateway_worker USING (true)', group_table);
    EXECUTE format('CREATE POLICY none ON %I TO gateway_app USING ((SELECT bound_school()) IS NULL)', group_table);
END $$;

-- A table of people: a request sees those who are or were members of its school.
CREATE PROCEDURE protect_people(people_table text, person_column text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', people_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', people_table);
    EXECUTE format('CREATE POLICY every_person ON %I TO gateway_worker USING (true)', people_table);
    EXECUTE format($policy$
        CREATE POLICY members ON %1$I TO gateway_app USING (EXISTS (
            SELECT 1 FROM membership AS m
            WHERE m.person_id = %1$I.%2$I AND m.school_id = (SELECT bound_school())))
        $policy$, people_table, person_column);
END $$;

-- directory_version counts, without gaps, every change of the directory that concerns the school.
CREATE TABLE school (
    id uuid CONSTRAINT pk_school PRIMARY KEY,
    sourced_id text CONSTRAINT uq_school_sourced_id UNIQUE,
    name text NOT NULL,
    timezone text NOT NULL DEFAULT 'UTC',
    language text NOT NULL DEFAULT 'en',
    above text[] NOT NULL DEFAULT '{}',
    settings jsonb NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    directory_version bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
ALTER TABLE school ENABLE ROW LEVEL SECURITY;
ALTER TABLE school FORCE ROW LEVEL SECURITY;
CREATE POLICY every_school ON school TO gateway_worker USING (true);
CREATE POLICY own_school ON school TO gateway_app USING (id = (SELECT bound_school()));

-- The day it is at a school: dates of memberships are the school's.
CREATE FUNCTION today_at(zone text) RETURNS date LANGUAGE sql STABLE
RETURN (clock_timestamp() AT TIME ZONE zone)::date;

CREATE TABLE person (
    id uuid CONSTRAINT pk_person PRIMARY KEY,
    sourced_id text CONSTRAINT uq_person_sourced_id UNIQUE,
    given_name text NOT NULL,
    family_name text NOT NULL,
    language text,
    timezone text,
    active boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);

-- What belongs to a school. `ends` is the first day it no longer holds; nothing is deleted.
-- `sourced_id` is the row in OneRoster's roles.csv; only what a roster brought may a roster end.
CREATE TABLE membership (
    person_id uuid NOT NULL CONSTRAINT fk_membership_person REFERENCES person ON DELETE CASCADE,
    school_id uuid NOT NULL CONSTRAINT fk_membership_school REFERENCES school,
    role text NOT NULL,
    grade text,
    starts date,
    ends date,
    sourced_id text,
    origin text NOT NULL DEFAULT 'roster' CONSTRAINT ck_membership_origin CHECK (origin IN ('roster', 'manual')),
    CONSTRAINT pk_membership PRIMARY KEY (person_id, school_id, role),
    CONSTRAINT ck_membership_role
        CHECK (role IN ('platform_admin', 'school_admin', 'staff', 'teacher', 'guardian', 'student'))
);
CREATE INDEX ix_membership_school ON membership (school_id, person_id);
CREATE INDEX ix_membership_role ON membership (school_id, role, grade, person_id);
CREATE INDEX ix_membership_sourced_id ON membership (sourced_id) WHERE sourced_id IS NOT NULL;
CALL protect('membership');
CALL protect_people('person', 'id');

CREATE TABLE contact (
    person_id uuid NOT NULL CONSTRAINT fk_contact_person REFERENCES person ON DELETE CASCADE,
    kind text NOT NULL CONSTRAINT ck_contact_kind CHECK (kind IN ('mail', 'phone')),
    address text NOT NULL,
    origin text NOT NULL DEFAULT 'roster' CONSTRAINT ck_contact_origin CHECK (origin IN ('roster', 'manual')),
    CONSTRAINT pk_contact PRIMARY KEY (person_id, kind, address)
);
CALL protect_people('contact', 'person_id');

-- A token is an installation of the app: unique over all people, it moves when somebody else signs in there.
CREATE TABLE device (
    token text CONSTRAINT pk_device PRIMARY KEY,
    person_id uuid NOT NULL CONSTRAINT fk_device_person REFERENCES person ON DELETE CASCADE,
    fid text,
    platform text NOT NULL CONSTRAINT ck_device_platform CHECK (platform IN ('android', 'ios', 'web')),
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ix_device_person ON device (person_id);
CALL protect_people('device', 'person_id');

CREATE TABLE preference (
    person_id uuid NOT NULL CONSTRAINT fk_preference_person REFERENCES person ON DELETE CASCADE,
    kind text NOT NULL,
    channel text NOT NULL,
    wanted boolean NOT NULL,
    CONSTRAINT pk_preference PRIMARY KEY (person_id, kind, channel)
);
CALL protect_people('preference', 'person_id');

CREATE TABLE student (
    person_id uuid NOT NULL CONSTRAINT fk_student_person REFERENCES person ON DELETE CASCADE,
    school_id uuid NOT NULL CONSTRAINT fk_student_school REFERENCES school,
    grade text,
    active boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 0,
    CONSTRAINT pk_student PRIMARY KEY (school_id, person_id)
);
CREATE INDEX ix_student_person ON student (person_id);
CREATE INDEX ix_student_grade ON student (school_id, grade) WHERE active;
CALL protect('student');

CREATE TABLE guardianship (
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    guardian_id uuid NOT NULL CONSTRAINT fk_guardianship_guardian REFERENCES person ON DELETE CASCADE,
    relationship text NOT NULL DEFAULT 'guardian',
    custody boolean NOT NULL DEFAULT true,
    billing boolean NOT NULL DEFAULT true,
    emergency boolean NOT NULL DEFAULT true,
    origin text NOT NULL DEFAULT 'roster' CONSTRAINT ck_guardianship_origin CHECK (origin IN ('roster', 'manual')),
    ends date,
    CONSTRAINT pk_guardianship PRIMARY KEY (school_id, student_id, guardian_id),
    CONSTRAINT fk_guardianship_student FOREIGN KEY (school_id, student_id) REFERENCES student ON DELETE CASCADE
);
CREATE INDEX ix_guardianship_guardian ON guardianship (guardian_id);
CALL protect('guardianship');

CREATE TABLE term (
    id uuid CONSTRAINT pk_term PRIMARY KEY,
    school_id uuid NOT NULL CONSTRAINT fk_term_school REFERENCES school,
    sourced_id text NOT NULL,
    title text NOT NULL,
    kind text NOT NULL,
    school_year text NOT NULL,
    begins date,
    ends date,
    parent text,
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT uq_term_sourced_id UNIQUE (school_id, sourced_id)
);
CALL protect('term');

CREATE TABLE class (
    id uuid CONSTRAINT pk_class PRIMARY KEY,
    school_id uuid NOT NULL CONSTRAINT fk_class_school REFERENCES school,
    sourced_id text NOT NULL CONSTRAINT uq_class_sourced_id UNIQUE,
    title text NOT NULL,
    code text,
    kind text NOT NULL,
    course text,
    terms text[] NOT NULL DEFAULT '{}',
    grades text[] NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true
);
CREATE INDEX ix_class_school ON class (school_id);
CALL protect('class');

CREATE TABLE enrolment (
    id uuid CONSTRAINT pk_enrolment PRIMARY KEY,
    school_id uuid NOT NULL CONSTRAINT fk_enrolment_school REFERENCES school,
    sourced_id text NOT NULL CONSTRAINT uq_enrolment_sourced_id UNIQUE,
    class_id uuid NOT NULL CONSTRAINT fk_enrolment_class REFERENCES class ON DELETE CASCADE,
    person_id uuid NOT NULL CONSTRAINT fk_enrolment_person REFERENCES person ON DELETE CASCADE,
    role text NOT NULL,
    leads boolean NOT NULL DEFAULT false,
    begins date,
    ends date
);
CREATE INDEX ix_enrolment_class ON enrolment (class_id);
CREATE INDEX ix_enrolment_person ON enrolment (person_id);
CALL protect('enrolment');
"""
    )
