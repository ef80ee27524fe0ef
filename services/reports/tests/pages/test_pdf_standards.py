"""PDF/A-2a and PDF/UA-1, and the tags that no checker asks for."""

import io
import re
import zipfile

import openpyxl
import page
import pypdf
import pytest

from reports.pages.pdf import UndrawablePage, draw_pdf
from reports.pages.render import outline, render_pdf, render_xlsx
from reports.pages.words import known_languages, words_of
from services.reports.tests.pages.bundles import render_bundle
from services.reports.tests.pages.samples import empty_month, month, student

PROFILES = (page.ValidationProfile.PDF_A_2A, page.ValidationProfile.PDF_UA_1)
KINDS = {
    "empty month": empty_month,
    "month": lambda: month(5),
    "student": student,
    "Hebrew": lambda: student("שירה דוגמה"),
    "Arabic": lambda: student("سارة مثال"),
}
EAST_ASIAN = {
    "simplified Chinese": "欧阳 示例",
    "traditional Chinese": "歐陽 範例",
    "Japanese": "山田 さくら エツコ",
    "Korean": "김 예시",
}
STREAM = re.compile(rb"/Length (\d+)[^>]*>>\s*stream\r?\n")
MISREAD_LENGTH = "PDFA2A-STREAM-LENGTH-001"
"""The checker takes a carriage return that ends packed data for a part of the line's end: lengths are checked here."""


@pytest.mark.parametrize("language", known_languages())
@pytest.mark.parametrize("kind", KINDS)
def test_pages_conform_to_pdf_a_and_pdf_ua(kind, language):
    content = render_pdf(KINDS[kind](), language).content

    assert [failure.message for failure in _failures(content)] == []


def test_each_file_of_a_bundle_conforms():
    archive = zipfile.ZipFile(io.BytesIO(render_bundle([student(), student("Zoë Exemple")], "fr").archive))

    assert [[failure.message for failure in _failures(archive.read(name))] for name in archive.namelist()] == [[], []]


@pytest.mark.parametrize("name", EAST_ASIAN.values(), ids=EAST_ASIAN)
def test_chinese_japanese_and_korean_names_are_drawn_by_embedded_fonts_and_can_be_copied(name):
    drawing = render_pdf(student(name), "en")
    first = pypdf.PdfReader(io.BytesIO(drawing.content)).pages[0]
    fonts = [font.get_object() for font in first["/Resources"]["/Font"].values()]
    workbook = openpyxl.load_workbook(io.BytesIO(render_xlsx(student(name), "en").content))

    assert drawing.warnings == ()
    assert [failure.message for failure in _failures(drawing.content)] == []
    assert name in first.extract_text()
    assert any("NotoSansSC" in font["/BaseFont"] or "NotoSansKR" in font["/BaseFont"] for font in fonts)
    for font in fonts:
        (inner,) = font["/DescendantFonts"]
        assert "/FontFile2" in inner.get_object()["/FontDescriptor"]
        assert re.match("/[A-Z]{6}[+]", font["/BaseFont"])  # a subset
    assert name in [cell.value for row in workbook["Figures"].iter_rows() for cell in row]


def test_each_list_has_tagged_headers_and_charts_have_a_text():
    tags = list(_tags(pypdf.PdfReader(io.BytesIO(render_pdf(month(50), "en").content))))
    roles = [role for role, _ in tags]

    assert roles.count("/Table") == 12
    assert roles.count("/THead") == 12
    assert roles.count("/TH") == sum((4, 4, 3, 4, 4, 4, 7, 4, 3, 6, 6, 7))
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
    found = [failure for profile in PROFILES for failure in page.validate_pdf_bytes(content, profile=profile).failures]
    starts = [(each.end(), int(each.group(1))) for each in STREAM.finditer(content)]
    assert len(starts) == content.count(b"endstream")
    assert {content[at + length :][:10] for at, length in starts} == {b"\nendstream"}
    return [failure for failure in found if failure.rule_id != MISREAD_LENGTH]


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
