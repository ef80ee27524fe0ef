"""The lists that both kinds of report have."""

from reports.domain.content import AbsenceRow, BehaviorRow, Money, PaymentRow
from reports.pages.outline import Amount, Cell, Column, Table
from reports.pages.words import Words


def behavior_table(words: Words, rows: tuple[BehaviorRow, ...], *, students: bool) -> Table:
    """List behaviour records; with `students` each row names its student and grade."""
    columns = (Column(words.text("day"), "day", 3), *_student_columns(words, shown=students))
    columns += (Column(words.text("category"), "text", 4), Column(words.text("severity"), "text", 3))
    columns += (Column(words.text("description"), "text", 7),)
    cells = tuple(
        (row.happened_on, *_student(row, shown=students), row.category, words.name(row.severity), row.description)
        for row in rows
    )
    return Table(words.text("behavior"), columns, cells, words.text("none_behavior"))


def absence_table(words: Words, rows: tuple[AbsenceRow, ...], *, students: bool) -> Table:
    """List absences; with `students` each row names its student and grade."""
    columns = (Column(words.text("day"), "day", 3), *_student_columns(words, shown=students))
    columns += (Column(words.text("status"), "text", 3), Column(words.text("lesson"), "code", 2))
    columns += (Column(words.text("reason"), "text", 6),)
    cells = tuple(
        (row.day, *_student(row, shown=students), words.name(row.status), row.period, row.reason) for row in rows
    )
    return Table(words.text("absences"), columns, cells, words.text("none_absences"))


def payment_table(words: Words, rows: tuple[PaymentRow, ...], *, students: bool) -> Table:
    """List payments; with `students` each row names its student."""
    columns: tuple[Column, ...] = (Column(words.text("day"), "day", 3),)
    columns += (Column(words.text("student"), "text", 5),) if students else ()
    columns += (Column(words.text("status"), "text", 3), Column(words.text("amount"), "money", 3))
    columns += (Column(words.text("currency"), "code", 2), Column(words.text("purpose"), "text", 4))
    columns += (Column(words.text("reference"), "code", 3),)
    cells = tuple(
        (
            row.on,
            *((row.student,) if students else ()),
            words.name(row.status),
            Amount(row.amount, row.currency),
            row.currency,
            row.purpose,
            row.reference,
        )
        for row in rows
    )
    return Table(words.text("payments"), columns, cells, words.text("none_payments"))


def fee_table(words: Words, rows: tuple[Money, ...]) -> Table:
    """List the fees of each currency; amounts of different currencies are never added."""
    compared = any(row.paid_before is not None for row in rows)
    discounted = any(row.discount for row in rows)  # a column of zeros would be a claim
    names = (
        "total",
        *(("discount",) if discounted else ()),
        *("paid", "refunded", "balance"),
        *(("paid_before",) if compared else ()),
    )
    columns = (Column(words.text("currency"), "code", 2), *(Column(words.text(name), "money", 3) for name in names))
    cells = tuple((row.currency, *(_amount(row, name) for name in names)) for row in rows)
    return Table(words.text("fees"), columns, cells, words.text("none_fees"), whole=True)


def _amount(row: Money, name: str) -> Amount | None:
    value = getattr(row, name)
    return None if value is None else Amount(value, row.currency)


def _student_columns(words: Words, *, shown: bool) -> tuple[Column, ...]:
    return (Column(words.text("student"), "text", 5), Column(words.text("grade"), "code", 3)) if shown else ()


def _student(row: BehaviorRow | AbsenceRow, *, shown: bool) -> tuple[Cell, ...]:
    return (row.student, row.grade) if shown else ()
