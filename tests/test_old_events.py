"""Promises 12 and 13: each projection of today applies the events of earlier versions, also of an erased person."""

import json
from pathlib import Path

import pytest

from cli.operations.service_builders import BUILDS
from cli.operations.service_names import NAMES
from shared.events import Envelope, Event
from shared.messaging.serialization import event_type
from shared.projections.projector import LoggedEvent
from shared.testing.fixtures import Backing, fresh_database, write_keys

FOLDER = Path(__file__).with_name("old_events")
FILES = {(found["headers"]["ce-type"], path.stem.rpartition(".")[2]): found for path in sorted(FOLDER.glob("*.json"))
         for found in [json.loads(path.read_text())]}  # fmt: skip
NO_BROKER = "amqp://127.0.0.1:1/"


@pytest.fixture(scope="module")
def backing(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    write_keys(keys)
    with fresh_database(sorted(NAMES)) as database:
        yield Backing(database, NO_BROKER, keys)


def read(found, offset, *, erased=False):
    """Read a message as a projector does after decryption; of an erased subject, the personal fields are missing."""
    envelope = Envelope.read(found["headers"])
    known = event_type(envelope)
    body = {name: value for name, value in found["body"].items() if not (erased and name in known.personal)}
    return LoggedEvent(known.model_validate(body), offset, envelope.time)


def test_promise_13_every_event_and_major_version_is_in_the_corpus_of_old_events():
    known = {(event.topic, str(event.major)) for event in Event.known.values() if not event.topic.startswith("test.")}
    assert FILES.keys() == known, "add one with `python tests/old_events/write.py`; never remove or change one"


@pytest.mark.parametrize("erased", [False, True], ids=["whole", "erased"])
@pytest.mark.parametrize("name", sorted(BUILDS))
async def test_promise_13_each_projection_applies_the_old_events_twice_with_the_same_rows(
    backing, monkeypatch, name, erased
):
    for variable, value in backing.environment(name).items():
        monkeypatch.setenv(variable, value)
    service = BUILDS[name]()
    await service.database.open()
    try:
        for projection in service.projections.values():
            topics = {event.topic for event in projection.events}
            old = [read(found, number, erased=erased) for number, (key, found) in enumerate(FILES.items())
                   if key[0] in topics]  # fmt: skip
            assert {each.event.topic for each in old} == topics
            found = []
            for _ in range(2):
                async with service.transactions.begin() as tx:
                    await projection.handler(old, tx)
                    found.append(
                        [await tx.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in projection.tables]
                    )
            assert found[0] == found[1]
            assert not projection.tables or any(found[0]), "nothing was applied"
    finally:
        await service.database.close()
