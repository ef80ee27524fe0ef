"""What an export of a person's data contains of reports. The facts are copies of records, which the gateway exports."""

from shared.service.personal_data import PersonalData

# Select reports about a student, and those that a person asked for.
SELECT_REPORTS = """
SELECT report_id, kind, student_id, requested_by, starts, ends, language, state, reason, requested_at, ready_at
FROM report
WHERE school_id = %(school)s AND %(person)s IN (student_id, requested_by)
ORDER BY report_id DESC LIMIT %(limit)s
"""
# Select the files of reports about a student.
SELECT_REPORT_FILES = """
SELECT f.report_id, f.format, f.media_type, f.size, f.sha256
FROM report r JOIN report_file f ON f.report_id = coalesce(r.same_as, r.report_id)
WHERE r.school_id = %(school)s AND r.student_id = %(person)s
ORDER BY f.report_id DESC, f.format LIMIT %(limit)s
"""

PERSONAL_DATA = PersonalData({"reports": SELECT_REPORTS, "report_files": SELECT_REPORT_FILES})
