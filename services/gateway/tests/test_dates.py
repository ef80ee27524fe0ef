"""A membership begins and ends at its school's midnight, wherever on earth that is."""

import datetime as dt
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from gateway.accounts import accounts
from gateway.directory import people

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAR_EAST, FAR_WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"
"""At any moment at least one of them has another date than UTC."""
DAY = dt.timedelta(days=1)


async def a_school(gateway, zone):
    school = await gateway.add_school()
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE school SET timezone = %s WHERE school_id = %s", (zone, school))
    return school


async def ends(gateway, person, day):
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE membership SET ends = %s WHERE person_id = %s", (day, person))


@pytest.mark.parametrize("zone", [FAR_EAST, FAR_WEST])
async def test_who_leaves_has_left_at_once_by_the_schools_date(gateway, zone):
    # given
    school = await a_school(gateway, zone)
    person = await gateway.add_person(school, "teacher")
    # when
    path = f"/v1/people/{person}/memberships/teacher"
    answer = await gateway.ask("DELETE", path, "school_admin", school)
    # then
    today = dt.datetime.now(ZoneInfo(zone)).date()
    assert answer.json()["memberships"][0]["ends"] == today.isoformat()
    async with gateway.service.transactions.begin() as tx:
        assert await accounts.memberships(tx, person) == []
    assert (await gateway.ask("DELETE", path, "school_admin", school)).status_code == 404
    for active, found in ((True, []), (False, [str(person)])):
        listed = await gateway.ask("GET", "/v1/people", "school_admin", school, params={"active": active})
        assert [item["id"] for item in listed.json()["items"]] == found


@pytest.mark.parametrize("zone", [FAR_EAST, FAR_WEST])
async def test_a_student_is_one_until_the_schools_midnight(gateway, zone):
    school = await a_school(gateway, zone)
    today = dt.datetime.now(ZoneInfo(zone)).date()
    body = {"given_name": "Ada", "family_name": "Demo"}
    for day, active in ((today, False), (today + DAY, True)):
        membership = {"role": "student", "ends": day.isoformat()}
        made = await gateway.ask(
            "POST", "/v1/people", "school_admin", school, json=body | {"memberships": [membership]}
        )
        student = await gateway.ask("GET", f"/v1/students/{made.json()['id']}", "school_admin", school)
        assert student.json()["active"] is active


async def test_a_student_whose_membership_ends_by_its_date_is_published(gateway):
    """Nobody asks for anything on that day: a roster or an office said it long before."""
    # given
    school = await a_school(gateway, FAR_EAST)
    today = dt.datetime.now(ZoneInfo(FAR_EAST)).date()
    over, stays = [await gateway.add_person(school, "student") for _ in range(2)]
    for student, day in ((over, today), (stays, today + DAY)):
        await gateway.ask(
            "PUT", f"/v1/people/{student}/memberships", json={"role": "student"}, params={"school": school}
        )
        await ends(gateway, student, day)
    # when: any number of replicas
    for _ in range(2):
        await people.end_lapsed(gateway.service.transactions)
    # then
    facts = await gateway.rows(
        "SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'student.changed'"
        " AND data::jsonb ->> 'school_id' = %s ORDER BY position",
        (str(school),),
    )
    told = [(fact["data"]["student_id"], fact["data"]["active"], fact["data"]["version"]) for fact in facts]
    assert told == [(str(over), True, 1), (str(stays), True, 1), (str(over), False, 2)]


async def test_a_roster_makes_only_todays_students_active(gateway, roster, person):
    # given: one stays, one has left, one's account is closed, which decides about signing in only
    school = f"school-{uuid4().hex[:8]}"
    today = dt.datetime.now(dt.UTC).date()
    names = {"stays": {"endDate": (today + DAY).isoformat()}, "left": {"endDate": today.isoformat()}, "closed": {}}
    people = [person(f"{school}-{n}", school, enabledUser=str(n != "closed").lower()) for n in names]
    roles = [
        {"sourcedId": f"{school}-r-{n}", "userSourcedId": f"{school}-{n}", "roleType": "primary", "role": "student"}
        | {"orgSourcedId": school, "beginDate": "2020-01-01"}
        | dates
        for n, dates in names.items()
    ]
    # when: the same twice
    for _ in range(2):
        content = roster([school], people, version="1.2", roles=roles)
        await gateway.run_import(await gateway.open_import(content))
    # then
    found = await gateway.rows(
        "SELECT p.sourced_id, s.active, s.version FROM student s JOIN person p ON p.person_id = s.student_id"
        " WHERE p.sourced_id LIKE %s",
        (f"{school}-%",),
    )
    expected = {f"{school}-{n}": (n != "left", 1) for n in names}
    assert {row["sourced_id"]: (row["active"], row["version"]) for row in found} == expected
