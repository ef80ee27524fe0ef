"""Facts from the log, append-only; reports and their files."""

from alembic import op

revision = "reports_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE TABLE school_fact (
    school_id uuid NOT NULL,
    version bigint NOT NULL,
    log_offset bigint NOT NULL,
    name text NOT NULL,
    timezone text NOT NULL,
    language text NOT NULL,
    active boolean NOT NULL,
    CONSTRAINT pk_school_fact PRIMARY KEY (school_id, version)
);
CREATE TABLE student_fact (
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    version bigint NOT NULL,
    log_offset bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    grade text,
    active boolean NOT NULL,
    CONSTRAINT pk_student_fact PRIMARY KEY (school_id, student_id, version)
);
CREATE INDEX ix_student_fact_student_id ON student_fact (student_id);
CREATE TABLE person_fact (
    person_id uuid NOT NULL,
    version bigint NOT NULL,
    log_offset bigint NOT NULL,
    given_name text,
    family_name text,
    erased boolean NOT NULL,
    CONSTRAINT pk_person_fact PRIMARY KEY (person_id, version)
);
CREATE TABLE membership_fact (
    person_id uuid NOT NULL,
    version bigint NOT NULL,
    school_id uuid NOT NULL,
    starts date,
    ends date,
    CONSTRAINT pk_membership_fact PRIMARY KEY (person_id, version, school_id)
);
CREATE TABLE school_position (
    school_id uuid NOT NULL,
    stream text NOT NULL,
    log_offset bigint NOT NULL,
    CONSTRAINT pk_school_position PRIMARY KEY (school_id, stream)
);
CREATE TABLE behavior_fact (
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    log_offset bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    day date NOT NULL,
    withdrawn boolean NOT NULL,
    category text NOT NULL,
    severity text NOT NULL,
    description text NOT NULL,
    CONSTRAINT pk_behavior_fact PRIMARY KEY (record_id, version)
);
CREATE INDEX ix_behavior_fact_school_id ON behavior_fact (school_id, day);
CREATE INDEX ix_behavior_fact_student_id ON behavior_fact (student_id, day);
CREATE TABLE payment_fact (
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    log_offset bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    day date NOT NULL,
    withdrawn boolean NOT NULL,
    status text NOT NULL,
    amount numeric NOT NULL,
    currency text NOT NULL,
    due_on date,
    paid_on date,
    purpose text NOT NULL,
    reference text,
    CONSTRAINT pk_payment_fact PRIMARY KEY (record_id, version)
);
CREATE INDEX ix_payment_fact_school_id ON payment_fact (school_id, day);
CREATE INDEX ix_payment_fact_student_id ON payment_fact (student_id, day);
CREATE TABLE absence_fact (
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    log_offset bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    day date NOT NULL,
    withdrawn boolean NOT NULL,
    period text,
    status text NOT NULL,
    reason text,
    CONSTRAINT pk_absence_fact PRIMARY KEY (record_id, version)
);
CREATE INDEX ix_absence_fact_school_id ON absence_fact (school_id, day);
CREATE INDEX ix_absence_fact_student_id ON absence_fact (student_id, day);
CREATE TABLE grade_fact (
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    log_offset bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    day date NOT NULL,
    withdrawn boolean NOT NULL,
    course text NOT NULL,
    term text,
    grade text NOT NULL,
    CONSTRAINT pk_grade_fact PRIMARY KEY (record_id, version)
);
CREATE INDEX ix_grade_fact_school_id ON grade_fact (school_id, day);
CREATE INDEX ix_grade_fact_student_id ON grade_fact (student_id, day);
CREATE TABLE remark_fact (
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    log_offset bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    day date NOT NULL,
    withdrawn boolean NOT NULL,
    text text NOT NULL,
    CONSTRAINT pk_remark_fact PRIMARY KEY (record_id, version)
);
CREATE INDEX ix_remark_fact_school_id ON remark_fact (school_id, day);
CREATE INDEX ix_remark_fact_student_id ON remark_fact (student_id, day);
CREATE TABLE notification_fact (
    notification_id uuid NOT NULL,
    log_offset bigint NOT NULL,
    school_id uuid NOT NULL,
    completed_at timestamptz NOT NULL,
    sent bigint NOT NULL,
    delivered bigint NOT NULL,
    CONSTRAINT pk_notification_fact PRIMARY KEY (notification_id, log_offset)
);
CREATE INDEX ix_notification_fact_school_id ON notification_fact (school_id, completed_at);
CREATE TABLE read_fact (
    notification_id uuid NOT NULL,
    person_id uuid NOT NULL,
    log_offset bigint NOT NULL,
    school_id uuid NOT NULL,
    read_at timestamptz NOT NULL,
    CONSTRAINT pk_read_fact PRIMARY KEY (notification_id, person_id)
);
CREATE INDEX ix_read_fact_school_id ON read_fact (school_id, read_at);

CREATE TABLE report (
    report_id uuid CONSTRAINT pk_report PRIMARY KEY,
    school_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT ck_report_kind CHECK (kind IN ('monthly', 'student_progress')),
    student_id uuid,
    starts date NOT NULL,
    ends date NOT NULL,
    formats text[] NOT NULL,
    language text NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CONSTRAINT ck_report_state CHECK (state IN ('waiting', 'ready', 'failed', 'cancelled')),
    task_id uuid NOT NULL,
    requested_by uuid,
    requested_at timestamptz NOT NULL,
    replaces uuid,
    reason text NOT NULL,
    ready_at timestamptz,
    template text,
    forced boolean NOT NULL,
    directory_version bigint NOT NULL,
    awaits jsonb NOT NULL,
    directory_offset bigint,
    records_offset bigint,
    work_offset bigint,
    same_as uuid,
    clean boolean NOT NULL DEFAULT false,
    CONSTRAINT ck_report_ends CHECK (ends > starts)
);
CREATE INDEX ix_report_school_id ON report (school_id, report_id);
CREATE INDEX ix_report_requested_at ON report (requested_at);
CREATE INDEX ix_report_student_id ON report (student_id) WHERE student_id IS NOT NULL;
CREATE UNIQUE INDEX uq_report_task_id ON report (task_id);
CREATE INDEX ix_report_unclean ON report (report_id) WHERE state IN ('failed', 'cancelled') AND NOT clean;
CREATE TABLE report_file (
    format text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    report_id uuid NOT NULL CONSTRAINT fk_report_file_report REFERENCES report,
    school_id uuid NOT NULL,
    blob text NOT NULL,
    CONSTRAINT pk_report_file PRIMARY KEY (format, report_id)
);

CALL protect('school_fact');
CALL protect('student_fact');
CALL protect('membership_fact');
CALL protect('school_position');
CALL protect('behavior_fact');
CALL protect('payment_fact');
CALL protect('absence_fact');
CALL protect('grade_fact');
CALL protect('remark_fact');
CALL protect('notification_fact');
CALL protect('read_fact');
CALL protect('report');
CALL protect('report_file');
-- Names belong to people, not to schools: only workers read them.
ALTER TABLE person_fact ENABLE ROW LEVEL SECURITY;
ALTER TABLE person_fact FORCE ROW LEVEL SECURITY;
CREATE POLICY every_school ON person_fact TO reports_worker USING (true);
"""
    )
