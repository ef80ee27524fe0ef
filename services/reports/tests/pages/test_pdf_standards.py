"""PDF/A-2a and PDF/UA-1, and the tags that no checker asks for."""

import io
import zipfile

import page
import pypdf
import pytest

from reports.pages.pdf import UndrawablePage, draw_pdf
from reports.pages.render import outline, render_pdf
from reports.pages.words import known_languages, words_of
from services.reports.tests.pages.bundles import render_bundle
from services.reports.tests.pages.samples import NAMES, empty_month, month, student

PROFILES = (page.ValidationProfile.PDF_A_2A, page.ValidationProfile.PDF_UA_1)
KINDS = {
    "empty month": empty_month,
    "month": lambda: month(5, NAMES[:3]),
    "student": student,
    "Hebrew": lambda: student("שירה דוגמה"),
    "Arabic": lambda: student("سارة مثال"),
}
GLYPH_WIDTH = {"PDFA2A-TRUETYPE-GLYPH-WIDTH-001", "PDFUA1-FONT-GLYPH-WIDTH-001"}
"""typst leaves the default width out of a subset of a CFF font, and our font of Chinese, Japanese and Korean is one."""


@pytest.mark.parametrize("language", known_languages())
@pytest.mark.parametrize("kind", KINDS)
def test_pages_conform_to_pdf_a_and_pdf_ua(kind, language):
    content = render_pdf(KINDS[kind](), language).content

    assert [failure.message for failure in _failures(content)] == []


def test_each_file_of_a_bundle_conforms():
    archive = zipfile.ZipFile(io.BytesIO(render_bundle([student(), student("Zoë Exemple")], "fr").archive))

    assert [[failure.message for failure in _failures(archive.read(name))] for name in archive.namelist()] == [[], []]


def test_pages_with_chinese_japanese_or_korean_letters_conform_but_for_glyph_widths():
    content = render_pdf(student("山田 太郎"), "en").content

    assert {failure.rule_id for failure in _failures(content)} == GLYPH_WIDTH


def test_each_list_has_tagged_headers_and_charts_have_a_text():
    tags = list(_tags(pypdf.PdfReader(io.BytesIO(render_pdf(month(50), "en").content))))
    roles = [role for role, _ in tags]

    assert roles.count("/Table") == 11
    assert roles.count("/THead") == 11
    assert roles.count("/TH") == sum((4, 4, 3, 4, 4, 7, 4, 3, 6, 6, 7))
    assert [alt for role, alt in tags if role == "/Figure"] == [alt for _, alt in tags if alt]
    assert any(alt and alt.startswith("Absences by day: 1: 0;") for _, alt in tags)


def test_a_character_that_no_font_has_is_replaced_and_named():
    drawing = render_pdf(student("Ada 😀 Demo"), "en")
    text = pypdf.PdfReader(io.BytesIO(drawing.content)).pages[0].extract_text()

    assert drawing.warnings == ("no installed font has U+1F600 GRINNING FACE: it was replaced",)
    assert "Ada \ufffd Demo" in text
    assert "Characters that no installed font has are shown as \ufffd." in text


def test_control_characters_are_spaces_without_a_warning():
    assert render_pdf(student("Ada\x00\x1b\ufeff\tDemo"), "en").warnings == ()


@pytest.mark.parametrize("letter", ["\ue000", "\ud800", "\U000e0fff", "\uffff"])
def test_letters_that_pdf_a_forbids_are_replaced(letter):
    assert len(render_pdf(student(f"Ada {letter}"), "en").warnings) == 1


def test_a_font_family_that_is_not_installed_is_an_error():
    words = words_of("en")

    with pytest.raises(UndrawablePage, match="unknown font family"):
        draw_pdf([outline(month(1), words)], words, ["Noto Sans", "No Such Font"])


def _failures(content):
    return [failure for profile in PROFILES for failure in page.validate_pdf_bytes(content, profile=profile).failures]


def _tags(reader):
    waiting = [reader.trailer["/Root"]["/StructTreeRoot"]]
    while waiting:
        node = waiting.pop(0).get_object()
        if isinstance(node, list):
            waiting[:0] = node
        elif isinstance(node, dict):
            if "/S" in node:
                yield str(node["/S"]), node.get("/Alt")
            if "/K" in node:
                waiting.insert(0, node["/K"])
