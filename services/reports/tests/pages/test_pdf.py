import io
import re
import zipfile
from dataclasses import replace

import pypdf
import pytest
from PIL import Image

from reports.pages.render import render_pdf, render_xlsx
from reports.pages.words import UnknownLanguage
from services.reports.tests.pages.pictures import draw_logo
from services.reports.tests.pages.samples import SCHOOL, empty_month, empty_student, month, student

KINDS = {
    "empty month": empty_month,
    "month": month,
    "empty student": empty_student,
    "student": student,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_inputs_give_the_same_bytes(kind):
    assert render_pdf(KINDS[kind](), "en").content == render_pdf(KINDS[kind](), "en").content


@pytest.mark.parametrize("kind", KINDS)
def test_each_page_names_period_moment_log_position_template_and_page(kind):
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(KINDS[kind](), "en").content))

    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text()
        assert "2026" in text
        assert "As of 1 Dec 2026 05:30 GMT+01:00" in text
        assert "Log position 123,456" in text
        assert "Template 1" in text
        assert f"Page {number} of {len(reader.pages)}" in text


def test_a_language_without_texts_is_refused_by_name():
    with pytest.raises(UnknownLanguage, match="'xx' is none of them"):
        render_pdf(month(1), "xx")


def test_a_blank_grade_and_no_data_are_written_in_words():
    text = _text(render_pdf(student(), "en").content)

    assert "No grade" in text
    assert "There are no grades in this period." in _text(render_pdf(empty_student(), "en").content)


def test_a_replacing_report_says_what_it_replaces_and_why():
    replacing = replace(student().origin, replaces="demo-report-1", reason="a late grade in Art")

    assert "This report replaces report demo-report-1. Reason: a late grade in Art" in _text(
        render_pdf(student(origin=replacing), "en").content
    )


def _text(content):
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
BROKEN = {
    "text": b"no picture",
    "half a PNG": draw_logo()[:300],
    "only a PNG's start": b"\x89PNG\r\n\x1a\n",
    "an SVG": SVG,
}


@pytest.mark.parametrize("logo", BROKEN.values(), ids=BROKEN)
def test_a_logo_that_cannot_be_read_is_left_out_with_a_warning(logo):
    school = replace(SCHOOL, logo=logo)

    assert render_pdf(student(school=school), "en").warnings == (
        "the school's logo is no picture that can be read: it was left out",
    )
    assert len(render_xlsx(student(school=school), "en").content) > 0


def saved_as(form):
    target = io.BytesIO()
    Image.open(io.BytesIO(draw_logo())).save(target, form)
    return target.getvalue()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_a_schools_look_is_in_pdf_and_excel(form):
    school = replace(SCHOOL, logo=saved_as(form), color="#ffee00", letterhead="2 Example Road")
    pdf, workbook = render_pdf(student(school=school), "en"), render_xlsx(student(school=school), "en")

    assert pdf.warnings == workbook.warnings == ()
    page = pypdf.PdfReader(io.BytesIO(pdf.content)).pages[0]
    assert [image.image.size for image in page.images] == [(300, 200)]
    assert "2 Example Road" in page.extract_text()
    with zipfile.ZipFile(io.BytesIO(workbook.content)) as package:
        assert "xl/media/image1.png" in package.namelist()
        colors = re.findall(r'fgColor rgb="FF([0-9A-F]{6})"', package.read("xl/styles.xml").decode())
    assert contrast_to_white(colors[0]) >= 4.5


def contrast_to_white(color):
    shares = [int(color[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
