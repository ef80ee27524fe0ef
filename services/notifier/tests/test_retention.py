"""A notification goes with all that belongs to it, a long time after its end; one that has not ended stays."""

from notifier.retention import of_notifications
from shared.service.retention import prune

TABLES = ("notification", "delivery", "attempt", "inbox_item", "rendering", "release")
AGE = "UPDATE notification SET completed_at = completed_at - interval '401 days' WHERE notification_id = %(id)s"


async def counted(harness, table, notification):
    where = "notification_id = %(id)s"
    if table == "attempt":
        where = f"delivery_id IN (SELECT delivery_id FROM delivery WHERE {where})"
    (row,) = await harness.rows(f"SELECT count(*) AS n FROM {table} WHERE {where}", {"id": notification})
    return row["n"]


async def test_an_old_notification_goes_with_its_parts_and_others_stay(harness):
    # given: two that ended, one of them long ago, and one that is being sent
    school = await harness.add_school()
    await harness.add_person(school, mails=("ada@example.org",))
    old, new = [await harness.plan(school, channels=("mail", "inbox")) for _ in range(2)]
    await harness.run_permits()
    waiting = await harness.plan(school, channels=("mail",))
    before = {table: await counted(harness, table, new) for table in TABLES}
    assert before["attempt"] == 1
    assert before["inbox_item"] == 1
    await harness.execute(AGE, {"id": old})
    await harness.execute("UPDATE notification SET received_at = '2020-01-01'")
    # when
    await prune(harness.service.transactions, of_notifications(400), pages=1)
    # then
    assert {table: await counted(harness, table, old) for table in TABLES} == dict.fromkeys(TABLES, 0)
    assert {table: await counted(harness, table, new) for table in TABLES} == before
    assert await counted(harness, "delivery", waiting) == 1
