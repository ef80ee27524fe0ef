"""Equal requests share files; a version to share and a reissue are reports of their own."""

import io

import pypdf
from uuid_utils.compat import uuid7

from services.reports.tests.harness import asked


async def test_an_equal_request_gets_the_same_files_until_a_fact_is_new_or_it_is_forced(harness):
    school = await harness.school()
    ada = await harness.student(school)
    events = [asked(school, ada) for _ in range(2)]
    events.append(asked(school, ada, force=True))
    for event in events:
        await harness.issue(event)
    await harness.record("grade", school, ada)
    events.append(asked(school, ada))
    await harness.issue(events[-1])
    # then
    same = {row["report_id"]: row["same_as"] for row in await harness.rows("SELECT report_id, same_as FROM report")}
    assert [same[event.report_id] for event in events] == [None, events[0].report_id, None, None]
    assert len(await harness.keys()) == 6
    assert len(await harness.emitted("report.ready")) == 3
    rows = await harness.rows("SELECT format, sha256 FROM report_file f JOIN report r USING (report_id) WHERE forced")
    first = await harness.rows("SELECT format, sha256 FROM report_file WHERE report_id = %s", (events[0].report_id,))
    assert {row["format"] for row in rows} == {row["format"] for row in first} == {"pdf", "xlsx"}


async def test_a_version_to_share_is_another_report_than_the_whole_one(harness):
    school = await harness.school()
    await harness.record("behavior", school, await harness.student(school))
    events = [asked(school), asked(school, to_share=True), asked(school, to_share=True)]
    for event in events:
        await harness.issue(event)
    # then
    rows = {
        row["report_id"]: row for row in await harness.rows("SELECT report_id, same_as, smallest_count FROM report")
    }
    whole, shared, again = [rows[event.report_id] for event in events]
    assert [row["smallest_count"] for row in (whole, shared, again)] == [None, 10, 10]
    assert [row["same_as"] for row in (whole, shared, again)] == [None, None, events[1].report_id]
    (file,) = await harness.rows(
        "SELECT * FROM report_file WHERE report_id = %s AND format = 'pdf'", (events[1].report_id,)
    )
    text = pypdf.PdfReader(io.BytesIO(await harness.content(file["blob"]))).pages[0].extract_text()
    assert "Version to share" in text
    assert "Ada" not in text


async def test_a_late_grade_leaves_the_issued_report_and_a_reissue_says_what_it_replaces(harness):
    school = await harness.school()
    ada = await harness.student(school)
    await harness.record("grade", school, ada, grade="C")
    first = asked(school, ada)
    await harness.issue(first)
    issued = await harness.content((await harness.keys())[0])
    # when
    await harness.record("grade", school, ada, course="Languages", grade="A")
    again = asked(school, ada, replaces=first.report_id, reason="A late grade", formats=("pdf",))
    await harness.issue(again)
    # then
    files = await harness.rows("SELECT blob FROM report_file WHERE report_id = %s", (again.report_id,))
    pages = pypdf.PdfReader(io.BytesIO(await harness.content(files[0]["blob"]))).pages
    text = "".join(page.extract_text() for page in pages)
    assert "A late grade" in text
    assert str(first.report_id)[:8] in text
    assert "Languages" in text
    assert issued == await harness.content(next(key for key in await harness.keys() if str(first.report_id) in key))
    announced = [each["report_id"] for each in await harness.emitted("report.ready")]
    assert announced == [str(first.report_id), str(again.report_id)]
    # and what is not a report of this student cannot be replaced
    wrong = asked(school, ada, replaces=uuid7())
    await harness.issue(wrong)
    assert (await harness.states())[wrong.report_id] == "failed"
