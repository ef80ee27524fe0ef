"""Outlines a school's month."""

from reports.domain.content import Count, MonthlyReport
from reports.pages.lists import absence_table, behavior_table, fee_table, payment_table
from reports.pages.outline import HIDDEN, Amount, Card, Column, Counts, Outline, Part, Table, Trend
from reports.pages.words import Words


def outline_monthly(report: MonthlyReport, words: Words) -> Outline:
    """Return the parts of a monthly report in reading order: figures and charts first, then the lists."""
    return Outline(
        title=words.text("monthly_title"),
        subject="",
        details=_details(report, words),
        school=report.school,
        period=report.period,
        origin=report.origin,
        cards=_cards(report, words),
        parts=_shared(report, words) if report.shared else (*_figures(report, words), *_lists(report, words)),
    )


def _details(report: MonthlyReport, words: Words) -> tuple[tuple[str, str], ...]:
    """Say that it is the version to share, and what it does not show."""
    if report.shared is None:
        return ()
    note = words.plain_text("share_note", mark=HIDDEN, least=words.number(report.shared.least))
    return ((words.text("to_share"), note),)


def _cards(report: MonthlyReport, words: Words) -> tuple[Card, ...]:
    paid = tuple(
        Card(
            f"{words.text('paid')} ({money.currency})",
            Amount(money.paid, money.currency),
            None if money.paid_before is None else Amount(money.paid_before, money.currency),
        )
        for money in report.money
    )
    return (
        Card(words.text("head_count"), report.students),
        Card(words.text("joined"), report.joined),
        Card(words.text("left"), report.left),
        _sum(words.text("incidents"), _behavior(report, words)),
        _sum(words.text("absences"), _absences(report, words)),
        *paid,
    )


def _sum(label: str, counts: Counts) -> Card:
    before = [count.before for count in counts.rows]
    known = [value for value in before if value is not None]
    return Card(label, counts.sum, sum(known) if len(known) == len(before) > 0 else None)


def _behavior(report: MonthlyReport, words: Words) -> Counts:
    stated = report.shared.incidents if report.shared else None
    title, empty = words.text("behavior_by_category"), words.text("none_behavior")
    return Counts(title, report.behavior_by_category, empty, stated=stated)


def _absences(report: MonthlyReport, words: Words) -> Counts:
    stated = report.shared.absences if report.shared else None
    title, empty = words.text("absences_by_status"), words.text("none_absences")
    return Counts(title, _named(words, report.absences_by_status), empty, stated=stated)


def _shared(report: MonthlyReport, words: Words) -> tuple[Part, ...]:
    """Return the parts of the version to share: those with a number for each name."""
    return tuple(part for part in _figures(report, words) if isinstance(part, Counts))


def _figures(report: MonthlyReport, words: Words) -> tuple[Part, ...]:
    behavior = _behavior(report, words)
    return (
        Counts(
            words.text("students_by_grade"),
            report.students_by_grade,
            words.text("none_students"),
            stated=report.students,
        ),
        behavior,
        Counts(words.text("behavior_by_grade"), report.behavior_by_grade, behavior.empty, stated=behavior.stated),
        _absences(report, words),
        Trend(
            words.text("absences_by_day"),
            "day",
            tuple(day for day, _ in report.absences_by_day),
            ((words.text("absences"), tuple(count for _, count in report.absences_by_day)),),
            words.text("none_absences"),
        ),
        Counts(
            words.text("payments_by_status"),
            _named(words, report.payments_by_status),
            words.text("none_payments"),
            stated=report.shared.payments if report.shared else None,
        ),
        *_methods(report, words),
        fee_table(words, report.money),
        Counts(
            words.text("notifications"),
            _named(words, report.notifications),
            words.text("none_notifications"),
            total=False,
        ),
    )


def _methods(report: MonthlyReport, words: Words) -> tuple[Part, ...]:
    """Count how payments were received; not in a version to share, where their sum would give a hidden count away."""
    if report.shared or not report.received_by_method:
        return ()
    return (Counts(words.text("received_by_method"), _named(words, report.received_by_method), ""),)


def _lists(report: MonthlyReport, words: Words) -> tuple[Table, ...]:
    enrolments = (
        Column(words.text("day"), "day", 3),
        Column(words.text("student"), "text", 8),
        Column(words.text("grade"), "code", 3),
    )
    return (
        Table(words.text("enrolments"), enrolments, report.enrolments, words.text("none_enrolments")),
        behavior_table(words, report.behavior, students=True),
        absence_table(words, report.absences, students=True),
        payment_table(words, report.payments, students=True),
    )


def _named(words: Words, counts: tuple[Count, ...]) -> tuple[Count, ...]:
    return tuple(Count(words.name(count.name), count.value, count.before) for count in counts)
