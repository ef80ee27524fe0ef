"""Figures of a month and of a student, from facts on a real database."""

import datetime as dt
from decimal import Decimal

from reports.domain.averages import averages
from reports.domain.content import Count
from reports.facts.position import Position
from shared.events import PersonChanged, StudentChanged

NOV, DEC = dt.date(2026, 11, 1), dt.date(2026, 12, 1)


async def test_seed_25_a_month_counts_what_happened_from_its_first_day_up_to_the_next_months_first(harness):
    school = await harness.school()
    ada = await harness.student(school)
    for day in (dt.date(2026, 10, 31), NOV, dt.date(2026, 11, 30), DEC):
        await harness.record("behavior", school, ada, happened_on=day)
        await harness.record("absence", school, ada, day=day)
    # when
    report = await harness.monthly(school)
    # then
    assert report.behavior_by_category == (Count("disruption", 2, 1),)
    assert [row.happened_on for row in report.behavior] == [NOV, dt.date(2026, 11, 30)]
    assert report.absences_by_status == (Count("absent", 2, 1),)
    assert (report.behavior[0].student, report.behavior[0].grade) == ("Ada Demo", "05")
    assert (report.students, report.joined, report.left) == (1, 0, 0)


async def test_a_report_has_the_look_that_its_school_had_then(harness):
    look = {"letterhead": "1 Example Road", "color": "#7a1f3d", "logo": "UklGRg=="}
    school = await harness.school(**look)
    first = len(harness.log) - 1
    await harness.school(school_id=school, version=2)
    # when
    then, now = [(await harness.monthly(school, position=Position(at, -1, -1))).school for at in (first, first + 1)]
    # then
    assert (then.letterhead, then.color, then.logo) == ("1 Example Road", "#7a1f3d", b"RIFF")
    assert (now.letterhead, now.color, now.logo) == ("", None, None)


async def test_a_correction_replaces_and_a_withdrawal_removes_as_of_its_offset(harness):
    school = await harness.school()
    ada = await harness.student(school)
    record = await harness.record("behavior", school, ada, category="lateness")
    first = len(harness.log) - 1
    await harness.record("behavior", school, ada, record, version=2, category="disruption")
    second = len(harness.log) - 1
    await harness.record("behavior", school, ada, record, version=3, withdrawn=True)
    # when
    seen = [
        (await harness.monthly(school, position=Position(first, offset, -1))).behavior_by_category
        for offset in (first - 1, first, second, second + 1)
    ]
    # then
    assert [[count.name for count in counts] for counts in seen] == [[], ["lateness"], ["disruption"], []]


async def test_a_refund_is_in_its_own_month_and_takes_nothing_from_the_months_of_discount_and_receipt(harness):
    school = await harness.school()
    ada = await harness.student(school)
    days = {"due_on": dt.date(2026, 10, 15), "discount": Decimal(5)}
    record = await harness.record("payment", school, ada, **days)
    paid = dt.date(2026, 11, 20)
    await harness.record("payment", school, ada, record, version=2, status="received", paid_on=paid, **days)
    back = dt.date(2026, 12, 5)
    await harness.record("payment", school, ada, record, version=3, status="refunded", paid_on=back, **days)
    # when
    months = [await harness.monthly(school, dt.date(2026, month, 1)) for month in (9, 10, 11, 12)]
    # then
    found = [[(m.total, m.discount, m.paid, m.refunded, m.balance) for m in month.money] for month in months]
    hundred, none = Decimal(100), Decimal(0)
    assert found == [
        [],
        [(Decimal(105), Decimal(5), none, none, hundred)],
        [(none, none, hundred, none, none)],
        [(none, none, none, hundred, none)],
    ]
    assert [[(row.status, row.on) for row in month.payments] for month in months] == [
        [],
        [("due", days["due_on"])],
        [("received", paid)],
        [("refunded", back)],
    ]
    assert months[3].money[0].paid_before == hundred


async def test_a_student_who_moved_is_in_both_schools_and_counted_once_a_day(harness):
    first, second = await harness.school(), await harness.school()
    moved = dt.date(2026, 11, 16)
    ada = await harness.student(first, ends=moved)
    await harness.student(second, starts=moved, student=ada, version=2)
    for day, school in ((dt.date(2026, 11, 10), first), (dt.date(2026, 11, 20), second)):
        await harness.record("absence", school, ada, day=day, period="1")
        await harness.record("absence", school, ada, day=day, period="2", status="late")
    # when
    reports = [await harness.monthly(school) for school in (first, second)]
    # then
    assert [(report.students, report.joined, report.left) for report in reports] == [(0, 0, 1), (1, 1, 0)]
    assert [report.absences_by_status for report in reports] == [(Count("absent", 1, 0),)] * 2
    assert [len(report.absences) for report in reports] == [2, 2]


async def test_a_students_profile_has_the_classes_of_the_periods_end(harness):
    school = await harness.school()
    ada = await harness.student(school, classes=("Maths 10b", "Art 7", "Maths 7b"))
    after = dt.datetime(2026, 12, 2, tzinfo=dt.UTC)
    await harness.student(school, grade="06", classes=("Choir",), student=ada, version=2, at=after)
    # when
    november = await harness.progress(school, ada, NOV, DEC)
    december = await harness.progress(school, ada, DEC, dt.date(2027, 1, 1))
    # then
    assert (november.grade, november.classes) == ("05", ("Art 7", "Maths 7b", "Maths 10b"))
    assert (december.grade, december.classes) == ("06", ("Choir",))


