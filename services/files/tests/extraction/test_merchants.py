"""The merchant of a receipt: a name of a shop beside streets, slogans and people, and what two names mean."""

import pytest

from files.domain.finding import Finding, Hints
from files.extraction import extract, needs_review
from services.files.tests.extraction.pages import document

TAIL = "\n14 March 2026\nBread   2.00\nTotal   2.00 GBP\nVISA    2.00"


def read(*head: str) -> Finding:
    return extract(document("\n".join(head) + TAIL), "payment_receipt", Hints(None))


@pytest.mark.parametrize(
    ("head", "merchant"),
    [
        pytest.param(("EXAMPLO", "Every little thing helps", "London W1A 1AA"), "EXAMPLO", id="a slogan"),
        pytest.param(("Exempla", "Save more. Live longer."), "Exempla", id="a slogan with points"),
        pytest.param(("Johan Exempel", "Damrak 1", "1012 LG Amsterdam"), "Johan Exempel", id="a street, its number"),
        pytest.param(("Lakeview", "900 Nicollet Mall"), "Lakeview", id="a number, its street"),
        pytest.param(("EXAMPLO", "Markt GmbH", "50668 Köln"), "EXAMPLO Markt GmbH", id="the rest of the name below"),
        pytest.param(("EXAMPLO", "MarktGmbH", "50668 Köln"), "EXAMPLO Markt GmbH", id="a form that OCR has joined"),
        pytest.param(("HEALTH AND", "EXAMPLE BEAUTY LTD"), "HEALTH AND EXAMPLE BEAUTY LTD", id="an unfinished line"),
        pytest.param(("TEO EXAMPLE", "& BOOKS"), "TEO EXAMPLE & BOOKS", id="a line that continues"),
        pytest.param(("EXAMPLO", "WHOLESALE"), "EXAMPLO WHOLESALE", id="the kind of shop below"),
        pytest.param(("Beispiel-Apotheke", "Dr. A. Muster e.K.", "Markt 1"), "Beispiel-Apotheke", id="a doctor"),
        pytest.param(("Exempla #3312", "455 Bank St"), "Exempla", id="the number of a branch"),
        pytest.param(("EDELO Muster", "Inh. Petra Muster e.K."), "EDELO Muster", id="who owns the shop"),
        pytest.param(("EXAMPLO", "Filiale Bahnhof"), "EXAMPLO", id="its branch"),
        pytest.param(("Coopérative scolaire Exemple", "75001 Paris"), "Coopérative scolaire Exemple", id="small words"),
        pytest.param(("lea muster", "GL EXAMPLES", "19 LANE", "LONDON"), "GL EXAMPLES", id="a note above"),
    ],
)
def test_the_merchant_is_the_name_of_the_shop(head, merchant):
    finding = read(*head)

    assert finding.fields["merchant"].value == merchant
    assert needs_review(finding, "payment_receipt") == ()


def test_a_brand_above_a_firm_of_another_name_needs_a_review():
    assert needs_review(read("EXAMPLO Fuel", "Muster GmbH"), "payment_receipt") == ("unsure_merchant",)


def test_a_kind_of_shop_below_a_name_is_not_the_name():
    assert read("SRI EXAMPLE BHAVAN", "PURE VEG RESTAURANT").fields["merchant"].value == "SRI EXAMPLE BHAVAN"


def test_a_label_is_no_merchant():
    finding = read("Receipt", "1 High Street", "Reference", "R-2026-8796")

    assert "merchant" not in finding.fields or finding.fields["merchant"].value != "Reference"
