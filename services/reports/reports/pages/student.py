"""Outlines a student's progress over a period."""

from reports.domain.averages import averages
from reports.domain.content import Count, GradeRow, StudentReport
from reports.pages.lists import absence_table, behavior_table, fee_table, payment_table
from reports.pages.outline import Card, Column, Counts, Outline, Part, Table, Trend
from reports.pages.words import Words


def outline_student(report: StudentReport, words: Words) -> Outline:
    """Return the parts of a progress report in reading order."""
    return Outline(
        title=words.text("student_title"),
        subject=report.student,
        details=_details(report, words),
        school=report.school,
        period=report.period,
        origin=report.origin,
        cards=(
            Card(words.text("grades"), sum(row.state == "given" and bool(row.grade) for row in report.grades)),
            Card(words.text("absences"), sum(count.value or 0 for count in report.absences_by_status)),
            Card(words.text("praises"), sum(row.severity == "praise" for row in report.behavior)),
            Card(words.text("misconduct"), sum(row.severity != "praise" for row in report.behavior)),
        ),
        parts=_parts(report, words),
    )


def _details(report: StudentReport, words: Words) -> tuple[tuple[str, str], ...]:
    details = (
        (words.text("number"), report.number),
        (words.text("grade"), report.grade),
        (words.text("classes"), ", ".join(report.classes)),
    )
    return tuple((label, value) for label, value in details if value)


def _parts(report: StudentReport, words: Words) -> tuple[Part, ...]:
    months = report.behavior_by_month
    attendance = tuple(Count(words.name(each.name), each.value, each.before) for each in report.absences_by_status)
    return (
        _grade_table(report.grades, words),
        *((_average_table(report.grades, words),) if report.grades else ()),
        Counts(words.text("attendance"), attendance, words.text("none_absences")),
        absence_table(words, report.absences, students=False),
        Trend(
            words.text("behavior_by_month"),
            "month",
            tuple(month for month, _, _ in months),
            (
                (words.text("praises"), tuple(praises for _, praises, _ in months)),
                (words.text("misconduct"), tuple(incidents for _, _, incidents in months)),
            ),
            words.text("none_behavior"),
        ),
        behavior_table(words, report.behavior, students=False),
        payment_table(words, report.payments, students=False),
        fee_table(words, report.money),
        Table(
            words.text("remarks"),
            (Column(words.text("day"), "day", 3), Column(words.text("remark"), "text", 17)),
            report.remarks,
            words.text("none_remarks"),
        ),
    )


def _grade_table(rows: tuple[GradeRow, ...], words: Words) -> Table:
    columns = (
        Column(words.text("course"), "text", 7),
        Column(words.text("term"), "text", 4),
        Column(words.text("day"), "day", 4),
        Column(words.text("mark"), "code", 4),
    )
    cells = tuple((row.course, row.term, row.given_on, _written(row, words)) for row in rows)
    return Table(words.text("grades"), columns, cells, words.text("none_grades"))


def _written(row: GradeRow, words: Words) -> str:
    """Write a grade: blank, excused and unreleased ones are three things, and none of them is zero."""
    if row.state == "given":
        return row.grade or words.name("blank")
    return words.name("excused_grade" if row.state == "excused" else "not_released")


def _average_table(rows: tuple[GradeRow, ...], words: Words) -> Table:
    columns = (
        Column(words.text("course"), "text", 7),
        Column(words.text("average"), "number", 4),
        Column(words.text("counted"), "count", 4),
    )
    cells = tuple((each.course, each.value, each.counted) for each in averages(rows))
    return Table(
        words.text("averages"),
        columns,
        cells,
        words.text("none_averages"),
        whole=True,
        note=words.text("averages_note"),
    )
