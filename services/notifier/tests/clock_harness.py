"""A notifier whose database clock a test sets, and the calls that its providers received."""

import asyncio
import datetime as dt
import re
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from zoneinfo import ZoneInfo

import psycopg

from notifier.domain.circuit_breaker import CircuitBreaker
from notifier.providers import Outcome
from services.notifier.tests.harness import NotifierHarness
from shared.persistence.database import Database

# The harness's connections find these before pg_catalog's: time flows, but from another moment on.
CLOCK = """
CREATE SCHEMA IF NOT EXISTS clock;
CREATE TABLE IF NOT EXISTS clock.face (shift interval NOT NULL);
TRUNCATE clock.face;
INSERT INTO clock.face VALUES ('0');
CREATE OR REPLACE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + shift FROM clock.face';
CREATE OR REPLACE FUNCTION clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.statement_timestamp() + shift FROM clock.face';
CREATE OR REPLACE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.now() + shift FROM clock.face';
GRANT USAGE ON SCHEMA clock TO PUBLIC;
GRANT SELECT ON clock.face TO PUBLIC;
"""
MINUTE = dt.timedelta(minutes=1)
ITEM = re.compile(r"Item-\d+-")


@dataclass(frozen=True)
class Quiet:
    """A person's quiet hours: local times in a zone, and the school's time of the digest."""

    zone: str
    starts: dt.time | None
    ends: dt.time | None
    digest: dt.time

    def local(self, at):
        return at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def at(self, moment):
        """Return whether it is quiet at a moment."""
        return self.starts is not None and self._quiet(self.local(moment).time())

    def _quiet(self, local):
        if self.starts < self.ends:
            return self.starts <= local < self.ends
        return local >= self.starts or local < self.ends

    def earliest(self, at):
        """Search the first allowed moment: the end of quiet hours, then the digest's time of that day."""
        if not self.at(at):
            return at
        begun = self.local(at)
        moment = at.replace(second=0, microsecond=0) + MINUTE
        if self.starts == self.ends:
            over = dt.datetime.combine(begun.date(), self.ends)
            over += dt.timedelta(days=over <= begun)
            while self.local(moment) < over:
                moment += MINUTE
        else:
            while self.at(moment):
                moment += MINUTE
        told = dt.datetime.combine(self.local(moment).date(), self.digest)
        if self.starts == self.ends or not self._quiet(self.digest):
            while self.local(moment) < told:
                moment += MINUTE
        return moment


@dataclass(frozen=True)
class Call:
    """A call to a provider: the items (by number), their address and identity, and the answer."""

    at: dt.datetime
    channel: str
    address: str
    identity: str
    items: frozenset[int]
    answer: str


@dataclass
class ClockHarness:
    """A harness, its clock and the next answers of its providers (`moods`)."""

    backing: object
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    shift: dt.timedelta = dt.timedelta(0)
    calls: list[Call] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def open(self):
        self.admin = psycopg.connect(self.backing.admin_url, autocommit=True)
        self.admin.execute(CLOCK)
        self.admin.execute("SET search_path = notifier")
        self.harness = NotifierHarness.of(self.backing, push=self._pushed, mail=self._mailed)
        service = self.harness.service
        url = service.settings.database_url.get_secret_value()
        service.transactions.database = Database(url, "notifier", shadow="clock,pg_catalog")
        self.do(service.transactions.database.open())

    def close(self):
        self.do(self.harness.service.transactions.database.close())
        self.runner.close()
        self.admin.execute("DROP SCHEMA clock CASCADE")
        self.admin.close()

    def do(self, work):
        return self.runner.run(work)

    def now(self):
        return dt.datetime.now(dt.UTC) + self.shift

    def turn_to(self, moment):
        self.shift = moment - dt.datetime.now(dt.UTC)
        self.admin.execute("UPDATE clock.face SET shift = %s", (self.shift,))

    def work(self):
        """Do what the running service would do at this moment; every circuit is closed."""
        for limiter in self.harness.providers.limiters.values():
            limiter.breaker = CircuitBreaker()
        self.do(self.harness.run_permits())

    def _answered(self, *, channel, address, identity, items):
        answer = self.moods.pop(0) if self.moods else "accepted"
        self.calls.append(Call(self.now(), channel, address, identity, frozenset(items), answer))
        return Outcome(answer, "why", retry_after=90.0 if answer == "throttled" else None)

    def _pushed(self, push):
        ids = push.data["digest"].split(",") if "digest" in push.data else [push.data["notification_id"]]
        items = [self.numbers[each] for each in ids]
        return self._answered(channel="push", address=push.token, identity=push.tag, items=items)

    def _mailed(self, mail):
        message = message_from_bytes(mail.content, policy=policy.default)
        body = message.get_body(("plain",)).get_content()
        items = {int(each.split("-")[1]) for each in ITEM.findall(message["Subject"] + body)}
        return self._answered(channel="mail", address=mail.recipient, identity=message["Message-ID"], items=items)