async def test_a_student_who_came_after_the_period_has_the_first_classes(harness):
    school = await harness.school()
    ada = await harness.student(school, at=dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC))
    for version, name in ((2, "Art 7"), (3, "Choir")):
        after = dt.datetime(2026, 12, version, 9, tzinfo=dt.UTC)
        await harness.student(school, classes=(name,), student=ada, version=version, at=after)

    assert (await harness.progress(school, ada, NOV, DEC)).classes == ("Art 7",)


async def test_a_students_progress_has_its_grades_remarks_and_fees_of_the_period(harness):
    school = await harness.school()
    ada, ben = await harness.student(school), await harness.student(school, "Ben")
    for student in (ada, ben):
        await harness.record("grade", school, student, term="1")
        await harness.record("remark", school, student)
        await harness.record("behavior", school, student, severity="praise")
        await harness.record("payment", school, student, due_on=NOV)
    await harness.record("grade", school, ada, given_on=DEC)
    # when
    report = await harness.progress(school, ada)
    # then
    assert (report.student, report.grade) == ("Ada Demo", "05")
    assert [(row.course, row.grade, row.term) for row in report.grades] == [("Mathematics", "B+", "1")]
    assert [text for _, text in report.remarks] == ["A made-up remark."]
    assert report.behavior_by_month == ((NOV, 1, 0),)
    assert [(money.total, money.balance) for money in report.money] == [(Decimal(100), Decimal(100))]


async def test_received_payments_are_counted_by_method_in_the_month_of_the_receipt(harness):
    school = await harness.school()
    ada = await harness.student(school)
    october, november = {"paid_on": dt.date(2026, 10, 5)}, {"paid_on": NOV}
    for days, method in (
        (october, "cash"),
        (november, "cash"),
        (november, "card"),
        (november, "card"),
        (november, None),
    ):
        await harness.record("payment", school, ada, status="received", method=method, **days)
    await harness.record("payment", school, ada, due_on=NOV, method="cheque")
    # when
    report = await harness.monthly(school)
    # then
    assert report.received_by_method == (Count("card", 2, 0), Count("cash", 1, 1), Count("unstated", 1, 0))


async def test_a_grade_is_given_excused_or_not_released_and_a_correction_releases_it(harness):
    school = await harness.school()
    ada = await harness.student(school)
    draft = await harness.record("grade", school, ada, grade="9", state="not_released")
    await harness.record("grade", school, ada, grade="", state="excused")
    await harness.record("grade", school, ada, grade="0")
    # when
    before = await harness.progress(school, ada)
    await harness.record("grade", school, ada, draft, version=2, grade="9")
    after = await harness.progress(school, ada)
    # then
    assert {(row.grade, row.state) for row in before.grades} == {("9", "not_released"), ("", "excused"), ("0", "given")}
    assert {(row.grade, row.state) for row in after.grades} == {("9", "given"), ("", "excused"), ("0", "given")}
    assert [(each.value, each.counted) for report in (before, after) for each in averages(report.grades)] == [
        (Decimal(0), 1),
        (Decimal("4.5"), 2),
    ]


async def test_a_student_whose_membership_is_gone_keeps_the_day_of_joining(harness):
    school = await harness.school()
    ada = await harness.student(school, starts=dt.date(2026, 11, 9))
    away = dt.datetime(2026, 12, 3, 9, tzinfo=dt.UTC)
    await harness.append(
        PersonChanged(person_id=ada, given_name="Ada", family_name="Demo", version=2),
        StudentChanged(student_id=ada, school_id=school, grade="05", active=False, version=2),
        at=away,
    )
    # when
    november, december = [await harness.monthly(school, month) for month in (NOV, DEC)]
    # then
    assert [(each.students, each.joined, each.left) for each in (november, december)] == [(1, 1, 0), (0, 0, 1)]
    assert november.enrolments == ((dt.date(2026, 11, 9), "Ada Demo", "05"),)


async def test_fees_of_a_currency_in_which_nothing_moved_this_month_keep_their_balance(harness):
    school = await harness.school()
    ada = await harness.student(school)
    await harness.record("payment", school, ada, due_on=dt.date(2026, 3, 1), currency="USD")
    await harness.record("payment", school, ada, due_on=NOV, status="cancelled", currency="CHF")
    await harness.record("payment", school, ada, status="received", paid_on=dt.date(2026, 3, 1), currency="GBP")
    await harness.record("payment", school, ada, due_on=dt.date(2027, 3, 1), currency="GBP")
    wrong = await harness.record("payment", school, ada, status="received", paid_on=NOV, currency="SEK")
    await harness.record("payment", school, ada, wrong, version=2, withdrawn=True, currency="SEK")
    # when
    report, progress = await harness.monthly(school), await harness.progress(school, ada)
    # then
    assert [(money.currency, money.total, money.balance) for money in report.money] == [("GBP", 0, 0), ("USD", 0, 100)]
    assert progress.money == report.money
    assert [(row.status, row.currency) for row in report.payments] == [("cancelled", "CHF")]
