"""What the report service says about a person for an export."""

from uuid import uuid4

from reports.personal_data import PERSONAL_DATA
from services.reports.tests.harness import asked


async def exported(harness, person, school):
    async with harness.service.transactions.request(school) as tx:
        return (await PERSONAL_DATA.read(tx, person, school)).parts


async def test_reports_about_a_student_are_exported_with_their_files(harness):
    school, office = await harness.school(), uuid4()
    ada, ben = await harness.student(school), await harness.student(school, "Ben")
    event = asked(school, ada, requested_by=office)
    await harness.issue(event)

    about, requested = await exported(harness, ada, school), await exported(harness, office, school)

    assert [each["report_id"] for each in about["reports"]] == [event.report_id]
    assert about["report_files"][0]["report_id"] == event.report_id
    assert ([each["report_id"] for each in requested["reports"]], requested["report_files"]) == ([event.report_id], [])
    assert not any((await exported(harness, ben, school)).values())
    assert not any((await exported(harness, ada, await harness.school())).values())
