"""Quiet hours, digests, offices, classes and the order of guardians; what a notification may say of itself."""

from alembic import op

revision = "notifier_0002"
down_revision = "notifier_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- Local times; a person's quiet hours take the place of the school's. Over midnight where `quiet_ends` is not later.
ALTER TABLE school
    ADD COLUMN announces text[] NOT NULL DEFAULT '{}',
    ADD COLUMN quiet_starts time,
    ADD COLUMN quiet_ends time,
    ADD COLUMN digest_at time NOT NULL DEFAULT '07:00',
    ADD COLUMN office uuid[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT ck_school_quiet CHECK ((quiet_starts IS NULL) = (quiet_ends IS NULL));
ALTER TABLE person
    ADD COLUMN quiet_starts time,
    ADD COLUMN quiet_ends time,
    ADD CONSTRAINT ck_person_quiet CHECK ((quiet_starts IS NULL) = (quiet_ends IS NULL));
ALTER TABLE student ADD COLUMN classes uuid[] NOT NULL DEFAULT '{}';
CREATE INDEX ix_student_classes ON student USING gin (classes);
ALTER TABLE guardianship ADD COLUMN rank integer NOT NULL DEFAULT 1;

ALTER TABLE notification
    ADD COLUMN origin text,
    ADD COLUMN origin_version integer NOT NULL DEFAULT 0,
    ADD COLUMN correction boolean NOT NULL DEFAULT false,
    ADD COLUMN group_id uuid,
    ADD COLUMN escalation jsonb,
    ADD COLUMN template text,
    ADD COLUMN variables jsonb NOT NULL DEFAULT '{}';
CREATE INDEX ix_notification_origin ON notification (school_id, origin) WHERE origin IS NOT NULL;
CREATE INDEX ix_notification_group_id ON notification (group_id) WHERE group_id IS NOT NULL;
"""
    )
