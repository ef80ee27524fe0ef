"""One school's people never see another's: not by a list, not by an id, not by a name."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

OF_SCHOOLS = ("school_admin", "staff", "teacher")
BODY = {"type": "general", "title": "Closed", "body": "Snow"}


@dataclass(frozen=True)
class Side:
    """A school, somebody there, and what they were told."""

    school: UUID
    person: UUID
    notification: str
    task: str


async def side(gateway):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    body = BODY | {"audience": {"people": [str(person)]}}
    answer = await gateway.ask("POST", "/v1/notifications", "staff", school, uuid4(), json=body)
    assert answer.status_code == 202
    return Side(school, person, answer.json()["notification_id"], answer.json()["task_id"])


@pytest_asyncio.fixture(loop_scope="module")
async def ours(gateway):
    return await side(gateway)


@pytest_asyncio.fixture(loop_scope="module")
async def theirs(gateway):
    return await side(gateway)


async def found(gateway, path, role, within, **params):
    answer = await gateway.ask("GET", path, role, within, uuid4(), params=params)
    assert answer.status_code == 200
    return {item["id"] for item in answer.json()["items"]}


@pytest.mark.parametrize("role", OF_SCHOOLS)
async def test_seed_20_lists_hold_what_is_ours_and_nothing_of_theirs(gateway, ours, theirs, role):
    assert await found(gateway, "/v1/tasks", role, ours.school) == {ours.task}
    assert await found(gateway, "/v1/people", role, ours.school) == {str(ours.person)}
    assert await found(gateway, "/v1/schools", role, ours.school) == {str(ours.school)}
    assert await found(gateway, "/v1/people", role, ours.school, sourced_id=f"person-{theirs.person}") == set()
    assert await found(gateway, "/v1/schools", role, ours.school, sourced_id=f"school-{theirs.school}") == set()


@pytest.mark.parametrize("role", OF_SCHOOLS)
async def test_promise_16_what_is_theirs_does_not_exist_for_us(gateway, ours, theirs, owners, role):
    owners(notifier_GET=(404, {"detail": "unknown"}))
    for path in (f"/v1/tasks/{theirs.task}", f"/v1/notifications/{theirs.notification}"):
        answer = await gateway.ask("GET", path, role, ours.school, uuid4())
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        nothing = await gateway.ask("GET", f"{path.rpartition('/')[0]}/{uuid4()}", role, ours.school, uuid4())
        assert answer.content == nothing.content  # nothing tells theirs from what never was
    assert (await gateway.ask("GET", f"/v1/tasks/{ours.task}", role, ours.school, uuid4())).status_code == 200


@pytest.mark.parametrize("role", OF_SCHOOLS)
async def test_seed_22_naming_their_school_is_refused(gateway, ours, theirs, role):
    for name in (str(theirs.school), f"school-{theirs.school}", str(uuid4())):
        for path in ("/v1/people", "/v1/notifications"):
            answer = await gateway.ask("GET", path, role, ours.school, uuid4(), params={"school": name})
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_school")
        body = BODY | {"school": name, "audience": {"school": True}}
        answer = await gateway.ask("POST", "/v1/notifications", role, ours.school, uuid4(), json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_school")
    intents = "SELECT count(*) FROM intent WHERE school_id = ANY(%s)"
    assert await gateway.one(intents, ([ours.school, theirs.school],)) == 2


async def test_seed_20_our_school_goes_by_either_name(gateway, ours):
    for name in (str(ours.school), f"school-{ours.school}"):
        assert await found(gateway, "/v1/people", "staff", ours.school, school=name) == {str(ours.person)}


@pytest.mark.parametrize("role", ["guardian", "student"])
async def test_seed_21_families_see_no_tasks_people_or_notifications_at_all(gateway, ours, theirs, role):
    for each in (ours, theirs):
        for path in ("tasks", f"tasks/{each.task}", f"notifications/{each.notification}", "people", "workers"):
            answer = await gateway.ask("GET", f"/v1/{path}", role, ours.school, ours.person)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_seed_21_who_belongs_to_two_schools_shows_each_only_its_own(gateway, ours, theirs):
    # given
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, 'guardian')"
        await tx.execute(query, (ours.person, theirs.school))
    # when
    answer = await gateway.ask("GET", "/v1/people", "school_admin", ours.school, uuid4())
    # then
    (person,) = answer.json()["items"]
    assert [membership["school_id"] for membership in person["memberships"]] == [str(ours.school)]


async def test_the_group_sees_both(gateway, ours, theirs):
    assert {ours.task, theirs.task} <= await found(gateway, "/v1/tasks", "platform_admin", None)
    assert {str(ours.school), str(theirs.school)} <= await found(gateway, "/v1/schools", "platform_admin", None)
    for each in (ours, theirs):
        assert await found(gateway, "/v1/people", "platform_admin", None, school=str(each.school)) == {str(each.person)}


async def test_seed_21_without_a_session_no_page_of_the_system_is_shown(gateway):
    root = await gateway.client.get("/")
    assert (root.status_code, root.headers["location"]) == (303, "/console")
    page = await gateway.client.get("/console/overview")
    assert (page.status_code, page.text) == (303, "")
