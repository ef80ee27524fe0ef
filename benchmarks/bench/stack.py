"""Compare the processor time of each fake provider with that of the notifier which sends to it.

The notifier is the real service; it sends bulks of the demo school over FCM's HTTP v1 and SMTP. Both figures are the
processes' own processor times in one run: wall clocks would include other load of the machine.

Why the bounds are low: the sender is judged by its own processor time, so an expensive fake makes a run longer and no
claim wrong. They only notice a fake that has become several times as expensive as its sender.
"""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from benchmarks.harness import Lab, Report
from benchmarks.process_time import processor_seconds
from cli.demo import school
from cli.demo.client import Gateway, Message
from cli.demo.families import ROOMS
from cli.testing.system import System
from shared.testing.fixtures import eventually

CHUNK = 1_000
WITHIN = 180.0
FAKES = {"push": "fcm", "mail": "smtp"}
LEAST = 0.4
"""The messages that a fake receives per second of processor time, as a share of those that the notifier sends."""
TITLE, TEXT = "Snow day", "All demo schools stay closed today. See you on Monday."


@dataclass(frozen=True, slots=True)
class Spent:
    """Messages that a fake received, and the processor seconds that both sides spent on them."""

    messages: int
    notifier: float
    fake: float

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.messages + other.messages, self.notifier + other.notifier, self.fake + other.fake)


async def run(lab: Lab, report: Report) -> None:
    """Each fake receives, per second of processor time, ≥ 0.4 times as many messages as the notifier sends."""
    async with lab.system(("gateway", "notifier")) as system:
        await _populate(system, lab.size(ROOMS, 1))
        with closing(system.api()) as api:
            schools = [api.school(each.sourced_id) for each in school.SCHOOLS]
            for channel, fake in FAKES.items():
                for _ in range(lab.size(1, 0)):  # warms caches and connections before the measurement
                    await _bulk(system, api, schools, channel)
                spent = Spent(0, 0.0, 0.0)
                for _ in range(lab.size(6, 1)):
                    spent += await _bulk(system, api, schools, channel)
                ours, theirs = spent.messages / spent.notifier, spent.messages / spent.fake
                report.figure(f"{channel}: messages measured", spent.messages, "")
                report.figure(f"{channel}: notifier", ours, "messages a CPU-second")
                report.figure(f"{channel}: fake {fake}", theirs, "messages a CPU-second")
                report.at_least(f"{channel}: fake / notifier", theirs / ours, "×", LEAST)
                stats = system.stats(fake)
                report.exactly(f"{channel}: duplicates seen by the fake", stats["duplicates"], "", 0)


async def _populate(system: System, rooms: int) -> None:
    group = school.build(rooms=rooms)
    with closing(system.api()) as api:
        await system.finished(api.import_roster(group.roster, "the-demo-school"), within=WITHIN)
        for start in range(0, len(group.devices), CHUNK):
            api.register(group.devices[start : start + CHUNK])


async def _bulk(system: System, api: Gateway, schools: Sequence[str], channel: str) -> Spent:
    """Notify every school once."""
    names = ("notifier", FAKES[channel])
    sent, before = system.stats(FAKES[channel])["sent"], [processor_seconds(system.fleet.pid(name)) for name in names]
    audience = {"school": True}
    messages = [Message(each, "general", TITLE, TEXT, audience, (channel,)) for each in schools]
    ids = [api.send(message, f"{channel}-{sent}-{message.school}") for message in messages]

    async def open_yet() -> int:
        seen = [await asyncio.to_thread(api.notification, each) for each in ids]
        return sum(each.state != "completed" for each in seen)

    await eventually(open_yet, lambda left: left == 0, within=WITHIN)
    await asyncio.sleep(0.2)  # counters of the last outcomes
    after = [processor_seconds(system.fleet.pid(name)) for name in names]
    notifier, fake = (then - now for then, now in zip(after, before, strict=True))
    return Spent(system.stats(FAKES[channel])["sent"] - sent, notifier, fake)
