"""What can change has a version, and whoever changes it may say which one they have read."""

from uuid import uuid4

import pytest

from gateway.http.openapi import compose

pytestmark = pytest.mark.asyncio(loop_scope="module")

FINAL = {
    "delete /v1/people/{person_id}": "erasing counts whatever else has changed",
    "delete /v1/keys/{key_id}": "so does revoking",
    "delete /v1/administrators/{person_id}": "and taking the administration from somebody",
    "delete /v1/classes/{class_id}/enrolments/{person_id}": "an enrolment has nothing to change but its end",
    "delete /v1/suppressions/{suppression_id}": "a suppression is there or not",
    "put /v1/me/devices": "a device is its token",
    "put /v1/me/password": "the old one is named",
    "put /v1/me/firebase": "the newest link counts",
}
"""Changes without a version, and why."""


@pytest.mark.parametrize("tag", ['"99"', "nonsense", '"' + "9" * 90 + '"', '"-1"', '""'])
async def test_a_precondition_counts_after_everything_else_is_right(gateway, tag):
    """RFC 9110, 13.2.1: what would be refused anyway is refused for that."""
    school = await gateway.add_school()
    changes = {"path": f"/v1/schools/{school}", "headers": {"If-Match": tag}, "school": school, "role": "school_admin"}
    assert (await gateway.ask("PATCH", json={"name": 7}, **changes)).status_code == 422
    answer = await gateway.ask("PATCH", json={"name": "X"}, **changes)
    assert (answer.status_code, answer.json()["code"]) == (412, "stale")


async def test_every_change_takes_a_version_or_is_one_of_the_few_that_need_none(gateway):
    paths = compose(gateway.client._transport.app)["paths"]
    without = {
        f"{method} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if method in ("put", "patch", "delete")
        and "if-match" not in {each["name"].lower() for each in operation.get("parameters", ())}
    }
    assert without == set(FINAL)


async def test_memberships_and_closures_are_changed_by_version(gateway):
    # given
    school = await gateway.add_school()
    person = await gateway.add_person(school)

    async def change(method, path, tag, **more):
        headers = {"If-Match": tag}
        return await gateway.ask(method, path, "school_admin", school, uuid4(), headers, **more)

    closure = {"name": "Snow", "starts": "2026-02-02", "ends": "2026-02-03"}
    changes = [
        ("PUT", f"/v1/people/{person}/memberships", {"role": "staff"}),
        ("POST", f"/v1/schools/{school}/closures", closure),
    ]
    for method, path, body in changes:
        # when
        stale = await change(method, path, '"7"', json=body)
        right = await change(method, path, '"1"', json=body)
        # then
        assert (stale.status_code, right.is_success) == (412, True), right.text
        assert right.headers["etag"] == '"2"'
    ended = await change("DELETE", f"/v1/people/{person}/memberships/staff", '"1"')
    reopened = await change(
        "DELETE", f"/v1/schools/{school}/closures/{right.json()['closures'][0]['closure_id']}", '"1"'
    )
    assert (ended.status_code, reopened.status_code) == (412, 412)
