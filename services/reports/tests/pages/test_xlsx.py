import datetime as dt
import io
import re
import zipfile

import openpyxl
import pytest
from xlsxwriter import Workbook

from reports.domain.content import Count
from reports.pages.render import render_xlsx
from reports.pages.sheets import Book, UnwritableCell
from reports.pages.words import words_of
from services.reports.tests.pages.samples import DAYS, empty_month, month, student


def test_the_same_inputs_give_the_same_bytes():
    assert render_xlsx(month(), "en").content == render_xlsx(month(), "en").content


def test_formulas_stand_beside_their_values():
    formulas, values = _books(render_xlsx(month(50), "en").content)
    changes = [cell for row in formulas["Figures"].iter_rows() for cell in row if str(cell.value).startswith("=")]

    assert changes
    for cell in changes:
        value = values["Figures"][cell.coordinate].value
        assert value is not None
        if "-" in cell.value:
            left, right = cell.value[1:].split("-")
            sheet = values["Figures"]
            assert value == pytest.approx(sheet[left].value - sheet[right].value)


def test_lists_are_complete_with_real_days_and_amounts():
    report = month(300)
    _, values = _books(render_xlsx(report, "en").content)
    rows = list(values["Payments"].iter_rows(min_row=2, values_only=True))

    assert len(rows) == 300
    assert [(row[0].date(), row[3]) for row in rows] == [(each.on, float(each.amount)) for each in report.payments]


@pytest.mark.parametrize(("language", "side"), [("en", "left"), ("ar", "right")])
def test_names_and_days_begin_where_their_column_begins(language, side):
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(month(20), language).content))

    names = [cell for row in book.worksheets[1].iter_rows(min_row=2, max_col=2) for cell in row]
    assert {cell.alignment.horizontal for cell in names} == {side}


@pytest.mark.parametrize("language", ["en", "ar"])
def test_headers_of_numbers_end_where_the_numbers_do(language):
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(month(20), language).content))
    amounts = next(sheet for sheet in book.worksheets[1:] if sheet.max_column == 7)  # the list of payments

    assert [(cell.alignment.horizontal, cell.alignment.indent) for cell in amounts["D"][:2]] == [("right", 2)] * 2
    assert {cell.alignment.horizontal for row in _headers(book.worksheets[0]) for cell in row[1:]} == {"right"}


def _headers(sheet):
    rows = [[cell for cell in row if cell.value is not None] for row in sheet.iter_rows(max_col=8)]
    return [row for row in rows if row and row[0].fill.fill_type == "solid"]


def test_a_long_text_of_a_list_goes_on_in_the_next_line():
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(student(), "en").content))

    assert book["Remarks"]["B2"].alignment.wrap_text


def test_one_count_alone_has_no_chart():
    one = month(20, students_by_grade=(Count("1b", 20),))

    assert len(_charts(month(20))) == len(_charts(one)) + 1


def _charts(report):
    with zipfile.ZipFile(io.BytesIO(render_xlsx(report, "en").content)) as package:
        return [name for name in package.namelist() if name.startswith("xl/charts/chart")]


def test_each_text_of_a_right_to_left_sheet_runs_as_its_letters_do():
    sheet = openpyxl.load_workbook(io.BytesIO(render_xlsx(student(), "ar").content)).worksheets[0]

    orders = {row[0].value: row[0].alignment.readingOrder for row in sheet.iter_rows(max_row=11, max_col=1)}
    assert orders["Hill School (demo)"] == 1
    assert orders["الصف: \u20667b\u2069"] == 2
    assert orders[next(line for line in orders if "أغسطس" in line)] == 2


def test_creation_time_is_the_moment_of_the_figures():
    formulas, _ = _books(render_xlsx(student(), "en").content)

    assert formulas.properties.created == dt.datetime(2026, 12, 1, 4, 30)  # noqa: DTZ001  # Excel has no zones


def test_text_is_never_a_formula():
    content = render_xlsx(student(remarks=((DAYS[0], "=HYPERLINK(1)"),)), "en").content
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        sheets = [package.read(name).decode() for name in package.namelist() if "worksheets/sheet" in name]

    assert not any("HYPERLINK" in sheet for sheet in sheets)  # it is a shared string
    assert "<f>" not in "".join(sheets[1:])


def test_a_text_beyond_excels_limit_is_shortened_with_a_warning():
    drawing = render_xlsx(student(remarks=((DAYS[0], "x" * 40_000),)), "en")
    formulas, _ = _books(drawing.content)

    assert formulas["Remarks"]["B2"].value == "x" * 32_766 + "…"
    assert drawing.warnings == ("a text in sheet 'Remarks' was shortened to Excel's 32,767 characters",)


def test_each_chart_has_a_text_for_screen_readers():
    with zipfile.ZipFile(io.BytesIO(render_xlsx(month(50), "en").content)) as package:
        drawing = package.read("xl/drawings/drawing1.xml").decode()

    texts = re.findall(r'<xdr:cNvPr [^>]*descr="([^"]+)"', drawing)
    assert len(texts) == drawing.count("<xdr:cNvPr ") == 8
    assert "Absences by day: the numbers are in the cells beside it." in texts


@pytest.fixture
def book():
    target = io.BytesIO()
    with Workbook(target, {"in_memory": True}) as workbook:
        yield Book(workbook, words_of("en"), "#1f3a5f")


def test_names_of_sheets_are_legal_and_distinct(book):
    titles = ("a/b:c", "A B C", "x" * 40, "x" * 31, "'quoted'", "History", "???")
    names = [book.sheet(title).worksheet.get_name() for title in titles]

    assert names == ["a b c", "A B C 2", "x" * 31, "x" * 29 + " 2", "quoted", "History 2", "-"]


def test_a_cell_that_excel_cannot_have_is_an_error(book):
    with pytest.raises(UnwritableCell, match="refused a cell of sheet 'Payments' with code -1"):
        book.sheet("Payments").write(1_048_576, 0, "one row too many")


def test_charts_are_native():
    formulas, _ = _books(render_xlsx(month(50), "en").content)
    empty, _ = _books(render_xlsx(empty_month(), "en").content)

    assert len(formulas["Figures"]._charts) == 8
    assert len(empty["Figures"]._charts) == 0


def _books(content):
    return (openpyxl.load_workbook(io.BytesIO(content)), openpyxl.load_workbook(io.BytesIO(content), data_only=True))
