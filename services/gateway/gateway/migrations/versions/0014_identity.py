"""Who vouches for an account, and the address that signs in; refused attempts are counted."""

from alembic import op

revision = "gateway_0014_identity"
down_revision = "gateway_0013_sources"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- An account that stands on the word of one school opens that school only; NULL: the group vouches for it.
ALTER TABLE account ADD COLUMN school_id uuid;
-- The verified address that signs in. It is not a contact: what a school writes there does not change it.
ALTER TABLE account ADD COLUMN sign_in_address text CONSTRAINT uq_account_sign_in_address UNIQUE;
ALTER TABLE invitation ADD COLUMN school_id uuid;

-- Refused attempts of an hour. The first of them are in the audit as well, the others are only counted.
CREATE TABLE refused_attempt (
    actor text NOT NULL,
    action text NOT NULL,
    status integer NOT NULL,
    hour timestamptz NOT NULL,
    attempts bigint NOT NULL,
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_refused_attempt PRIMARY KEY (actor, action, status, hour)
);
CALL for_workers('refused_attempt');

-- A token of minutes could store a device of its erased person again.
DELETE FROM device d USING person p WHERE p.person_id = d.person_id AND p.erased_at IS NOT NULL;
"""
    )
