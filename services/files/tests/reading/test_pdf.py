"""PDFs that are read: text layers, forms, attached invoices, passwords, turned pages."""

import io

import pypdf
import pytest

from files.reading.limits import ReadLimits
from files.reading.pdf.scripts import only_formats_fields
from files.reading.reader import read_document
from services.files.tests.reading import made_files as made

INVOICE = '<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"/>'
ACROFORM = "/AcroForm << /Fields [100 0 R] /DA (/F1 12 Tf 0 g) /DR << /Font << /F1 3 0 R >> >> >>"


@pytest.fixture
def read(tmp_path):
    def read(content: bytes):
        path = tmp_path / "file.pdf"
        path.write_bytes(content)
        pages = []
        document = read_document(
            path, declared_name="file.pdf", limits=ReadLimits(), on_page=lambda *page: pages.append(page)
        )
        assert pages == [(number, len(document.pages)) for number in range(1, len(document.pages) + 1)]
        return document

    return read


def texts(document):
    return [line.text for page in document.pages for line in page.lines]


def words(document):
    return [word for page in document.pages for line in page.lines for word in line.words]


def attached(*names, content=INVOICE):
    entries = " ".join(f"({name}) {100 + 2 * index} 0 R" for index, name in enumerate(names))
    extra = []
    for index, name in enumerate(names):
        extra += [
            f"<< /Type /Filespec /F ({name}) /UF ({name}) /EF << /F {101 + 2 * index} 0 R >> >>",
            made.stream(content, "/Type /EmbeddedFile /Subtype /text#2Fxml"),
        ]
    return made.pdf(*extra, catalog=f"/Names << /EmbeddedFiles << /Names [{entries}] >> >> /AF [100 0 R]")


def test_text_layer_has_words_with_their_places(read):
    document = read(made.pdf(text="Total EUR 45.00"))

    assert texts(document) == ["Total EUR 45.00"]
    first = words(document)[0]
    assert (first.text, first.source, first.confidence) == ("Total", "layer", 1.0)
    assert first.box.x0 == pytest.approx(72 / 595, abs=0.01)
    assert (first.box.y0 + first.box.y1) / 2 == pytest.approx((842 - 725) / 842, abs=0.01)


def test_columns_on_one_base_line_are_one_line_and_lines_come_from_top_to_bottom(read):
    document = read(made.pdf(text="second) Tj 200 0 Td (B-) Tj -200 60 Td (first) Tj 0 -120 Td (third"))

    assert texts(document) == ["first", "second B-", "third"]


@pytest.mark.parametrize("name", ["factur-x.xml", "zugferd-invoice.xml", "ZUGFeRD-invoice.xml", "xrechnung.xml"])
def test_attached_electronic_invoice_is_returned(read, name):
    document = read(attached(name))

    assert [(item.name, item.content) for item in document.attachments] == [(name, INVOICE.encode())]


def test_place_to_show_first_is_no_active_content(read):
    assert texts(read(made.pdf(catalog="/OpenAction [10 0 R /Fit]")))
    assert texts(read(made.pdf(catalog="/OpenAction << /S /GoTo /D [10 0 R /Fit] >>")))


def test_link_to_an_address_is_no_active_content(read):
    link = "<< /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://example.org) >> >>"

    assert texts(read(made.pdf(page=f"/Annots [{link}]", catalog="/OpenAction [10 0 R /Fit]")))


def test_value_of_a_form_field_is_a_word_of_its_page(read):
    widget = (
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (amount) /V (717.97) /DA (/F1 12 Tf 0 g) /F 4 "
        "/Rect [100 600 300 620] /P 10 0 R >>"
    )

    document = read(made.pdf(widget, catalog=ACROFORM, page="/Annots [100 0 R]", text="Amount due"))

    assert texts(document) == ["Amount due", "717.97"]
    assert [word.source for word in words(document)] == ["layer", "layer", "field"]


