"""Receipts and invoices: amount, date and merchant of forms that differ in country, layout and arithmetic."""

import datetime as dt
from dataclasses import replace

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


REFUND = """
Example Books Ltd
REFUND
Date: 3 March 2026
Pen               -2.00
Total             -2.00 GBP
"""
POLICY = """
Example Books Ltd
Date: 3 March 2026
Pen                2.00
Total              2.00 GBP
NO REFUND
"""
INSTALMENT = """
Example Supplies Ltd
Invoice No. 77          Date: 3 March 2026
Desk             100.00
Total            100.00 GBP
Deposit           30.00
Amount due        70.00 GBP
"""
PARTS = """
EXAMPLE BAKERIES SDN BHD
Date: 12/08/2026
Total 0% supplies:              47.16
Total 6% supplies (Inc. GST):    3.71
Total Payable:                  50.87
"""
CONTRADICTION = """
EXAMPLE BAKERIES SDN BHD
Date: 12/08/2026
Total          9.00
Cash          20.00
Change        12.00
"""
TIP = """
Example Diner
123 Main St
Springfield, IL 62704
03/04/2026 7:45 PM
Burger        17.50
Subtotal      17.50
Sales Tax      1.44
Total         18.94
Tip            3.00
Amount Paid   21.94
"""
TWO_RECEIPTS = """
Example Books Ltd
Receipt No. 4711       Date: 3 March 2026
Total             2.00 GBP
Sample Sports Ltd
Receipt No. 0815       Date: 5 March 2026
Total             7.50 GBP
"""
SIBLINGS = """
Example School
Receipt No. 4711       Date: 3 March 2026
Students: Ann Sample, Ben Sample
Lunch            20.00
Total            20.00 GBP
"""


def test_a_refund_is_no_payment():
    finding = read(REFUND)

    assert values(finding, "amount", "refund") == ("-2.00", "true")
    assert "refund" in needs_review(finding, "payment_receipt")


def test_a_shop_that_gives_no_refunds_was_paid():
    assert read(POLICY).reasons == ()


def test_total_and_payable_are_two_fields():
    assert values(read(INSTALMENT), "total", "payable") == ("100.00", "70.00")


def test_partial_totals_are_no_total():
    assert values(read(PARTS), "amount") == ("50.87",)


def test_a_tip_was_paid_too():
    assert values(read(TIP), "amount", "date") == ("21.94", "2026-03-04")


def test_cash_and_change_that_contradict_the_total_need_a_review():
    finding = read(CONTRADICTION)

    assert "unsure_amount" in needs_review(finding, "payment_receipt")


@pytest.mark.parametrize(
    "pages", [(TWO_RECEIPTS,), tuple(TWO_RECEIPTS.replace("Sample Sports", "\fSample Sports").split("\f"))]
)
def test_two_receipts_in_one_file_are_several_documents(pages):
    assert "several_documents" in read(*pages).reasons


def test_one_receipt_for_siblings_names_each():
    finding = read(SIBLINGS)

    assert values(finding, "student", "student_2") == ("Ann Sample", "Ben Sample")
    assert "several_students" in finding.reasons


def test_a_badly_read_amount_needs_a_review():
    shaky = document(SHOP)
    page = shaky.pages[0]
    lines = tuple(
        replace(line, words=tuple(replace(word, confidence=0.5) for word in line.words)) for line in page.lines
    )

    finding = extract(replace(shaky, pages=(replace(page, lines=lines),)), "payment_receipt", Hints(UPLOADED))

    assert "unsure_amount" in needs_review(finding, "payment_receipt")


def test_each_field_has_a_place_on_its_page():
    for name in ("amount", "date", "merchant"):
        field = read("Cover letter", SHOP).fields[name]

        assert field.page == 2
        assert field.box is not None


def test_a_page_without_text_has_no_fields_and_says_what_is_missing():
    finding = read("")

    assert finding.fields == {}
    assert needs_review(finding, "payment_receipt")[:2] == ("missing_amount", "missing_currency")


SLIP = """
Beispielschule Süd gGmbH
Referenz              Datum
R-2026-8214           31. Oktober 2026
Erhalten von          Schülerin
Petra Beispiel        Lea Beispiel
Zahlungsart           Bezahlter Betrag
Karte                 CHF 117.04

Sporthemd                             111.54
Klassenfahrt                            5.50
"""
LETTER = """
                                Förderverein Beispiel e. V.
                                14. Juni 2026


Petra Beispiel


Quittung Nr. Q-2026-1111
Schülerin: Lea Beispiel
Bücherkaution                   25,69
Bezahlter Betrag                25,69 €
"""


def test_labels_above_their_values_name_the_amount_and_the_people():
    finding = read(SLIP)

    assert values(finding, "amount", "payer", "student") == ("117.04", "Petra Beispiel", "Lea Beispiel")
    assert [row["amount"].value for row in finding.rows] == ["111.54", "5.50"]
    assert needs_review(finding, "payment_receipt") == ()


def test_the_header_of_a_table_of_items_is_no_label_of_a_total():
    finding = read(
        "Example Ltd\nDate: 3 March 2026\nDescription       Amount\nPen    2.00 EUR\nInk    3.00 EUR\nTotal  5.00 EUR"
    )

    assert values(finding, "amount") == ("5.00",)


def test_the_addressee_of_a_letter_paid():
    assert values(read(LETTER), "payer", "merchant") == ("Petra Beispiel", "Förderverein Beispiel e. V.")


@pytest.mark.parametrize("clue", ["41150 KLANG", "(123456-W)", "GST NO: 000123456789", "LORONG KEDAI CONTOH"])
def test_a_town_or_a_registration_decides_currency_and_order_of_the_date(clue):
    finding = read(
        f"EXAMPLE KEY MAKER\n{clue}\n03/04/2026 12:30\nKEY      4.00\nTOTAL    4.00\nCASH    10.00\nCHANGE   6.00"
    )

    assert values(finding, "amount", "currency", "date") == ("4.00", "MYR", "2026-04-03")
    assert needs_review(finding, "payment_receipt") == ()
