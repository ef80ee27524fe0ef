"""How many deliveries wait is exported, so that a cluster runs as many notifiers as are needed."""

from prometheus_client import CollectorRegistry

from notifier.sending.backlog import DeliveryBacklog, count_due


async def test_due_deliveries_are_counted_by_channel(harness):
    registry = CollectorRegistry()
    backlog = DeliveryBacklog(registry)

    async def exported():
        await count_due(harness.service.transactions, backlog)
        return [registry.get_sample_value("schoolconnect_deliveries_pending", {"channel": c}) for c in ("push", "mail")]

    assert await exported() == [0, 0]
    # given
    school = await harness.add_school()
    people = [await harness.add_person(school, mails=(f"{n}@example.org",), tokens=(f"device-{n}",)) for n in range(3)]
    await harness.plan(school, people, channels=("push", "mail"))
    assert await exported() == [3, 3]
    # when: one is for later
    await harness.execute("UPDATE delivery SET due_at = due_at + interval '1 hour' WHERE address = '0@example.org'")
    assert await exported() == [3, 2]
    # then
    await harness.run_permits()
    assert await exported() == [0, 0]
