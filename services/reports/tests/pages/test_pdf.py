import io
from dataclasses import replace

import pypdf
import pytest

from reports.pages.render import render_pdf
from reports.pages.words import UnknownLanguage
from services.reports.tests.pages.samples import empty_month, empty_student, month, student

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
