"""DOCX, XLSX, CSV and plain text: their words, and what was tolerated on the way."""

import datetime as dt
import io

import docx
import pytest

from files.reading.limits import ReadLimits
from files.reading.reader import read_document
from files.reading.refusal import Refused
from services.files.tests.reading import made_files as made

XLSX_EPOCH_1904_DAY = dt.date(2026, 11, 3)
SHEET = "xl/worksheets/sheet1.xml"


@pytest.fixture
def read(tmp_path):
    def read(content: bytes, name="file.txt", limits: ReadLimits | None = None):
        path = tmp_path / "file"
        path.write_bytes(content)
        return read_document(path, declared_name=name, limits=limits or ReadLimits(), on_page=lambda *_: None)

    return read


def cells(document):
    return [[word.text for word in line.words] for page in document.pages for line in page.lines]


def test_paragraphs_and_tables_of_a_docx_are_lines(read):
    document = read(
        made.document(paragraphs=("Report card", "Bela Demo"), table=(("Subject", "Grade"), ("Art", "B+"))), "a.docx"
    )

    assert cells(document) == [["Report", "card"], ["Bela", "Demo"], ["Subject", "Grade"], ["Art", "B+"]]
    subject, grade = document.pages[0].lines[3].words
    assert subject.box.x1 <= grade.box.x0
    assert grade.source == "cell"


def test_a_docx_made_of_pictures_is_read_by_ocr(read):
    opened = docx.Document()
    opened.add_paragraph("Scan 1")
    for picture in (made.picture(), made.picture(size=(120, 90))):
        opened.add_picture(io.BytesIO(made.saved(picture, "PNG")))
    out = io.BytesIO()
    opened.save(out)

    document = read(out.getvalue(), "a.docx")

    (page,) = document.pages  # the small picture is no page
    assert "Total EUR 45.00" in [line.text for line in page.lines]
    assert {word.source for line in page.lines for word in line.words} == {"ocr"}


def test_header_and_content_controls_of_a_docx_are_read(read):
    opened = docx.Document()
    opened.sections[0].header.paragraphs[0].text = "Hill School (demo)"
    paragraph = opened.add_paragraph("Art A")
    body = paragraph._p.getparent()
    control = docx.oxml.OxmlElement("w:sdt")
    content = docx.oxml.OxmlElement("w:sdtContent")
    body.insert(0, control)
    control.append(content)
    content.append(paragraph._p)
    out = io.BytesIO()
    opened.save(out)

    assert cells(read(out.getvalue(), "a.docx")) == [["Hill", "School", "(demo)"], ["Art", "A"]]


def test_cells_of_an_xlsx_are_shown_with_their_formats(read):
    content = made.workbook(
        [["Subject", "Grade"], ["Art", 4.5], ["Paid on", dt.datetime(2026, 11, 3)], ["Rate", 0.19], ["Sum", 1234.5]],  # noqa: DTZ001
        formats={"B2": "0.00", "B4": "0%", "B5": '#,##0.00 "EUR"'},
    )

    document = read(content, "a.xlsx")

    assert cells(document) == [
        ["Subject", "Grade"],
        ["Art", "4.50"],
        ["Paid on", "2026-11-03"],
        ["Rate", "19%"],
        ["Sum", "1234.50 EUR"],
    ]
    assert document.notices == ()


def test_formula_without_a_stored_value_is_a_notice_and_none_is_calculated(read):
    document = read(made.workbook([["Total", "=SUM(1,2)"]]), "a.xlsx")

    assert cells(document) == [["Total"]]
    assert document.notices == ("missing_cell_values",)


def test_stored_value_of_a_formula_is_read(read):
    content = made.workbook([["Total", "=SUM(1,2)"]])
    stored = made.member(content, SHEET).replace(b"<v></v>", b"<v>45</v>").replace(b"<v />", b"<v>45</v>")

    document = read(made.with_member(content, SHEET, stored), "a.xlsx")

    assert cells(document) == [["Total", "45"]]
    assert document.notices == ()


def test_dates_since_1904_are_the_right_days(read):
    content = made.workbook([["Paid on", dt.datetime(2026, 11, 3)]], epoch_1904=True)  # noqa: DTZ001

    assert cells(read(content, "a.xlsx")) == [["Paid on", "2026-11-03"]]


def test_hidden_sheet_is_skipped_with_a_notice(read):
    content = made.workbook([["Total", 45]], hidden=[["Total", 4500]])

    document = read(content, "a.xlsx")

    assert cells(document) == [["Total", "45"]]
    assert document.notices == ("hidden_sheet_skipped",)


def test_claimed_dimensions_and_far_cells_are_no_bomb(read):
    content = made.workbook([["Total", 45]], far=("XFD1048576", "far"))

    assert cells(read(content, "a.xlsx")) == [["Total", "45"], ["far"]]


def test_too_many_cells_are_too_large(read):
    with pytest.raises(Refused) as refused:
        read(made.workbook([[1, 2, 3]] * 40), "a.xlsx", ReadLimits(cells=100))

    assert refused.value.code == "too_large"


@pytest.mark.parametrize(
    ("encoding", "notices"),
    [
        ("utf-8", ()),
        ("utf-8-sig", ()),
        ("cp1252", ("decoded_as_cp1252",)),
        ("utf-16", ("decoded_as_utf16",)),
    ],
)
def test_csv_in_any_usual_encoding_is_read(read, encoding, notices):
    document = read('Fach;Note\r\n"Französisch; mündlich";1,7\r\n'.encode(encoding), "a.csv")

    assert cells(document) == [["Fach", "Note"], ["Französisch; mündlich", "1,7"]]
    assert document.media_type == "text/csv"
    assert document.notices == notices


def test_columns_of_plain_text_keep_their_places(read):
    document = read(b"Subject      Grade\nArt          A-\n")

    (_, grade), (_, mark) = (line.words for line in document.pages[0].lines)
    assert grade.box.x0 == mark.box.x0
    assert document.media_type == "text/plain"


def test_plain_text_under_a_wrong_name_is_read(read):
    assert cells(read(b"Total EUR 45.00", "receipt.pdf")) == [["Total", "EUR", "45.00"]]
