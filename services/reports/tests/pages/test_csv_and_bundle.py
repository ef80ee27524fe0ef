import io
import zipfile
from decimal import Decimal

import openpyxl
import pypdf
import pytest

from reports.domain.content import GradeRow, Money, PaymentRow
from reports.pages.render import render_csv, render_pdf, render_xlsx
from reports.pages.words import known_languages, words_of
from services.reports.tests.pages.bundles import render_bundle
from services.reports.tests.pages.samples import DAYS, NAMES, empty_student, month, student


@pytest.mark.parametrize(
    ("language", "name", "line"),
    [
        ("en", "Payments.csv", "2026-11-01,Received,1250.50,EUR,Trip,R-1"),
        ("de", "Zahlungen.csv", "2026-11-01;Eingegangen;1250,50;EUR;Trip;R-1"),
        ("fr", "Paiements.csv", "2026-11-01;Reçu;1250,50;EUR;Trip;R-1"),
        ("ar", "المدفوعات.csv", "2026-11-01,مستلم,1250.50,EUR,Trip,R-1"),
    ],
)
def test_csv_has_a_bom_and_the_separators_of_the_locale(language, name, line):
    payment = PaymentRow(DAYS[0], "received", Decimal("1250.5"), "EUR", "Trip", "R-1")
    content = render_csv(empty_student(payments=(payment,)), language)[name]

    assert content.startswith(b"\xef\xbb\xbf")
    assert content.decode("utf-8-sig").split("\r\n")[1:] == [line, ""]


@pytest.mark.parametrize("formula", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", " =1+1", "%1"])
def test_csv_holds_no_formula(formula):
    files = render_csv(empty_student(remarks=((DAYS[0], formula),)), "en")

    assert files["Remarks.csv"].decode("utf-8-sig").split("\r\n")[1] == f"2026-11-01,'{formula.strip()}"


@pytest.mark.parametrize(("discount", "shown"), [(Decimal(0), False), (Decimal(5), True)])
def test_fees_have_a_column_of_discounts_only_where_there_is_one(discount, shown):
    money = Money("EUR", Decimal(25), discount, Decimal(20), Decimal(0), Decimal(0))
    files = render_csv(empty_student(money=(money,)), "en")

    assert ("Discount" in files["Fees.csv"].decode()) is shown


def test_csv_has_each_list_whole():
    files = render_csv(month(300), "en")

    assert files["Payments.csv"].count(b"\r\n") == 301
    assert set(files) == {
        "Figures.csv",
        "Absences by day.csv",
        "Fees.csv",
        "New enrolments.csv",
        "Behaviour.csv",
        "Absences.csv",
        "Payments.csv",
    }


def test_namesakes_have_files_of_their_own_with_utf_8_names():
    reports = [student(name) for name in (*NAMES, "ada demo", "Ada Demo", "../../etc/con", "CON")]
    bundle = render_bundle(reports, "en")

    with zipfile.ZipFile(io.BytesIO(bundle.archive)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert all(entry.flag_bits & 0x800 or entry.filename.isascii() for entry in archive.infolist())
        assert archive.read("سارة مثال.pdf") == render_pdf(student("سارة مثال"), "en").content
    assert names[: len(NAMES)] == [f"{name}.pdf" for name in NAMES]
    assert names[len(NAMES) :] == ["ada demo (2).pdf", "Ada Demo (3).pdf", "etc con.pdf", "_CON.pdf"]


def test_a_bundle_has_the_same_bytes_again():
    reports = [student(), empty_student("Zoë Exemple")]

    assert render_bundle(reports, "de") == render_bundle(reports, "de")


@pytest.mark.parametrize("language", known_languages())
def test_no_data_zero_blank_excused_and_unreleased_grades_are_different_things_in_each_format(language):
    states = (("0", "given"), ("", "given"), ("", "excused"), ("SECRET", "not_released"))
    grades = tuple(GradeRow("Art", "", DAYS[0], grade, state) for grade, state in states)
    words = words_of(language)
    written = ["0", *(words.name(name) for name in ("blank", "excused_grade", "not_released"))]
    some, none = empty_student(grades=grades), empty_student()

    lines = render_csv(some, language)[f"{words.text('grades')}.csv"].decode("utf-8-sig").split("\r\n")[1:-1]
    sheet = openpyxl.load_workbook(io.BytesIO(render_xlsx(some, language).content))[words.text("grades")]
    pages = [_text(render_pdf(each, language).content) for each in (some, none)]

    assert len(set(written)) == len(states)
    assert [line.split(";" if language in {"de", "fr"} else ",")[3] for line in lines] == written
    assert [row[3] for row in sheet.iter_rows(min_row=2, values_only=True)] == written
    for word in (*written[1:], words.text("none_grades")):
        if words.direction == "ltr":  # letters of Arabic pages cannot be read back in order
            assert [word in page for page in pages] == [word in written, word not in written], word
    assert not any("SECRET" in each for each in (*lines, *pages))


def _text(content):
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages).split())
