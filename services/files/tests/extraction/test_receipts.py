"""Receipts and invoices: amount, date and merchant of forms that differ in country, layout and arithmetic."""

import datetime as dt

import pytest

from files.domain.finding import Finding, Hints
from files.extraction import extract, needs_review
from services.files.tests.extraction.pages import document

UPLOADED = dt.date(2026, 11, 30)

SHOP = """
      EXAMPLE BOOKS (TAMAN CONTOH) SDN BHD
              123456-W
   NO.1, JALAN CONTOH 18,
      81100 JOHOR BAHRU,
DOCUMENT NO : TD01167104
DATE:        25/10/2026 8:13:39 PM
              CASH BILL
CODE/DESC        PRICE     DISC    AMOUNT
9556939040118  MODELLING CLAY
1 PC    *        9.010     0.00      9.01
       TOTAL:                        9.01
ROUNDING ADJUSTMENT:                -0.01
ROUNDED TOTAL (RM):                  9.00
CASH                                10.00
CHANGE                               1.00
GOODS SOLD ARE NOT REFUNDABLE.
"""
SCHOOL_FEE = """
Muster Schule e.V.
Schulstraße 1, 12345 Musterstadt
Quittung Nr. 2026-0042              Datum: 03.04.2026
Erhalten von: Petra Beispiel
Schülerin: Lea Beispiel
Schulgeld April               180,00 €
Mittagessen                    62,50 €
Gesamtbetrag                  242,50 €
"""
INVOICE = """
Papeterie Exemple SARL
12 rue de l'Exemple, 75001 Paris
Facture n° F2026-118                  Le 1er février 2026
Facturé à : Jean Modèle
Cahiers     10      2,50     25,00
Stylos       4      1,20      4,80
Total HT                     24,83
TVA 20%                       4,97
Total TTC                    29,80 €
Net à payer                  29,80 €
"""


def read(*pages: str, country: str | None = None, currency: str | None = None) -> Finding:
    return extract(document(*pages), "payment_receipt", Hints(UPLOADED, country, currency))


def values(finding: Finding, *names: str) -> tuple[str, ...]:
    return tuple(finding.fields[name].value for name in names)


@pytest.mark.parametrize(
    ("text", "amount", "currency", "date", "merchant"),
    [
        (SHOP, "9.00", "MYR", "2026-10-25", "EXAMPLE BOOKS (TAMAN CONTOH) SDN BHD"),
        (SCHOOL_FEE, "242.50", "EUR", "2026-04-03", "Muster Schule e.V."),
        (INVOICE, "29.80", "EUR", "2026-02-01", "Papeterie Exemple SARL"),
    ],
)
def test_a_receipt_says_how_much_when_and_to_whom(text, amount, currency, date, merchant):
    finding = read(text)

    assert values(finding, "amount", "currency", "date", "merchant") == (amount, currency, date, merchant)
    assert needs_review(finding, "payment_receipt") == ()


def test_cash_rounding_separates_what_was_paid_from_the_total():
    assert values(read(SHOP), "total", "amount") == ("9.01", "9.00")


def test_items_are_rows_whose_sum_confirms_the_total():
    finding = read(SCHOOL_FEE)

    assert [(row["description"].value, row["amount"].value) for row in finding.rows] == [
        ("Schulgeld April", "180.00"),
        ("Mittagessen", "62.50"),
    ]
    assert values(finding, "payer", "student") == ("Petra Beispiel", "Lea Beispiel")
