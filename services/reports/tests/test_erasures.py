"""An erased student leaves the facts, and every stored report that may name them."""

import hashlib
import io
import zipfile

import pypdf

from reports import handlers
from reports.making import cleanup, redraw
from services.reports.tests.harness import NOW, asked
from shared.events import PersonChanged


async def test_an_erasure_empties_the_facts_and_removes_the_students_reports(harness):
    school = await harness.school()
    ada, ben = await harness.student(school), await harness.student(school, "Ben")
    for student in (ada, ben):
        await harness.record("remark", school, student)
        await harness.record("absence", school, student, reason="A made-up reason")
        event = asked(school, student)
        await harness.issue(event)
    erased = PersonChanged(person_id=ada, active=False, version=9, erased_at=NOW)
    # when
    await harness.append(erased)
    await handlers.erase(harness.service.transactions)
    await cleanup.clean_erased(harness.service.transactions, harness.store)
    # then
    names = await harness.rows("SELECT DISTINCT given_name FROM person_fact")
    assert {row["given_name"] for row in names} == {None, "Ben"}
    texts = await harness.rows("SELECT text, student_id FROM remark_fact")
    assert {row["student_id"]: row["text"] for row in texts} == {ada: "", ben: "A made-up remark."}
    reasons = await harness.rows("SELECT student_id FROM absence_fact WHERE reason IS NOT NULL")
    assert [row["student_id"] for row in reasons] == [ben]
    assert [row["student_id"] for row in await harness.rows("SELECT student_id FROM report")] == [ben]
    assert len(await harness.keys()) == 2
    report = await harness.monthly(school)
    assert (report.students, sorted(row.student for row in report.absences)) == (2, ["", "Ben Demo"])


async def test_stored_reports_of_a_school_are_drawn_again_without_the_names_of_an_erased_student(harness):
    school, other = await harness.school(), await harness.school()
    ada, ben = await harness.student(school, "Ada", "07"), await harness.student(school, "Ben", "07")
    for student, text in ((ada, "Mischief"), (ben, "Kindness")):
        await harness.record("behavior", school, student, description=text)
    await harness.record("behavior", other, await harness.student(other, "Ada"))
    formats = ("csv", "pdf", "xlsx")
    events = [asked(school, formats=formats), asked(school, grade="07", formats=("pdf", "zip")), asked(other)]
    for event in events:
        await harness.issue(event)
    before = await harness.files()
    await harness.record("behavior", school, ben)  # it is in no report that was made before
    # when
    await harness.append(PersonChanged(person_id=ada, active=False, version=9, erased_at=NOW))
    await handlers.erase(harness.service.transactions)
    for _ in range(2):
        await redraw.redraw(harness.service.transactions, harness.store)
    # then
    after = await harness.files()
    changed = {
        event.report_id: {after[key] != before[key] for key in before if key[0] == event.report_id} for event in events
    }
    assert list(changed.values()) == [{True}, {True}, {False}]
    month, grade, _ = [event.report_id for event in events]
    for form in formats:
        old, new = [texts(form, files[month, form]) for files in (before, after)]
        for word in ("Ada Demo", "Mischief"):
            assert (word in old, word in new) == (True, False), (form, word)
        assert "Ben Demo" in new
        assert "Kindness" in new
    figures = [texts("csv", files[month, "csv"]).split("Behaviour by category")[1][:40] for files in (before, after)]
    assert figures[0] == figures[1]
    assert zipfile.ZipFile(io.BytesIO(after[grade, "zip"])).namelist() == ["Ben Demo.pdf"]
    assert "Ada" not in texts("pdf", after[grade, "pdf"])
    digests = {
        (row["report_id"], row["format"]): row["sha256"] for row in await harness.rows("SELECT * FROM report_file")
    }
    assert digests == {key: hashlib.sha256(content).hexdigest() for key, content in after.items()}
    # and what is drawn now needs no second drawing
    again = asked(school)
    await harness.issue(again)
    assert await harness.rows(redraw.SELECT_OUTDATED) == []
    # and a grade without students has no report any more
    await harness.append(PersonChanged(person_id=ben, active=False, version=9, erased_at=NOW))
    await handlers.erase(harness.service.transactions)
    await redraw.redraw(harness.service.transactions, harness.store)
    assert set(await harness.states()) == {month, events[2].report_id, again.report_id}
    assert len(await harness.keys()) == 7


async def test_a_text_that_arrives_after_an_erasure_is_removed_from_reports_that_were_drawn_with_it(harness):
    school = await harness.school()
    ada = await harness.student(school)
    read_before = harness.made("behavior", school, ada, description="Mischief")
    await harness.append(PersonChanged(person_id=ada, active=False, version=9, erased_at=NOW))
    await handlers.erase(harness.service.transactions)
    await harness.append(read_before)
    event = asked(school, formats=("csv",))
    await harness.issue(event)
    (with_text,) = (await harness.files()).values()
    assert "Mischief" in texts("csv", with_text)
    # when
    await handlers.erase(harness.service.transactions)
    await redraw.redraw(harness.service.transactions, harness.store)
    # then
    (drawn_again,) = (await harness.files()).values()
    assert "Mischief" not in texts("csv", drawn_again)
    assert "Behaviour by category,disruption,1" in texts("csv", drawn_again)
    assert await harness.rows(redraw.SELECT_OUTDATED) == []


def texts(form, content):
    """All texts of a file."""
    if form == "pdf":
        return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    archive = zipfile.ZipFile(io.BytesIO(content))
    return "\n".join(archive.read(name).decode("utf-8-sig") for name in archive.namelist() if not name.endswith("png"))
