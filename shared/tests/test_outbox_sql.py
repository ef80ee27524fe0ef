"""Events that statements leave in the outbox by themselves are those that `tx.emit` leaves."""

import json

from shared.events import PersonChanged
from shared.transactions.outbox import event_row, json_text

LEFT = "SELECT exchange, routing_key, headers, data, sealed_for FROM outbox ORDER BY position"
PUT = """
SELECT put_events(array_agg((r.topic, r.headers, json_with(r.data, 'version', '7'), r.sealed_for)::outbox_event
                            ORDER BY r.topic)) AS n
FROM jsonb_to_recordset(%(rows)s) AS r(topic text, headers text, data text, sealed_for uuid)
"""


async def test_an_event_left_by_sql_is_the_one_that_is_emitted(spine):
    # given
    service, school = spine.build(), spine.school()
    person = PersonChanged(person_id=school.school_id, given_name="Ada", version=7)
    await service.database.open()
    async with service.transactions.begin() as tx:
        tx.emit(person)
    async with service.database.worker() as connection:
        (emitted,) = await (await connection.execute(LEFT)).fetchall()
        await connection.execute("DELETE FROM outbox")
        # when
        row = event_row(person, service.name, None, without={"version"})
        values = {"topic": row.routing_key, "headers": emitted["headers"], "data": row.data}
        rows = {"rows": json_text([values | {"sealed_for": row.sealed_for}])}
        assert (await (await connection.execute(PUT, rows)).fetchone())["n"] == 1
        # then
        (put,) = await (await connection.execute(LEFT)).fetchall()
        assert json.loads(put["data"]) == json.loads(emitted["data"])
        assert put | {"data": ""} == emitted | {"data": ""}
        # and: of nothing, nothing
        assert (await (await connection.execute(PUT, {"rows": "[]"})).fetchone())["n"] == 0
        await connection.execute("DELETE FROM outbox")
    await service.database.close()
