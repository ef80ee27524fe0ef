"""Codes and signs of currencies, from CLDR: which are one currency's own, and which many share."""

from functools import cache

from babel import Locale
from babel.numbers import get_currency_symbol, get_territory_currencies

SIGNS = {
    "€": "EUR", "£": "GBP", "RM": "MYR", "₹": "INR", "₩": "KRW", "₺": "TRY", "₫": "VND", "฿": "THB",
    "S$": "SGD", "SG$": "SGD", "US$": "USD", "A$": "AUD", "HK$": "HKD", "C$": "CAD", "NT$": "TWD",
    "NZ$": "NZD", "Fr.": "CHF", "zł": "PLN", "Rp": "IDR", "R$": "BRL",
}  # fmt: skip
SHARED_SIGNS = frozenset({"$", "kr", "kr.", "¥", "Rs", "Rs."})
LENGTH_OF_TERRITORY = 2


@cache
def codes() -> frozenset[str]:
    """Return the codes of currencies that are in use; historic ones look like words (ATS, DEM)."""
    used = {str(code) for territory in _territories() for code in get_territory_currencies(territory)}
    return frozenset(used) - {"ALL", "TOP"}


@cache
def countries_of_currency(currency: str) -> tuple[str, ...]:
    """Return the countries where a currency is legal tender."""
    return tuple(territory for territory in _territories() if currency in get_territory_currencies(territory))


def _territories() -> list[str]:
    return sorted(name for name in map(str, Locale("en").territories) if len(name) == LENGTH_OF_TERRITORY)


@cache
def currency_of_country(country: str | None) -> str | None:
    """Return the currency that is legal tender in a country today."""
    currencies = get_territory_currencies(country.upper()) if country else []
    return str(currencies[0]) if currencies else None


def currency_of_sign(sign: str, country: str | None) -> str | None:
    """Return the currency of a printed sign or code; a sign that many share needs the country."""
    if sign not in SHARED_SIGNS:
        return SIGNS.get(sign, sign if sign in codes() else None)
    local = currency_of_country(country)
    if local is None:
        return None
    symbols = get_currency_symbol(local, locale="en") + get_currency_symbol(local, locale=f"und_{country}")
    own = sign.rstrip(".") in symbols or (sign == "$" and local in {"MYR", "SGD", "BND"})
    return local if own else None
