"""Read the electronic invoice inside a PDF: Factur-X, ZUGFeRD 1 and 2, XRechnung (CII or UBL)."""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import Any

from lxml import etree

from files.domain.document import Attachment

CREDIT_NOTES = {"381", "396", "261", "262"}
"""Codes of UNTDID 1001 for an invoice that gives money back."""
ZUGFERD_1 = "CrossIndustryDocument"
KINDS = {ZUGFERD_1, "CrossIndustryInvoice", "Invoice", "CreditNote"}
"""The root elements of the formats: ZUGFeRD 1, CII, UBL."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice."""

    description: str
    amount: Decimal
    quantity: str | None = None
    unit_price: str | None = None


@dataclass(frozen=True, slots=True)
class EInvoice:
    """What an electronic invoice says. `payable` is what remains after what was paid before."""

    number: str
    date: dt.date
    currency: str
    seller: str
    buyer: str
    total: Decimal
    payable: Decimal
    is_credit_note: bool
    lines: tuple[Line, ...] = field(default=())


class UnreadableInvoiceError(Exception):
    """The attached invoice is no valid XML, or lacks its total, date or number."""


def read_einvoice(attachment: Attachment) -> EInvoice:
    """Return what the invoice says. Raises UnreadableInvoiceError."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(attachment.content, parser)
        kind = etree.QName(root).localname
        if kind not in KINDS:
            raise UnreadableInvoiceError(attachment.name)
        return _zugferd_1(root) if kind == ZUGFERD_1 else _en16931(root)
    except (etree.XMLSyntaxError, KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise UnreadableInvoiceError(attachment.name) from error


def _en16931(root: Any) -> EInvoice:
    """Read by the terms of EN 16931 (BT-1 is the number, …). The library's import takes half a second: only here."""
    data: dict[str, Any] = import_module("facturx.parse_xml").parse_ubl_cii_xml(root, level="extended", check_xsd=False)
    return EInvoice(
        number=str(data["BT-1"]),
        date=data["BT-2"],
        currency=str(data["BT-5"]),
        seller=str(data["BG-4"]["name"]),
        buyer=str(data.get("BG-7", {}).get("name", "")),
        total=Decimal(data["BT-112"]),
        payable=Decimal(data.get("BT-115", data["BT-112"])),
        is_credit_note=str(data.get("BT-3", "")) in CREDIT_NOTES,
        lines=tuple(_line(line) for line in data.get("BG-25", ()) if "BT-131" in line),
    )


def _line(line: dict[str, Any]) -> Line:
    quantity, price = line.get("BT-129"), line.get("BT-146")
    return Line(
        str(line.get("BT-153", "")),
        Decimal(line["BT-131"]),
        None if quantity is None else str(quantity),
        None if price is None else str(price),
    )


def _zugferd_1(root: Any) -> EInvoice:
    """Read ZUGFeRD 1.0, which the library does not parse. Its names of elements are those of CII."""
    date = _first(root, "HeaderExchangedDocument/IssueDateTime/DateTimeString")
    return EInvoice(
        number=_first(root, "HeaderExchangedDocument/ID"),
        date=dt.datetime.strptime(date, "%Y%m%d").date(),  # noqa: DTZ007
        currency=_first(root, "InvoiceCurrencyCode"),
        seller=_first(root, "SellerTradeParty/Name"),
        buyer=_first(root, "BuyerTradeParty/Name"),
        total=Decimal(_first(root, "GrandTotalAmount")),
        payable=Decimal(_first(root, "DuePayableAmount", _first(root, "GrandTotalAmount"))),
        is_credit_note=_first(root, "HeaderExchangedDocument/TypeCode", "") in CREDIT_NOTES,
    )


def _first(root: Any, path: str, default: str | None = None) -> str:
    """Return the text of the first element at a path of local names. Raises KeyError if there is none."""
    steps = "/".join(f"*[local-name()='{step}']" for step in path.split("/"))
    found = root.xpath(f"//{steps}")
    if found and found[0].text and found[0].text.strip():
        return str(found[0].text.strip())
    if default is None:
        raise KeyError(path)
    return default
