"""What nobody will come back for is dropped, and nothing else."""

import pytest

from gateway.accounts import accounts, sessions

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVITATION = """
INSERT INTO invitation (hash, person_id, expires_at, used_at)
SELECT decode(md5(random()::text), 'hex'), %(person)s, now() + make_interval(days => %(expires)s),
       now() + make_interval(days => %(used)s)
"""
TOKEN = """
INSERT INTO refresh_token (hash, family, person_id, role, expires_at)
VALUES (decode(md5(random()::text), 'hex'), gen_random_uuid(), %(person)s, 'guardian',
        now() + make_interval(days => %(expires)s))
"""


async def kept(gateway, sweep, table, where, value):
    await sweep(gateway.service.transactions)
    return await gateway.one(f"SELECT count(*) FROM {table} WHERE {where} = %s", (value,))


@pytest.mark.parametrize(
    ("expires", "used", "left"), [(7, None, 1), (-1, None, 1), (-31, None, 0), (7, -1, 1), (-31, -38, 0)]
)
async def test_invitations_are_dropped_a_month_after_they_were_over(gateway, expires, used, left):
    person = await gateway.add_person(await gateway.add_school())
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(INVITATION, {"person": person, "expires": expires, "used": used})
    assert await kept(gateway, accounts.forget_invitations, "invitation", "person_id", person) == left


@pytest.mark.parametrize(("expires", "left"), [(1, 1), (-1, 1), (-31, 0)])
async def test_refresh_tokens_are_dropped_a_month_after_they_were_over(gateway, expires, left):
    person = await gateway.add_person(await gateway.add_school())
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(TOKEN, {"person": person, "expires": expires})
    assert await kept(gateway, sessions.forget_sessions, "refresh_token", "person_id", person) == left
