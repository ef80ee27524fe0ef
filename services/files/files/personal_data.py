"""What an export of a person's data contains of the file service; the files themselves are downloaded by links."""

from shared.service.personal_data import PersonalData

# Select files about a person, and files that the person uploaded or decided about.
SELECT_FILES = """
SELECT file_id, kind, name, media_type, size, sha256, state, student_id, named_student_id, uploaded_by, uploader_role,
       uploaded_at, pages, code, message, confirmed_by, confirmed_at, deleted_by, deleted_at
FROM file
WHERE school_id = %(school)s
  AND %(person)s IN (student_id, named_student_id, uploaded_by, confirmed_by, deleted_by)
ORDER BY file_id DESC LIMIT %(limit)s
"""
# Select what was read in files about a student, and in files that a guardian uploaded: an erasure removes the same.
SELECT_READINGS = """
SELECT r.file_id, r.revision, r.fields, r.rows, r.notices, r.read_at
FROM reading r JOIN file f USING (file_id)
WHERE f.school_id = %(school)s
  AND (%(person)s IN (f.student_id, f.named_student_id)
       OR f.uploader_role = 'guardian' AND f.uploaded_by = %(person)s)
ORDER BY r.file_id DESC, r.revision DESC LIMIT %(limit)s
"""

PERSONAL_DATA = PersonalData({"files": SELECT_FILES, "readings": SELECT_READINGS})
