"""One send to all schools: a task over one a school, one address once, and the preview that told so before."""

import asyncio
import uuid

import httpx

from cli.demo import school
from cli.operations import tokens
from shared.testing.fixtures import eventually

BODY = {"type": "general", "title": "Made-up news", "body": "For everybody.", "channels": ["mail"]}
TWICE = """
SELECT lower(d.address) AS address FROM notifier.delivery d JOIN notifier.notification n USING (notification_id)
WHERE n.group_id = %s AND d.channel = 'mail' AND d.state = 'accepted' GROUP BY 1 HAVING count(*) > 1
"""
STATES = """
SELECT n.school_id::text AS school, count(*) FILTER (WHERE d.state = 'accepted') AS accepted,
       count(*) FILTER (WHERE d.reason = 'same_address') AS shared, count(*) AS planned
FROM notifier.delivery d JOIN notifier.notification n USING (notification_id) WHERE n.group_id = %s GROUP BY 1
"""
ADDRESSES = """
SELECT count(DISTINCT lower(c.address)) AS n FROM gateway.contact c JOIN gateway.membership m USING (person_id)
JOIN gateway.person p USING (person_id)
WHERE c.kind = 'mail' AND m.role = 'guardian' AND p.active AND (m.ends IS NULL OR m.ends > current_date)
  AND NOT EXISTS (SELECT FROM gateway.preference f WHERE f.person_id = p.person_id AND f.kind = 'general'
                    AND f.channel = 'mail' AND NOT f.wanted)
  AND NOT EXISTS (SELECT FROM notifier.suppression s WHERE s.active AND s.channel = 'mail'
                    AND s.kind IN ('', 'general') AND lower(s.target) IN (lower(c.address), p.person_id::text))
"""
"""Other journeys of the same system may have made somebody opt out, or an address bounce."""


async def ask(system, method, path, **more):
    token = tokens.make(system.backing.keys / "signing.pem", "platform_admin", None, None)
    headers = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
    async with httpx.AsyncClient(base_url=system.url, timeout=30, trust_env=False) as client:
        answer = await client.request(method, path, headers=headers, **more)
    assert answer.is_success, answer.text
    return answer.json()


async def test_a_send_to_all_schools_reaches_each_address_once_as_the_previews_showed(system):
    # given what a preview says of each school
    names = [each.sourced_id for each in school.SCHOOLS]
    preview = {"type": "general", "channels": ["mail"], "audience": {"school": True}}
    foretold = {}
    for name in names:
        (found,) = (await ask(system, "GET", "/v1/schools", params={"sourced_id": name}))["items"]
        said = await ask(system, "POST", "/v1/notifications:preview", json=preview | {"school": name})
        foretold[found["id"]] = said["channels"]["mail"]
    await system.idle()
    before = system.stats("smtp")["sent"]
    # when
    body = BODY | {"schools": names, "audience": {"school": True}}
    answer = await ask(system, "POST", "/v1/notifications", json=body, headers={"Idempotency-Key": uuid.uuid4().hex})

    async def look():
        return await ask(system, "GET", f"/v1/tasks/{answer['task_id']}")

    task = await eventually(look, lambda found: found["state"] in ("succeeded", "failed", "cancelled"), within=100)
    # then
    assert task["state"] == "succeeded"
    assert task["result"] == {"schools": 3, "succeeded": 3, "failed": 0, "cancelled": 0}
    rows = {row["school"]: row for row in await asyncio.to_thread(system.rows, STATES, answer["task_id"])}
    assert task["progress"] == {"done": task["progress"]["total"], "total": sum(r["planned"] for r in rows.values())}
    assert await asyncio.to_thread(system.rows, TWICE, answer["task_id"]) == []
    (known,) = await asyncio.to_thread(system.rows, ADDRESSES)
    accepted = sum(row["accepted"] for row in rows.values())
    assert accepted == known["n"] == system.stats("smtp")["sent"] - before
    # and: no school sent more than its preview said; what is missing went to the same address from another school
    for where, said in foretold.items():
        alone = said["deliveries"]
        assert rows[where]["planned"] == alone + sum(said["suppressed"].values())
        assert rows[where]["accepted"] + rows[where]["shared"] - said["suppressed"].get("same_address", 0) == alone
