"""The stand-ins beside the notifier that sends to them: neither a test nor a measurement may be held up by a stand-in.

The notifier is the real service sending bulks of the demo school over FCM's HTTP v1 and SMTP. Compared is work for
one second of a core on either side of the wire, in one run, by the processes' own CPU times: clocks on the wall would
compare whatever else the machine does.
"""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import psutil

from benchmarks.harness import Lab, Report
from cli.demo import school
from cli.demo.client import Gateway, Message
from cli.testing.system import System
from shared.testing.fixtures import eventually

CHUNK = 1_000
WITHIN = 180.0
STANDIN = {"push": "fcm", "mail": "smtp"}
TIMES = {"push": 5, "mail": 3}
TITLE, TEXT = "Snow day", "All demo schools stay closed today. See you on Monday."


@dataclass(frozen=True, slots=True)
class Spent:
    """Messages that a stand-in took, and seconds of a core that both sides spent on them."""

    messages: int
    notifier: float
    standin: float

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.messages + other.messages, self.notifier + other.notifier, self.standin + other.standin)


async def run(lab: Lab, report: Report) -> None:
    """FCM's stand-in takes ≥ 5 times, the mail server's ≥ 3 times as much a CPU-second as the notifier sends in one."""
    async with lab.system(("gateway", "notifier")) as system:
        await _populate(system)
        with closing(system.api()) as api:
            schools = [api.school(each.sourced_id) for each in school.SCHOOLS]
            for channel, standin in STANDIN.items():
                for _ in range(lab.size(1, 0)):  # caches and connections are warm in what counts
                    await _bulk(system, api, schools, channel)
                spent = Spent(0, 0.0, 0.0)
                for _ in range(lab.size(6, 1)):
                    spent += await _bulk(system, api, schools, channel)
                ours, theirs = spent.messages / spent.notifier, spent.messages / spent.standin
                report.told(f"{channel}: messages measured", spent.messages, "")
                report.told(f"{channel}: notifier", ours, "messages a CPU-second")
                report.told(f"{channel}: {standin} stand-in", theirs, "messages a CPU-second")
                report.at_least(f"{channel}: stand-in / notifier", theirs / ours, "×", TIMES[channel])
                stats = system.stats(standin)
                report.exactly(f"{channel}: duplicates seen by the stand-in", stats["duplicates"], "", 0)


async def _populate(system: System) -> None:
    group = school.build()
    with closing(system.api()) as api:
        await system.finished(api.import_roster(group.roster, "the-demo-school"), within=WITHIN)
        for start in range(0, len(group.devices), CHUNK):
            api.register(group.devices[start : start + CHUNK])


async def _bulk(system: System, api: Gateway, schools: Sequence[str], channel: str) -> Spent:
    """Tell every school once."""
    names = ("notifier", STANDIN[channel])
    sent, before = system.stats(STANDIN[channel])["sent"], [_cpu(system, name) for name in names]
    everybody = {"school": True}
    messages = [Message(each, "general", TITLE, TEXT, everybody, (channel,)) for each in schools]
    ids = [api.send(message, f"{channel}-{sent}-{message.school}") for message in messages]

    async def open_yet() -> int:
        seen = [await asyncio.to_thread(api.notification, each) for each in ids]
        return sum(each.state != "completed" for each in seen)

    await eventually(open_yet, lambda left: left == 0, within=WITHIN)
    await asyncio.sleep(0.2)  # counters of the last outcomes
    after = [_cpu(system, name) for name in names]
    notifier, standin = (then - now for then, now in zip(after, before, strict=True))
    return Spent(system.stats(STANDIN[channel])["sent"] - sent, notifier, standin)


def _cpu(system: System, name: str) -> float:
    """Seconds of a core that the process has spent, in all its threads."""
    spent = psutil.Process(system.fleet.pid(name)).cpu_times()
    return float(spent.user + spent.system)
