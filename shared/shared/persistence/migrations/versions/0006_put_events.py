"""One way to leave events in the outbox from SQL; a request without a school is told by an SQLSTATE of its own."""

from alembic import op

revision = "shared_0006"
down_revision = "shared_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
-- One event before it is in the outbox. `topic` is its routing key, `headers` its envelope and `data` its body, as the
-- text of a JSON object; `sealed_for` is whose key seals its personal fields.
CREATE TYPE outbox_event AS (topic text, headers text, data text, sealed_for uuid);

-- Leaves events in the outbox, in the order given: what `tx.emit` does, for statements that make events where the rows
-- are. Many by one call, because a call costs more than a row; in PL/pgSQL, whose plan lasts as long as the session.
-- Returns how many they were.
CREATE FUNCTION put_events(events outbox_event[]) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO outbox (exchange, routing_key, headers, data, sealed_for)
    SELECT 'school.events', e.topic, e.headers, e.data, e.sealed_for FROM unnest(events) AS e;
    RETURN coalesce(cardinality(events), 0);
END $$;

-- The text of a JSON object, which has members, with one more; `value` is JSON too. As text, because to parse and to
-- print a message costs more than all else that is done to it.
CREATE FUNCTION json_with(object text, member text, value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(object, -1) || ',"' || member || '":' || value || '}'
$$;

-- The school that this request is bound to; SC001 when it names none, so that it never just finds nothing.
CREATE OR REPLACE FUNCTION bound_school() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(current_setting('app.school_id', true), '') = '' THEN
        RAISE EXCEPTION 'app.school_id is not set: bind a school before touching a tenant''s table'
            USING ERRCODE = 'SC001';
    END IF;
    RETURN current_setting('app.school_id')::uuid;
END $$;
"""
    )
