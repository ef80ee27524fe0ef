"""From an absence at the gateway to what the guardians were told, and to the correction of those who were."""

import asyncio
import datetime as dt
import email.policy
from email import message_from_string
from uuid import UUID, uuid4

import httpx
import pytest

from cli.operations import tokens
from shared.testing.fixtures import eventually

# A student of two guardians, both with an address; no other student has them.
FAMILY = """
SELECT g.school_id, g.student_id, array_agg(g.guardian_id ORDER BY g.guardian_id) AS guardians
FROM gateway.guardianship g
WHERE (SELECT count(*) FROM gateway.guardianship o WHERE o.guardian_id = g.guardian_id) = 1
  AND EXISTS (SELECT FROM gateway.contact c WHERE c.person_id = g.guardian_id AND c.kind = 'mail')
GROUP BY 1, 2 HAVING count(*) = 2 ORDER BY 2 LIMIT 1
"""
TOLD = """
SELECT d.person_id, n.template, d.channel, d.state, d.reason
FROM notifier.notification n JOIN notifier.delivery d USING (notification_id) WHERE n.origin = %s
"""
ADDRESS = "SELECT address FROM gateway.contact WHERE person_id = %s AND kind = 'mail'"
NOTICE = "SELECT notification_id FROM notifier.notification WHERE origin = %s ORDER BY origin_version"
FINAL = {"accepted", "failed", "suppressed", "cancelled", "expired", "unknown", "read"}


class Desk:
    """A school's office at the gateway."""

    def __init__(self, system, school):
        self.system, self.school = system, school

    async def ask(self, method, path, role="school_admin", person=None, **more):
        token = tokens.make(self.system.backing.keys / "signing.pem", role, self.school, person)
        headers = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
        async with httpx.AsyncClient(base_url=self.system.url, timeout=30, trust_env=False) as client:
            answer = await client.request(method, path, headers=headers, **more)
        assert answer.is_success, answer.text
        return answer

    async def change(self, path, **changes):
        tag = (await self.ask("GET", path)).headers["etag"]
        return await self.ask("PATCH", path, headers={"If-Match": tag}, json=changes)

    async def told(self, record, *expected):
        """(person, template, channel) → what became of it, once these templates are all done."""

        async def look():
            rows = await asyncio.to_thread(self.system.rows, TOLD, f"absence:{record}")
            return {(row["person_id"], row["template"], row["channel"]): row for row in rows}

        def done(found):
            templates = {template for _, template, _ in found}
            return templates == set(expected) and all(row["state"] in FINAL for row in found.values())

        found = await eventually(look, done, within=60)
        return {key: row["reason"] or row["state"] for key, row in found.items() if key[2] != "push"}

    def subjects(self, person):
        """The subjects of a person's mails so far."""
        address = self.system.rows(ADDRESS, person)[0]["address"]
        with httpx.Client(base_url=self.system.mail, trust_env=False) as client:
            mails = client.get("/received", params={"recipient": address, "limit": 10}).raise_for_status().json()
        parsed = [message_from_string(mail["content"], policy=email.policy.default) for mail in mails]
        return sorted(str(mail["Subject"]) for mail in parsed)


@pytest.fixture
async def family(system):
    (row,) = system.rows(FAMILY)
    desk = Desk(system, row["school_id"])
    return desk, row["student_id"], *row["guardians"]


async def test_an_absence_is_announced_to_the_right_guardians_and_corrected_for_its_recipients(family):
    # given a school that lets absences be told; a German-speaking guardian, and one who wants to hear nothing
    (desk, student, mother, father), teacher = family, uuid4()
    everything = [{"kind": "academic", "channel": c, "wanted": False} for c in ("push", "mail", "inbox")]
    await desk.change(f"/v1/schools/{desk.school}", announces=["absence"])
    await desk.change(f"/v1/people/{mother}", language="de")
    await desk.ask("PUT", "/v1/me/preferences", "guardian", father, json={"preferences": everything})
    before = desk.subjects(mother)
    # when an absence is recorded
    today = dt.datetime.now(dt.UTC).date().isoformat()
    absence = {"student_id": str(student), "day": today, "status": "absent"}
    recorded = await desk.ask("POST", "/v1/absences", "teacher", teacher, json=absence)
    record = UUID(recorded.json()["ids"][0])
    # then one is told, once, in her language
    assert await desk.told(record, "absence") == {
        (mother, "absence", "mail"): "accepted",
        (mother, "absence", "inbox"): "accepted",
        (father, "absence", "mail"): "opted_out",
        (father, "absence", "inbox"): "opted_out",
    }
    (notice,) = desk.system.rows(NOTICE, f"absence:{record}")
    inbox = (await desk.ask("GET", "/v1/me/inbox", "guardian", mother)).json()
    assert inbox["items"][0]["notification_id"] == str(notice["notification_id"])
    assert inbox["items"][0]["title"].endswith(" fehlt")
    why = (await desk.ask("GET", f"/v1/notifications/{notice['notification_id']}/why/{father}")).json()
    assert why["verdict"] == "not_sent"
    assert "does not want" in why["because"]
    # when it turns out to be a mistake
    tag = (await desk.ask("GET", f"/v1/absences/{record}", "teacher", teacher)).headers["etag"]
    await desk.ask("DELETE", f"/v1/absences/{record}", "teacher", teacher, headers={"If-Match": tag})
    # then only she hears of that
    told = await desk.told(record, "absence", "absence_withdrawn")
    assert {person for person, template, _ in told if template == "absence_withdrawn"} == {mother}
    new = desk.subjects(mother)
    for subject in before:
        new.remove(subject)
    assert len(new) == 2
    assert new[0].startswith("Berichtigung: ")
    assert new[1].endswith(" fehlt")
