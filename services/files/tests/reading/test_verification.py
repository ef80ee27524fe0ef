"""A text layer that says something else than its page shows is a reason for a review."""

import pytest
from PIL import Image, ImageDraw, ImageFont

from files.domain.document import Box
from files.domain.finding import Field, Finding
from files.reading.limits import ReadLimits
from files.reading.reader import read_document
from files.reading.verification import MISMATCH, verified
from services.files.tests.reading import made_files as made

SHOWN = "Total EUR 45.00) Tj 0 -40 Td (Date 2026-11-03) Tj 0 -40 Td (Museum of Clocks"


@pytest.fixture
def reasons(tmp_path):
    def reasons(content: bytes, **fields: str):
        """Accept words of the layer as fields, and return the reasons for a review."""
        path = tmp_path / "file.pdf"
        path.write_bytes(content)
        document = read_document(path, declared_name="a.pdf", limits=ReadLimits(), on_page=lambda *_: None)
        found = {name: field(document.pages[0], text) for name, text in fields.items()}
        finding = Finding("payment_receipt", fields=found)
        return verified(path, document, finding, lambda: None).reasons

    return reasons


def field(page, text):
    words = [word for line in page.lines for word in line.words if word.text in text.split()]
    assert len(words) == len(text.split())
    box = Box(
        min(word.box.x0 for word in words),
        min(word.box.y0 for word in words),
        max(word.box.x1 for word in words),
        max(word.box.y1 for word in words),
    )
    return Field(text, 1.0, page.number, box)


def covered_by(amount: str) -> bytes:
    """A page whose amount is covered by a picture of another one."""
    image = Image.new("L", (500, 60), "white")
    ImageDraw.Draw(image).text((137, 16), amount, fill="black", font=ImageFont.load_default(28))
    drawn = made.stream(
        image.tobytes().hex() + ">",
        "/Type /XObject /Subtype /Image /Width 500 /Height 60 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        "/Filter /ASCIIHexDecode",
    )
    text = "Total EUR 45.00) Tj ET q 250 0 0 30 72 712 cm /Over Do Q BT (a"
    return made.pdf(drawn, text=text).replace(b"/Resources <<", b"/Resources << /XObject << /Over 100 0 R >>")


def test_layer_that_shows_what_it_says_is_no_doubt(reasons):
    assert reasons(made.pdf(text=SHOWN), amount="45.00", date="2026-11-03", merchant="Museum of Clocks") == ()


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_turned_page_is_compared_at_its_places(reasons, turned):
    assert reasons(made.pdf(text=SHOWN, page=f"/Rotate {turned}"), amount="45.00", date="2026-11-03") == ()


@pytest.mark.parametrize("hidden", ["3 Tr", "1 1 1 rg"], ids=["invisible", "white"])
def test_hidden_text_is_a_mismatch(reasons, hidden):
    content = made.pdf(text=f"Paid) Tj {hidden} 0 -40 Td (45.00")

    assert reasons(content, amount="45.00") == (MISMATCH,)


def test_text_under_a_picture_of_another_amount_is_a_mismatch(reasons):
    assert reasons(covered_by("54.00"), amount="45.00") == (MISMATCH,)
    assert reasons(covered_by("45.00"), amount="45.00") == ()


def test_field_without_a_place_has_nothing_to_compare(tmp_path):
    path = tmp_path / "file.pdf"
    path.write_bytes(made.pdf(text="Total EUR 45.00"))
    document = read_document(path, declared_name="a.pdf", limits=ReadLimits(), on_page=lambda *_: None)
    finding = Finding("payment_receipt", fields={"amount": Field("45.00", 1.0)})

    assert verified(path, document, finding, lambda: pytest.fail("no OCR is needed")) is finding


def test_scan_was_read_from_its_page_already(tmp_path):
    path = tmp_path / "file.png"
    Image.new("RGB", (100, 100), "white").save(path)
    document = read_document(path, declared_name="a.png", limits=ReadLimits(), on_page=lambda *_: None)
    finding = Finding("payment_receipt", fields={"amount": Field("45.00", 1.0, 1, Box(0, 0, 1, 1))})

    assert verified(path, document, finding, lambda: pytest.fail("no OCR is needed")) is finding
