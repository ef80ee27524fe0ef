"""Logs contain facts without personal data."""

import json
import os
import subprocess
import sys
import uuid

import psycopg
import pytest
from structlog.testing import capture_logs

from shared import telemetry
from shared.error_report import describe, trace
from shared.events import SchoolChanged
from shared.testing.fixtures import Recorder

SCRIPT = """
import logging, structlog, psycopg, os
from shared.telemetry import configure_logs
configure_logs("test", "INFO", "json")
try:
    with psycopg.connect(os.environ["TEST_DATABASE_URL"]) as connection:
        connection.execute("SELECT 'Canary'::int")
except psycopg.Error as problem:
    structlog.get_logger().error("something.failed", exc_info=problem)
    logging.getLogger("foreign").exception("foreign failed")
"""


def test_row_quoted_by_a_database_error_is_not_logged():
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["something.failed", "foreign failed"]
    assert all("InvalidTextRepresentation: 22P02" in line["exception"] for line in lines)
    assert "Canary'" not in "".join(line["exception"].replace("SELECT 'Canary'::int", "") for line in lines)
    assert done.stderr == ""


CURRENT_MESSAGE = """
import structlog
from shared.events import Envelope, InboxChanged
from shared.telemetry import CURRENT_MESSAGE, configure_logs
configure_logs("test", "INFO", "json")
log = structlog.get_logger()
log.info("before")
fact = InboxChanged(school_id="{school}", notification_id="{task}", people=(), reason="read")
CURRENT_MESSAGE.set((Envelope.of(fact, "test"), "gateway.some.queue"))
log.info("during")
log.info("of another", queue="another")
"""


def test_log_lines_during_processing_include_message_ids():
    school = str(uuid.uuid4())
    script = CURRENT_MESSAGE.replace("{task}", str(uuid.uuid4())).replace("{school}", school)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, during, another = (json.loads(line) for line in done.stdout.splitlines())
    assert "message_id" not in before
    assert (during["school_id"], during["queue"]) == (school, "gateway.some.queue")
    assert during["message_id"] == during["correlation_id"]
    assert another["queue"] == "another"


async def test_retry_and_dead_letter_logs_include_message_id(spine):
    fact, letters = spine.school(), Recorder()
    fails = Recorder(lambda event: ValueError() if event.school_id == fact.school_id else None)
    with capture_logs(processors=[telemetry.add_current_message]) as lines:
        async with spine.running(
            lambda s: s.on(SchoolChanged, fails.one), lambda s: s.store_dead_letters(letters.keep)
        ) as service:
            await spine.emit(service, fact)
            (letter,) = await letters.until(lambda seen: len(seen) == 1)
    said = [(line["event"], line["queue"]) for line in lines if line.get("message_id") == letter.message_id]
    for each in ("message.retried", "message.retried", "message.dead"):
        said.remove((each, "notifier.school.changed"))


def test_error_descriptions_have_no_values():
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("Canary")
    assert describe(raised.value) == "ValueError at test_telemetry.py:test_error_descriptions_have_no_values"
    assert "invalid literal" not in trace(raised.value)
    assert describe(psycopg.errors.UniqueViolation("Canary")) == "UniqueViolation: 23505"
