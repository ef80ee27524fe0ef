"""The amount of receipts whose totals are several, negative, a balance or a tip: what was paid is one of them."""

import pytest

from files.domain.finding import Finding, Hints
from files.extraction import extract, needs_review
from files.extraction.receipts.money import kind_of
from services.files.tests.extraction.pages import document

HEAD = "EXAMPLE HOUSE LTD\nLondon W1A 1AA\n14 March 2026\n"


def read(text: str) -> Finding:
    return extract(document(HEAD + text), "payment_receipt", Hints(None))


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        pytest.param("Amount    72.26 GBP\nTip       12.00\nTotal     84.26", "84.26", id="the tip is in the total"),
        pytest.param(
            "Pizza     24.85\nTotal     24.85 GBP\n18%: (Tip 4.47 Total 29.32)\n20%: (Tip 4.97 Total 29.82)",
            "24.85",
            id="suggested tips were not paid",
        ),
        pytest.param(
            "Bread                         57.34\nTotal 0% supplies             57.34 GBP\n"
            "Total 6% supplies (excl. VAT) -5.25\nVAT                           -0.31\nTotal Payable        51.78",
            "51.78",
            id="returned goods are deducted",
        ),
        pytest.param(
            "Dosa  270.00\nThali  230.00\nSub Total  500.00\nCGST  12.50\nSGST  12.50\nNet Amount  525.00 GBP",
            "525.00",
            id="two taxes of the same amount",
        ),
        pytest.param(
            "Soap  12.10\nGum  1.99\nSUBTOTAL  16.57\nTAX  .49\nTOTAL  17.06 GBP", "17.06", id="cents without a zero"
        ),
        pytest.param("2 ITEMS  TOTAL  31.28 GBP\nVISA  31.28", "31.28", id="a count"),
        pytest.param("BALANCE  30.63 GBP\nVISA  30.63\nCHANGE  .00", "30.63", id="a balance"),
        pytest.param(
            "Rice  120.35\nTOTAL  120.35 GBP\nVOUCHER  50.00\nCASH  100.00\nCHANGE  29.65",
            "120.35",
            id="a voucher",
        ),
        pytest.param("Soap  4.95\nCream  3.00\nTOTAL  9.85 GBP\nVISA  -9.85", "9.85", id="a payment with a minus"),
    ],
)
def test_what_was_paid_is_found_among_several_amounts(text, amount):
    finding = read(text)

    assert finding.fields["amount"].value == amount
    assert needs_review(finding, "payment_receipt") == ()


@pytest.mark.parametrize(
    ("text", "discount"),
    [
        pytest.param("Trip  45.00\nSubtotal  45.00\nDiscount  -2.50\nTotal  42.50 GBP", "2.50", id="of a subtotal"),
        pytest.param("Desk  30.00\nChair  20.00\nLess 10%  5.00\nTotal  45.00 GBP", "5.00", id="of the items"),
        pytest.param("Subtotal  100.00\nDiscount  10.00\nVAT  18.00\nTotal  108.00 GBP", "10.00", id="before a tax"),
        pytest.param("Desk  45.00\nTotal  45.00 GBP\nYou saved  5.00", None, id="no calculation has it"),
        pytest.param("Subtotal  45.00\nDeposit  5.00\nTotal  40.00 GBP", None, id="a deposit was paid"),
        pytest.param("Subtotal  45.00\nDiscount  2.00\nDiscount  3.00\nTotal  40.00 GBP", None, id="several"),
    ],
)
def test_a_discount_is_read_where_it_explains_the_amount(text, discount):
    field = read(text).fields.get("discount")

    assert (field and field.value) == discount


def test_a_balance_that_is_left_is_not_what_was_paid():
    assert read("Desk  45.00\nTOTAL  45.00 GBP\nCASH  50.00\nBALANCE  5.00").fields["amount"].value == "45.00"


def test_an_amount_to_pay_that_nothing_explains_makes_the_total_doubtful():
    finding = read("Desk  45.00\nChair  12.00\nTOTAL  57.00 GBP\nAMOUNT DUE  31.00")

    assert "unsure_amount" in needs_review(finding, "payment_receipt")


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("total exclgst", "subtotal"),
        ("totalinclgst", "grand_total"),
        ("amountreceived", "paid"),
        ("totaldue", "payable"),
        ("roundingadj", "rounding"),
        ("3 articles total", "total"),
        ("total qty", "count"),
        ("subtotal", "subtotal"),
    ],
)
def test_a_label_is_known_where_ocr_has_dropped_its_spaces(label, kind):
    assert kind_of(label) == kind
