"""What the file service takes for a record, the gateway records: otherwise a confirmed file would have no record."""

import datetime as dt
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from files.domain.record_facts import divided, records_of
from gateway.files.recording import FACTS

FILE, STUDENT, SIBLING = UUID(int=1), UUID(int=2), UUID(int=3)
TODAY = dt.date(2026, 11, 20)

text = st.text(max_size=300) | st.integers(0, 6000).map("x".__mul__)
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str) | st.sampled_from(
    ["0", "0.001", "-12.5", "1E+3", "1e-3", "999999999.999", "1000000000", "12.50", "100", "0.10", " 7 "]
)
days = st.dates().map(dt.date.isoformat) | st.sampled_from(["2026-13-05", "", "1700000000", "0001-01-01"])
values = st.fixed_dictionaries(
    {},
    optional={
        "amount": amounts | text,
        "discount": amounts | text,
        "currency": st.sampled_from(["EUR", "USD", "euro", "é€£"]),
        "date": days | text,
        "merchant": text,
        "reference": text,
        "category": text,
        "severity": st.sampled_from(["low", "high", "praise", "worst"]),
        "description": text,
        "action": text,
        "period": text,
    },
)
lengths = st.integers(1, 300).map("x".__mul__)
rows = st.lists(st.fixed_dictionaries({"subject": lengths | text, "grade": lengths | text}), max_size=1)


def recorded(make):
    """Validate as the gateway does what the file service makes; nothing if it refuses to."""
    try:
        made = make()
    except ValidationError:
        return
    for record in made:
        FACTS[record.kind].model_validate(record.facts)


@given(values)
def test_every_fact_that_a_file_says_can_be_recorded(said):
    for kind in ("payment_receipt", "behavior_report"):
        recorded(lambda kind=kind: records_of(kind, STUDENT, FILE, said, (), TODAY))


@given(rows)
def test_every_grade_that_a_file_says_can_be_recorded(lines):
    recorded(lambda: records_of("transcript", STUDENT, FILE, {}, lines, TODAY))


def test_clear_facts_are_recorded():
    facts = {
        "amount": "100",
        "discount": "5.50",
        "currency": "EUR",
        "date": "2026-11-12",
        "category": "positive",
        "merchant": "Demo",
    }
    (payment,) = records_of("payment_receipt", STUDENT, FILE, facts, (), TODAY)
    assert (payment.facts["amount"], payment.facts["discount"]) == ("100", "5.5")
    parts = divided([(STUDENT, "60"), (SIBLING, "40.000")], FILE, facts)
    assert [(part.facts["file_part"], part.facts["discount"]) for part in parts] == [(None, None), (2, None)]
    (incident,) = records_of("behavior_report", STUDENT, FILE, facts, (), TODAY)
    assert incident.facts["severity"] == "praise"
    for record in (payment, *parts, incident):
        FACTS[record.kind].model_validate(record.facts)
