"""Makes the version of a month that may leave the school: no names, and no count of so few that it points at people.

A reader who adds and subtracts, and who knows these rules, must not find a hidden count. So what is hidden beside a
small count never depends on the values, only on the order of the names; and hidden counts come to so much that each
could still be any number below the smallest one that is shown (decision 0061).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reports.domain.content import Count, MonthlyReport, Shared
from reports.domain.counts import natural


def share(report: MonthlyReport, least: int) -> MonthlyReport:
    """Return a month without lists, days, amounts and comparisons, and without counts from 1 up to `least`."""
    grades, students = hide_together([report.students_by_grade], least)
    behavior, incidents = hide_together([report.behavior_by_category, report.behavior_by_grade], least)
    absent, absences = hide_together([report.absences_by_status], least)
    paid, payments = hide_together([report.payments_by_status], least)
    moves = _all_or_none((report.joined, report.left), least)
    return replace(
        report,
        students=students,
        joined=moves[0],
        left=moves[1],
        students_by_grade=grades[0],
        behavior_by_category=behavior[0],
        behavior_by_grade=behavior[1],
        absences_by_status=absent[0],
        payments_by_status=paid[0],
        received_by_method=(),
        notifications=tuple(Count(each.name, _alone(each.value, least)) for each in report.notifications),
        shared=Shared(least, incidents=incidents, absences=absences, payments=payments),
        enrolments=(),
        absences_by_day=(),
        money=(),
        behavior=(),
        payments=(),
        absences=(),
    )


def hidden(values: Sequence[int], least: int) -> frozenset[int] | None:
    """Return the places of counts to hide beside their total; None if the total has to be hidden too.

    Zero is shown: it is about no person. Beside small counts, large ones are hidden in their order, at least one, until
    a reader who knows which of the hidden ones are small still finds each number from 1 up to `least` possible.
    """
    small = {at for at, value in enumerate(values) if 0 < value < least}
    if not small:
        return frozenset()
    large: list[int] = []
    rest = sum(values[at] for at in small) - len(small) - least + 2
    for at, value in enumerate(values):
        if value >= least:
            large.append(at)
            rest += value - least
            if rest >= 0:
                return frozenset(small.union(large))
    return None


def hide_together(tables: Sequence[tuple[Count, ...]], least: int) -> tuple[list[tuple[Count, ...]], int | None]:
    """Hide counts of tables that have one total, which is returned; None: no table may show what gives it away."""
    ordered = [sorted(_counts(table), key=lambda count: natural(count[0])) for table in tables]
    places = [hidden([value for _, value in table], least) for table in ordered]
    secret = any(each is None for each in places)
    shown = [
        tuple(Count(name, None if secret or at in (where or ()) else value) for at, (name, value) in enumerate(table))
        for table, where in zip(ordered, places, strict=True)
    ]
    return shown, None if secret else sum(value for _, value in ordered[0])


def _counts(table: Iterable[Count]) -> list[tuple[str, int]]:
    """Return names and values; what only the period before had is left out."""
    return [(count.name, count.value) for count in table if count.value]


def _alone(value: int | None, least: int) -> int | None:
    return value if not value or value >= least else None


def _all_or_none(values: Sequence[int | None], least: int) -> Sequence[int | None]:
    """Hide all if one is small: head-counts of two months give the difference of who joined and who left."""
    return values if all(_alone(each, least) == each for each in values) else [None] * len(values)
