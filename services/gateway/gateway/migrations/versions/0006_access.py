"""Accounts, sessions, invitations, API keys, the audit; idempotency keys for the whole group; tasks by time."""

from alembic import op

revision = "gateway_0006_access"
down_revision = "gateway_0005_occasions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- Who can sign in. `hash` is argon2id; an account without one signs in with Firebase only.
CREATE TABLE account (
    person_id uuid CONSTRAINT pk_account PRIMARY KEY CONSTRAINT fk_account_person REFERENCES person,
    hash text,
    firebase_uid text CONSTRAINT uq_account_firebase_uid UNIQUE,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- User names and e-mail addresses share one space, lower case, so that no name is somebody else's address.
CREATE TABLE account_name (
    name text CONSTRAINT pk_account_name PRIMARY KEY CONSTRAINT ck_account_name_lower CHECK (name = lower(name)),
    person_id uuid NOT NULL CONSTRAINT fk_account_name_account REFERENCES account
);
CREATE INDEX ix_account_name_person_id ON account_name (person_id);
CREATE TABLE administrator (
    person_id uuid CONSTRAINT pk_administrator PRIMARY KEY CONSTRAINT fk_administrator_person REFERENCES person,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE invitation (
    hash bytea CONSTRAINT pk_invitation PRIMARY KEY,
    person_id uuid NOT NULL CONSTRAINT fk_invitation_person REFERENCES person,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX ix_invitation_person_id ON invitation (person_id);
-- Every refresh makes a new token of the same family; a token that comes twice was stolen, and its family ends.
CREATE TABLE refresh_token (
    hash bytea CONSTRAINT pk_refresh_token PRIMARY KEY,
    family uuid NOT NULL,
    person_id uuid NOT NULL CONSTRAINT fk_refresh_token_person REFERENCES person,
    role text NOT NULL,
    school_id uuid,
    issued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX ix_refresh_token_family ON refresh_token (family);
CREATE INDEX ix_refresh_token_person_id ON refresh_token (person_id);
-- Failures by the name that was tried, whether or not anybody has it.
CREATE TABLE sign_in_failure (
    name_hash bytea CONSTRAINT pk_sign_in_failure PRIMARY KEY,
    failures integer NOT NULL,
    blocked_until timestamptz NOT NULL,
    last_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE api_key (
    key_id uuid CONSTRAINT pk_api_key PRIMARY KEY,
    school_id uuid CONSTRAINT fk_api_key_school REFERENCES school,
    name text NOT NULL,
    role text NOT NULL,
    scopes text[] NOT NULL,
    hash bytea NOT NULL CONSTRAINT uq_api_key_hash UNIQUE,
    hint text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX ix_api_key_school_id ON api_key (school_id, key_id);

-- What was decided and administered, by whom, and what came of it. Rows are only ever added: the grants of both roles
-- are for all tables, so a trigger refuses the rest.
CREATE TABLE audit (
    audit_id uuid CONSTRAINT pk_audit PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    school_id uuid,
    person_id uuid,
    role text,
    key_id uuid,
    action text NOT NULL,
    subject jsonb NOT NULL,
    status integer NOT NULL,
    code text
);
CREATE INDEX ix_audit_school_id ON audit (school_id, audit_id);
CREATE INDEX ix_audit_person_id ON audit (person_id, audit_id);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CALL for_workers('account');
CALL for_workers('account_name');
CALL for_workers('administrator');
CALL for_workers('invitation');
CALL for_workers('refresh_token');
CALL for_workers('sign_in_failure');
CALL protect('api_key');
CALL protect('audit');

CREATE INDEX ix_idempotency_key_created_at ON idempotency_key USING brin (created_at);
CREATE INDEX ix_task_changed_at ON task (changed_at);
"""
    )
