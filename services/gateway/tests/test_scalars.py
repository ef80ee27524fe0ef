"""What JSON writes one way is taken that way only: no number becomes a day, no text becomes true."""

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from gateway.http.json_types import WHOLE, Amount, Clock, Day, Flag, Instant, Moment

Integer = Annotated[int, Field(ge=1), WHOLE]
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
TAKEN = [
    (Day, "2026-03-02", dt.date(2026, 3, 2)),
    (Instant, "2026-03-02T12:00:00Z", NOON),
    (Instant, "2026-03-02T12:00Z", NOON),
    (Instant, "2026-03-02T13:00:00.000000000+01:00", NOON),
    (Moment, "2026-03-02T12:00:00Z", NOON),
    (Moment, "2026-03-02T12:00", NOON.replace(tzinfo=None)),
    (Clock, "12:00", dt.time(12)),
    (Clock, "12:00:30", dt.time(12, 0, 30)),
    (Flag, True, True),
    (Integer, 7, 7),
    (Integer, 7.0, 7),
    *((Amount, each, Decimal(str(each))) for each in ("12.50", "0.001", "0.10", "999999999.999", 12.5, 12)),
]
REFUSED = [
    *((kind, value) for kind in (Day, Instant, Moment, Clock) for value in (0, 1.5, True, "0", "0.5", "", "noon", [])),
    *((Day, value) for value in ("2026-02-30", "2026-03-02T00:00:00Z", "20260302", "٢٠٢٦-٠٣-٠٢")),
    *((Instant, value) for value in ("2026-03-02", "2026-03-02T12:00:00", "9999-12-31T23:59:59-12:00")),
    *((Clock, value) for value in ("24:00", "12:00Z", "12")),
    *((Flag, value) for value in (0, 1, "true", "yes", None)),
    *((Integer, value) for value in ("7", 7.5, True, None, float("inf"))),
    *((Amount, value) for value in ("", "0", "0.000", "-1", "1e3", "NaN", "1.2345", "1,5", 0, -1, True, 1e12, None)),
]


def test_bounds_are_in_the_description():
    assert TypeAdapter(Integer).json_schema() == {"type": "integer", "minimum": 1}


@pytest.mark.parametrize(
    ("year", "there"), [("0000", False), ("0001", True), ("0999", True), ("2026", True), ("9999", True)]
)
def test_the_description_of_a_local_time_has_the_years_that_there_are(year, there):
    local = TypeAdapter(Moment).json_schema()["anyOf"][1]["pattern"]
    assert bool(re.search(local, f"{year}-01-01T00:00")) is there


@pytest.mark.parametrize(("kind", "written", "read"), TAKEN)
def test_what_is_written_right_is_read(kind, written, read):
    assert TypeAdapter(kind).validate_python(written) == read


@pytest.mark.parametrize(("kind", "written"), REFUSED)
def test_what_is_written_otherwise_is_refused(kind, written):
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(written)
