"""Each kind of page in each language: nothing is cut, nothing overlaps, values keep their direction."""

import io
import math
import random
from dataclasses import replace
from decimal import Decimal
from itertools import takewhile

import pypdfium2
import pytest
from PIL import Image, ImageDraw

from reports.domain.content import Count, Money
from reports.pages import page_data
from reports.pages.render import render_pdf
from reports.pages.words import known_languages
from services.reports.tests.pages.bundles import render_bundle
from services.reports.tests.pages.samples import DAYS, NAMES, SCHOOL, empty_month, empty_student, month, student

LONG = "Maximiliane-Wilhelmine Freifrau von und zu Beispielhausen-Musterstadt " * 3
UNBROKEN = "Donaudampfschifffahrtsgesellschaft" * 6
DOTS = 6
"""Points: the dots of an Arabic letter are a run of their own, above or below it."""
MARGIN = 40
"""Points around the text of a page."""


def logo(width=300, height=120):
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).ellipse((5, 5, width - 5, height - 5), fill="#7a1f3d")
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def long_names():
    awkward = tuple(
        replace(row, student=name, description=LONG, category=UNBROKEN)
        for row, name in zip(month(40).behavior, (LONG, UNBROKEN, "山田" * 60, "سارة " * 40), strict=True)
    )
    payments = tuple(
        replace(row, reference=UNBROKEN, purpose=LONG, amount=row.amount * 10**9) for row in month(4).payments
    )
    school = replace(SCHOOL, name=LONG, letterhead=LONG, logo=logo(40, 900), color="#ffee00")
    return month(40, school=school, behavior=awkward, payments=payments)


KINDS = {
    "empty month": empty_month,
    "one student": lambda: month(1),
    "month": lambda: month(1000, school=replace(SCHOOL, logo=logo())),
    "5,000 students": lambda: month(5000),
    "long names": long_names,
    "empty student": empty_student,
    "student": student,
    "long student": lambda: student(LONG, classes=(UNBROKEN, LONG), number=UNBROKEN, remarks=((DAYS[1], LONG * 60),)),
}


@pytest.mark.parametrize("language", known_languages())
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_cut_or_overlaps_another(kind, language):
    document = pypdfium2.PdfDocument(render_pdf(KINDS[kind](), language).content)

    for page in document:
        width, height = page.get_size()
        boxes = _text_boxes(page)
        assert boxes
        for left, bottom, right, top in boxes:
            assert MARGIN < left < right < width - MARGIN
            assert MARGIN / 2 < bottom < top < height - MARGIN / 2
        words = [box for box in boxes if language != "ar" or box[2] - box[0] > DOTS]
        assert not list(_overlapping(words))
        assert _edge_is_white(page)


@pytest.mark.parametrize("value", ["B+", "A-", "+1", "+49 30 1234-5"])
def test_values_keep_their_direction_on_a_right_to_left_page(value):
    grades = tuple(replace(row, grade=value) for row in student().grades[:1])
    document = pypdfium2.PdfDocument(render_pdf(empty_student("سارة مثال", grades=grades, number=value), "ar").content)

    assert sum(line.count(value) for line in _visual_lines(document[0])) == 2


@pytest.mark.parametrize("language", ["en", "ar"])
def test_ones_stand_below_ones(language):
    money = tuple(Money("EUR", Decimal(total), *[Decimal(0)] * 4) for total in ("45678.12", "9.13"))
    report = empty_month(absences_by_status=(Count("absent", 7654), Count("late", 983)), money=money)
    text = pypdfium2.PdfDocument(render_pdf(report, language).content)[0].get_textpage()

    for large, small in (("7,654", "983"), ("45,678.12", "9.13")):
        assert _right_edge(text, large) == pytest.approx(_right_edge(text, small), abs=0.5)


