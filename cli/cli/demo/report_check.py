"""Check the files of a report: a PDF with pages, a workbook whose figures equal what the API says of the records."""

import io
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import openpyxl
import pypdf

from cli.demo.client import DemoFailed

DISCOUNT = "Discount"
"""The column of discounts in the table of fees."""


def monthly_figures(students: int, records: Mapping[str, list[dict[str, Any]]]) -> dict[str, int | Decimal]:
    """Compute the figures of a school's month from its records, as the report is to say them."""
    euros = [each for each in records["payments"] if each["currency"] == "EUR"]
    paid = [Decimal(str(each["amount"])) for each in euros if each["status"] == "received"]
    return {
        "Students at the end": students,
        "Behaviour records": sum(1 for each in records["behavior-reports"] if each["severity"] != "praise"),
        "Absences": len({(each["student_id"], each["day"]) for each in records["absences"]}),
        "Paid (EUR)": sum(paid, Decimal(0)),
        DISCOUNT: sum(
            (Decimal(str(each.get("discount") or 0)) for each in euros if each["status"] != "cancelled"), Decimal(0)
        ),
    }


def check_monthly(files: Mapping[str, bytes], expected: Mapping[str, int | Decimal]) -> None:
    """Raise DemoFailed unless both files open and the workbook has these figures."""
    _check_pdf(files["pdf"], "Monthly report")
    sheet = _rows(files["xlsx"], 0)
    found = {row[0]: Decimal(str(row[1])) for row in reversed(sheet) if row[0] in expected and row[1] is not None}
    found[DISCOUNT] = _discount(sheet)
    if found != {name: Decimal(value) for name, value in expected.items()}:
        raise DemoFailed(f"the monthly report says {found}, the records say {dict(expected)}")


def check_progress(files: Mapping[str, bytes], grades: Iterable[str]) -> None:
    """Raise DemoFailed unless both files open and the workbook lists these grades."""
    _check_pdf(files["pdf"], "Progress report")
    cells = [
        cell
        for number in range(len(_workbook(files["xlsx"]).worksheets))
        for row in _rows(files["xlsx"], number)
        for cell in row
    ]
    missing = sorted(grade for grade in set(grades) if grade not in cells)
    if missing:
        raise DemoFailed(f"the progress report lacks the grades {', '.join(missing)}")


def _check_pdf(content: bytes, title: str) -> None:
    text = pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
    if title not in text:
        raise DemoFailed(f"the first page of the PDF does not say {title!r}")


def _discount(sheet: list[tuple[Any, ...]]) -> Decimal:
    """Return the discounts in euros: of the row of the table of fees, which has no such column if there are none."""
    headers = [row for row in sheet if DISCOUNT in row]
    fees = [row for row in sheet if row[0] == "EUR"]
    return Decimal(str(fees[0][headers[0].index(DISCOUNT)])) if headers else Decimal(0)


def _workbook(content: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(content))


def _rows(content: bytes, sheet: int) -> list[tuple[Any, ...]]:
    return list(_workbook(content).worksheets[sheet].iter_rows(values_only=True))
