"""What holds today has one home in SQL: views and a function that cost nothing, because they are inlined."""

import datetime as dt

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

INLINED = {
    "memberships": "SELECT m.role FROM current_membership m WHERE m.person_id = gen_random_uuid()",
    "memberships that end": "UPDATE current_membership m SET ends = NULL WHERE m.person_id = gen_random_uuid()",
    "enrolments": "SELECT e.class_id FROM current_enrolment e WHERE e.person_id = gen_random_uuid()",
    "audience": "SELECT FROM student s, audience_students(s.school_id, s.grade, '{}')",
    "rule": "SELECT FROM membership m WHERE is_current(m.ends, m.school_id)",
}
CALLS = ("Function Scan", "Subquery Scan", "is_current", "audience_students")
TOLD = """
SELECT m.role, m.begun FROM current_membership m WHERE m.person_id = %s ORDER BY m.role
"""


@pytest.mark.parametrize("what", INLINED)
async def test_what_holds_today_is_inlined_into_the_statements_that_ask(gateway, what):
    async with gateway.service.transactions.begin() as tx:
        plan = "\n".join(row["QUERY PLAN"] for row in await tx.rows(f"EXPLAIN (VERBOSE) {INLINED[what]}"))
    assert [call for call in CALLS if call in plan] == []


async def test_a_membership_holds_until_the_day_it_ends_by_its_schools_clock(gateway):
    # given: a school that is a day ahead of UTC, or has the same date
    school, zone = await gateway.add_school(), dt.timezone(dt.timedelta(hours=14))
    person, today = await gateway.add_person(school), dt.datetime.now(zone).date()
    tomorrow, add = today + dt.timedelta(days=1), "INSERT INTO membership (person_id, school_id, role, starts, ends)"
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE school SET timezone = 'Pacific/Kiritimati' WHERE school_id = %s", (school,))
        for role, starts, ends in (
            ("school_admin", None, today),
            ("staff", today, tomorrow),
            ("teacher", tomorrow, None),
        ):
            await tx.execute(f"{add} VALUES (%s, %s, %s, %s, %s)", (person, school, role, starts, ends))
    # then
    assert await gateway.rows(TOLD, (person,)) == [
        {"role": "guardian", "begun": True},
        {"role": "staff", "begun": True},
        {"role": "teacher", "begun": False},
    ]


async def test_a_request_sees_only_its_own_schools_memberships(gateway):
    schools = [await gateway.add_school() for _ in range(2)]
    people = [await gateway.add_person(school) for school in schools]
    async with gateway.service.transactions.request(schools[0]) as tx:
        found = await tx.rows("SELECT person_id FROM current_membership WHERE person_id = ANY(%s)", (people,))
    assert [row["person_id"] for row in found] == people[:1]
