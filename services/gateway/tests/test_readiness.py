"""A gateway stays in its balancer while the broker is away: the outbox goes on accepting."""

import uuid

import pytest

from shared.testing.fault_proxy import proxied
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_no_request_fails_while_the_broker_is_away(backing_with_broker, live, serve):
    # given: a gateway that has started
    school = await live.add_school()
    person = await live.add_person(school)
    body = {"type": "general", "title": "Hello", "body": "Made up.", "audience": {"people": [str(person)]}}
    broker = proxied(backing_with_broker.amqp_url)
    async with broker as (amqp_url, proxy), serve(backing_with_broker, at_work=True, amqp_url=amqp_url) as gateway:

        async def asked(path):
            answer = await gateway.client.get(path)
            return answer.status_code, answer.json()["reasons"]

        await eventually(lambda: asked("/health/ready"), lambda found: found == (200, []), within=30)
        # when
        proxy.black_hole(on=True)
        proxy.cut()
        await eventually(lambda: asked("/health/status"), lambda found: "broker: away" in found[1])
        # then
        for _ in range(20):
            assert (await asked("/health/ready"))[0] == 200
            answer = await gateway.ask("POST", "/v1/notifications", "staff", school, uuid.uuid4(), json=body)
            assert answer.status_code == 202, answer.text
        # and: what stops takes no more
        gateway.service.runtime.stop_soon()
        assert (await asked("/health/ready"))[0] == 503
