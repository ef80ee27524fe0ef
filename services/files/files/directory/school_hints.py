"""What a school's place says about its documents: country, currency and language."""

import datetime as dt
from uuid import UUID

from babel.core import get_global
from babel.numbers import get_territory_currencies

from files.domain.finding import Hints
from shared.transactions.unit_of_work import UnitOfWork

UNKNOWN = "ZZ"
"""CLDR's code of no country."""

# Read where a school is, and its language.
SELECT_SCHOOL = "SELECT timezone, language FROM school WHERE school_id = %(school)s"


async def hints_of(tx: UnitOfWork, school: UUID, uploaded_on: dt.date) -> Hints:
    """Return the hints for documents of a school."""
    row = await tx.row(SELECT_SCHOOL, {"school": school})
    if row is None:
        return Hints(uploaded_on)
    country = country_of(row["timezone"])
    return Hints(uploaded_on, country, currency_of(country, uploaded_on), (row["language"],))


def country_of(timezone: str) -> str | None:
    """Return the country (ISO 3166) of a timezone, by CLDR; None for one without, such as UTC."""
    country = get_global("zone_territories").get(timezone)
    return country if country and country.isalpha() and country != UNKNOWN else None


def currency_of(country: str | None, day: dt.date) -> str | None:
    """Return the currency (ISO 4217) of a country on a day, by CLDR."""
    found = get_territory_currencies(country, day, tender=True) if country else []
    return found[0] if found else None
