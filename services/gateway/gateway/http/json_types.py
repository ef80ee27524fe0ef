"""Days, times, numbers and truth values of requests; a value of another JSON type is refused and not converted.

Left to itself pydantic takes 1700000000 for an instant, 0 for 1970-01-01, "yes" for true and "7" for seven.
"""

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema

YEAR = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"  # Python knows no year 0
DATE = f"{YEAR}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
HOUR = "([01][0-9]|2[0-3]):[0-5][0-9]"
CLOCK = rf"{HOUR}(:[0-5][0-9](\.[0-9]+)?)?"
DAY = re.compile(DATE)
AMOUNT = re.compile(r"(0\.(00[1-9]|0[1-9][0-9]?|[1-9][0-9]{0,2})|[1-9][0-9]{0,8}(\.[0-9]{1,3})?)")
LOCAL = re.compile(f"{DATE}[Tt ]{CLOCK}")
INSTANT = re.compile(f"{DATE}[Tt ]{CLOCK}([Zz]|[+-]{HOUR})")


def _day(value: Any) -> Any:
    return _written(value, dt.date, "a day, as in 2026-03-02", DAY)


def _instant(value: Any) -> Any:
    return _written(value, dt.datetime, "a time with its offset, as in 2026-03-02T08:00:00Z", INSTANT)


def _moment(value: Any) -> Any:
    return _written(
        value, dt.datetime, "a time, as in 2026-03-02T08:00:00Z, or without Z in local time", INSTANT, LOCAL
    )


def _clock(value: Any) -> Any:
    return _written(value, dt.time, "a time of day, as in 08:00", re.compile(CLOCK))


def _written(value: Any, kind: type, example: str, *forms: re.Pattern[str]) -> Any:
    if isinstance(value, kind) or (isinstance(value, str) and any(form.fullmatch(value) for form in forms)):
        return value
    msg = f"must be {example}"
    raise ValueError(msg)


def _whole(value: Any) -> Any:
    """JSON knows one kind of numbers: 7.0 is seven."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _number(value, "a whole number", int)


def _amount(value: Any) -> Any:
    if isinstance(value, str) and AMOUNT.fullmatch(value):
        return value
    return _number(value, 'an amount above 0 with up to 9 digits and 3 decimals, as in "12.50"', int, float)


def _number(value: Any, example: str, *kinds: type) -> Any:
    if isinstance(value, kinds) and not isinstance(value, bool):
        return value
    msg = f"must be {example}"
    raise ValueError(msg)


def _in_utc(moment: dt.datetime) -> dt.datetime:
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        msg = "is outside the years that can be stored"
        raise ValueError(msg) from None


Flag = Annotated[bool, Field(strict=True)]
WHOLE = BeforeValidator(_whole)
"""After the bounds: `Annotated[int, Field(ge=1), WHOLE]`. Before them the description would lose them."""

Day = Annotated[dt.date, BeforeValidator(_day)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant), AfterValidator(_in_utc)]
"""In UTC from here on."""

Moment = Annotated[
    dt.datetime,
    BeforeValidator(_moment),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "pattern": f"^{LOCAL.pattern}$"}]}
    ),
]
"""An instant, or a local time, which a timezone makes an instant."""

Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(gt=0, max_digits=12, decimal_places=3),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 999_999_999.999},
                {"type": "string", "pattern": f"^{AMOUNT.pattern}$"},
            ]
        }
    ),
]
"""Money: exact as text, as near as it is written as a number."""

Clock = Annotated[dt.time, BeforeValidator(_clock), WithJsonSchema({"type": "string", "pattern": f"^{CLOCK}$"})]
"""A wall-clock time: without offset, which belongs to a timezone."""