def test_arabic_pages_begin_on_the_right():
    page = pypdfium2.PdfDocument(render_pdf(student("سارة مثال"), "ar").content)[0]
    width, _ = page.get_size()

    school = max(_text_boxes(page), key=lambda box: box[3])
    assert school[2] == pytest.approx(width - 51, abs=3)


@pytest.mark.parametrize("language", known_languages())
def test_each_student_of_a_bundle_starts_on_an_odd_page_with_a_bookmark(language):
    names = [*NAMES, NAMES[0]]
    bundle = render_bundle(
        [student(name) if at % 2 else empty_student(name) for at, name in enumerate(names)], language
    )
    document = pypdfium2.PdfDocument(bundle.document)

    marks = [mark for mark in document.get_toc() if mark.level == 0]
    assert [mark.get_title().strip("\u2066\u2068\u2069") for mark in marks] == names
    starts = [mark.get_dest().get_index() for mark in marks]
    assert all(start % 2 == 0 for start in starts)
    assert len(set(starts)) == len(names)


def _edge_is_white(page):
    picture = page.render(scale=1).to_pil().convert("L")
    inner = Image.new("L", (picture.width - 2 * MARGIN, picture.height - MARGIN), 255)
    picture.paste(inner, (MARGIN, MARGIN // 2))
    return picture.getextrema() == (255, 255)


def _text_boxes(page):
    """Return the boxes of runs of text; the dots of a letter are in its run."""
    boxes = [run.get_bounds() for run in page.get_objects([pypdfium2.raw.FPDF_PAGEOBJ_TEXT])]
    return [box for box in boxes if box[2] - box[0] > 0.1]


def _overlapping(boxes):
    """Find pairs that overlap; boxes that begin above the top of another cannot overlap it."""
    ascending = sorted(boxes, key=lambda box: box[1])
    for at, one in enumerate(ascending):
        for other in takewhile(lambda box, top=one[3]: box[1] < top, ascending[at + 1 :]):
            if _overlap(one, other):
                yield one, other


def _overlap(one, other):
    """Return whether two boxes share more than the ascenders and descenders of their lines."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    lowest = min(one[3] - one[1], other[3] - other[1])
    return wide > 3 and high > 0.4 * lowest


def _right_edge(text, value):
    at, count = text.search(value).get_next()
    return text.get_charbox(at + count - 1, loose=True)[2]


def _visual_lines(page):
    """Return the letters of each line from left to right, as they are seen."""
    text = page.get_textpage()
    lines = {}
    for at in range(text.count_chars()):
        letter = text.get_text_range(at, 1)
        left, bottom, right, _ = text.get_charbox(at, loose=True)
        if letter.strip("\r\n\u2066\u2068\u2069\u200b") and right > left:
            lines.setdefault(round(bottom), []).append((left, letter))
    return ["".join(letter for _, letter in sorted(letters)) for letters in lines.values()]


def nearly_full_rows():
    """A student with texts that end near the edge of their column, on either side of it."""
    pick, words = random.Random(7), ["Wim", "illi", "AVATAR", "fig", "Tür", "Ł.", "O\u2019Hara", "(1/2)", "mm", "To-Do"]
    texts = [" ".join(pick.choices(words, k=length)) for length in range(2, 26) for _ in range(3)]
    grades = tuple(replace(student().grades[0], course=text, term=text[:24], grade=text[:12]) for text in texts)
    return student(grades=grades, remarks=tuple((DAYS[1], f"{text} {text} {text}") for text in texts))


@pytest.mark.parametrize("language", known_languages())
@pytest.mark.parametrize("kind", ["month", "long names", "student", "long student", "nearly full rows"])
def test_a_row_whose_height_is_given_is_as_high_as_typst_makes_it(monkeypatch, kind, language):
    content = (KINDS | {"nearly full rows": nearly_full_rows})[kind]()
    given = render_pdf(content, language).content
    monkeypatch.setattr(page_data, "width", lambda _: math.inf)
    assert given == render_pdf(content, language).content
