"""The vault: one key per subject. A row without a key is an erased subject and stays as its tombstone."""

from alembic import op

revision = "vault_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE TABLE key (
    subject uuid CONSTRAINT pk_key PRIMARY KEY,
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    CONSTRAINT ck_key_erased CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
);
"""
    )
