"""Runs the code of `docs/first-consumer.md` as it is written there."""

import datetime as dt
import re
import uuid
from pathlib import Path

import psycopg
import pytest

from shared.errors import Reject, Retry
from shared.events import RemarkRecorded
from shared.testing.fixtures import eventually
from shared.transactions.unit_of_work import UnitOfWork

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-consumer.md").read_text()
BLOCKS = dict(re.findall(r"```\w+ (\w+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def table(backing):
    with psycopg.connect(backing.admin_url, autocommit=True) as connection:
        connection.execute("SET ROLE gateway_owner")
        connection.execute("SET search_path = gateway")
        connection.execute(BLOCKS["migration"])
        connection.execute("GRANT SELECT, INSERT, UPDATE ON remarks_of_student TO gateway_worker")
        yield
        connection.execute("DROP TABLE remarks_of_student")


async def test_code_of_the_guide_counts_remarks(spine, table):
    # given: the handler and the registration as they are written
    names = {"RemarkRecorded": RemarkRecorded, "UnitOfWork": UnitOfWork}
    exec(BLOCKS["handler"], names)  # our own documentation

    def register(service):
        exec(BLOCKS["registration"], names | {"service": service})

    student, school = uuid.uuid4(), uuid.uuid4()
    days = [dt.date(2026, 9, 2), dt.date(2026, 9, 1)]
    async with spine.running(register, name="gateway", creates_keys=True) as service:
        # when: two remarks are recorded, and one of them is corrected
        facts = [remark(student, school, day) for day in days]
        await spine.emit(service, *facts, facts[0].model_copy(update={"version": 2}))

        # then
        async def counted():
            async with service.database.worker() as connection:
                found = await connection.execute("SELECT remarks, latest FROM remarks_of_student")
                return [tuple(row.values()) for row in await found.fetchall()]

        assert await eventually(counted, lambda rows: rows and rows[0][0] == 2) == [(2, days[0])]


def remark(student, school, day):
    return RemarkRecorded(record_id=uuid.uuid4(), school_id=school, student_id=student, noted_on=day, text="Well done.",
                          version=1, recorded_at=dt.datetime.now(dt.UTC))  # fmt: skip


def test_guide_describes_the_event_and_the_errors():
    written = (ROOT / "shared" / "shared" / "events" / "records.py").read_text()
    assert BLOCKS["event"].rstrip() in written
    assert Retry("later", after=dt.timedelta(minutes=1)).after == dt.timedelta(minutes=1)
    assert str(Reject("no")) == "no"
