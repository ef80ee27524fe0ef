"""Statements on models: composed for each call, run on the transaction's own connection."""

from uuid import UUID, uuid4

import pytest
from sqlmodel import SQLModel, col

from shared.errors import NoSchool
from shared.persistence.query import Query, given, showing
from shared.persistence.tables import TaskTrackRow

ADD = "INSERT INTO task_track (task_id, school_id, kind, state, epoch, version) VALUES (%s, %s, %s, 'running', 1, 1)"


class Tracked(SQLModel):
    """What is shown of a tracked task."""

    id: UUID
    kind: str


TRACKED = Query(
    Tracked,
    showing(Tracked, TaskTrackRow, id=TaskTrackRow.task_id)
    .where(col(TaskTrackRow.state) == "running")
    .order_by(col(TaskTrackRow.task_id))
    .limit(given("limit")),
    kind=col(TaskTrackRow.kind) == given("kind"),
    first_try=col(TaskTrackRow.epoch) == 1,
)


@pytest.fixture
async def transactions(spine, school):
    """Of a service that tracks two tasks of the school and one of another."""
    service = spine.build()
    await service.database.open()
    async with service.transactions.begin() as tx:
        await tx.execute("DELETE FROM task_track")
        for of_school, kind in ((school, "send"), (school, "import"), (uuid4(), "send")):
            await tx.execute(ADD, (uuid4(), of_school, kind))
    yield service.transactions
    await service.database.close()


@pytest.fixture
def school():
    return uuid4()


@pytest.mark.parametrize(
    ("conditions", "kinds"),
    [
        ({}, {"send", "import"}),
        ({"kind": None}, {"send", "import"}),
        ({"kind": "import"}, {"import"}),
        ({"kind": "import", "first_try": True}, {"import"}),
        ({"kind": "other", "first_try": None}, set()),
    ],
)
async def test_conditions_hold_where_their_values_are_given(transactions, school, conditions, kinds):
    async with transactions.request(school) as tx:
        found = await TRACKED.all(tx, **conditions, limit=10)
    assert {each.kind for each in found} == kinds


async def test_a_request_selects_rows_of_its_school_and_a_worker_those_of_all(transactions, school):
    async with transactions.request(school) as tx:
        of_one = await TRACKED.all(tx, kind="send", limit=10)
    async with transactions.begin() as tx:
        of_all = await TRACKED.all(tx, kind="send", limit=10)
    assert (len(of_one), len(of_all)) == (1, 2)


async def test_a_request_without_a_school_is_refused(transactions):
    with pytest.raises(NoSchool):
        async with transactions.request(None) as tx:
            await TRACKED.all(tx, limit=1)


async def test_the_first_row_or_none_is_selected(transactions, school):
    async with transactions.request(school) as tx:
        assert (await TRACKED.first(tx, kind="send", limit=1)).kind == "send"
        assert await TRACKED.first(tx, kind="other", limit=1) is None


@pytest.mark.parametrize(
    ("values", "named"), [({}, "limit"), ({"kind": "send"}, "limit"), ({"limit": 1, "knid": "send"}, "knid")]
)
async def test_a_value_that_is_missing_or_misnamed_is_refused(transactions, school, values, named):
    async with transactions.request(school) as tx:
        with pytest.raises(TypeError, match=named):
            await TRACKED.all(tx, **values)