def test_script_that_only_formats_a_field_is_accepted(read):
    widget = (
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (amount) /V (45.00) /Rect [100 600 300 620] /F 4 "
        '/DA (/F1 12 Tf 0 g) /AA << /F << /S /JavaScript /JS (AFNumber_Format\\(2, 0, 0, 0, "EUR ", true\\);) >> >> >>'
    )

    assert "45.00" in texts(read(made.pdf(widget, catalog=ACROFORM, page="/Annots [100 0 R]")))


@pytest.mark.parametrize(
    ("script", "harmless"),
    [
        ('AFNumber_Format(2, 0, 0, 0, "€ (net)", true);', True),
        ("AFDate_FormatEx('dd.mm.yyyy')", True),
        ('AFSimple_Calculate("SUM", new Array("a", "b"));', True),
        ("AFSpecial_Format(0);\nAFRange_Validate(true, 0, true, 100);", True),
        ("app.launchURL('https://example.org')", False),
        ("AFNumber_Format(app.alert(1))", False),
        ("AFNumber_Format(2); app.alert(1)", False),
        ("", False),
    ],
)
def test_only_calls_of_format_functions_are_harmless(script, harmless):
    assert only_formats_fields(script) is harmless


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_password_of_the_owner_only_opens(read, algorithm):
    writer = pypdf.PdfWriter(io.BytesIO(made.pdf()))
    writer.encrypt(user_password="", owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)

    assert texts(read(out.getvalue())) == ["Total EUR 45.00 paid with thanks"]


def test_password_of_the_user_is_encrypted(read):
    writer = pypdf.PdfWriter(io.BytesIO(made.pdf()))
    writer.encrypt(user_password="user", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)

    with pytest.raises(Exception, match="password") as refused:
        read(out.getvalue())

    assert refused.value.code == "encrypted"


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("content", [0, 90, 180, 270])
def test_page_is_upright_however_it_or_its_text_is_turned(read, rotation, content):
    matrix = {0: "1 0 0 1 100 500", 90: "0 1 -1 0 300 100", 180: "-1 0 0 -1 400 500", 270: "0 -1 1 0 300 600"}[content]
    drawn = f"Subject) Tj ET BT /F1 12 Tf {matrix} Tm (Subject   Grade) Tj 0 -20 Td (English B-) Tj 0 -20 Td (Art A"

    page = read(made.pdf(text=drawn, page=f"/Rotate {rotation}")).pages[0]

    lines = [line.text for line in page.lines if line.text != "Subject"]
    assert lines == ["Subject Grade", "English B-", "Art A"]
    english = next(line for line in page.lines if line.text.startswith("English"))
    assert english.words[0].box.x1 <= english.words[1].box.x0
    assert english.words[0].box.x1 - english.words[0].box.x0 > english.words[0].box.y1 - english.words[0].box.y0


def test_cropped_page_has_places_within_the_crop(read):
    page = read(made.pdf(text="Total", page="/CropBox [50 600 350 800]")).pages[0]

    assert (page.width, page.height) == (300, 200)
    assert page.lines[0].words[0].box.x0 == pytest.approx(22 / 300, abs=0.01)


def test_damage_that_only_one_parser_minds_is_no_refusal(read):
    broken = made.pdf(text="Total EUR 45.00").replace(b"/Type /Catalog", b"/Type /Catalog /Lang <GG> /Names 77 0 R")

    assert texts(read(broken)) == ["Total EUR 45.00"]


def test_hyphen_at_the_end_of_a_line_stays(read):
    document = read(made.pdf(text="English B-) Tj 0 -16 Td (Art A-"))

    assert texts(document) == ["English B-", "Art A-"]


def test_page_of_two_billion_points_is_read_within_limits(read):
    content = made.pdf(text="Total").replace(b"[0 0 595 842]", b"[0 0 2000000000 2000000000]")

    assert texts(read(content)) == ["Total"]


def test_many_pages_are_read(read):
    assert len(read(made.pdf(pages=50)).pages) == 50
