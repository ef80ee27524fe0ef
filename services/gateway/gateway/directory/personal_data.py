"""What an export of a person's data contains of the gateway: parts of a school, and the account."""

from shared.service.personal_data import PersonalData

# Select the roles of a person at a school.
SELECT_MEMBERSHIPS = """
SELECT role, grade, starts, ends, sourced_id FROM membership
WHERE school_id = %(school)s AND person_id = %(person)s ORDER BY role LIMIT %(limit)s
"""
# Select a person as a student.
SELECT_STUDENT = """
SELECT grade, active FROM student WHERE school_id = %(school)s AND student_id = %(person)s LIMIT %(limit)s
"""
# Select the classes of a person.
SELECT_ENROLMENTS = """
SELECT e.class_id, c.title, e.role, e.leads, e.starts, e.ends, e.sourced_id
FROM enrolment e JOIN school_class c USING (class_id)
WHERE e.school_id = %(school)s AND e.person_id = %(person)s ORDER BY e.class_id DESC LIMIT %(limit)s
"""
# Select a person's guardians, and the students that the person is a guardian of.
SELECT_GUARDIANSHIPS = """
SELECT student_id, guardian_id, relationship, custody, billing, emergency, rank FROM guardianship
WHERE school_id = %(school)s AND %(person)s IN (student_id, guardian_id)
ORDER BY student_id, rank LIMIT %(limit)s
"""
# Select what the school recorded of them.
SELECT_GUARDIAN_CHOICES = """
SELECT student_id, guardian_id, guardian, added, custody, billing, emergency, rank FROM guardian_choice
WHERE school_id = %(school)s AND %(person)s IN (student_id, guardian_id)
ORDER BY student_id, guardian_id LIMIT %(limit)s
"""
# Select the records of a student.
SELECT_RECORDS = """
SELECT record_id, kind, day, status, facts, version, withdrawn, recorded_at, changed_at FROM record
WHERE school_id = %(school)s AND student_id = %(person)s ORDER BY day DESC, record_id DESC LIMIT %(limit)s
"""
# Select the tasks that a person requested.
SELECT_TASKS = """
SELECT task_id, kind, state, created_at, changed_at FROM task
WHERE school_id = %(school)s AND created_by = %(person)s ORDER BY created_at DESC LIMIT %(limit)s
"""
# Select the API keys that a person made.
SELECT_API_KEYS = """
SELECT key_id, name, role, scopes, hint, created_at, expires_at, last_used_at, revoked_at FROM api_key
WHERE school_id = %(school)s AND created_by = %(person)s ORDER BY key_id DESC LIMIT %(limit)s
"""
# Select the large sends that a person requested or decided about.
SELECT_HELD_SENDS = """
SELECT approval_id, state, people, requested_by = %(person)s AS requested, requested_at, decided_at, reason
FROM held_send WHERE school_id = %(school)s AND %(person)s IN (requested_by, decided_by)
ORDER BY approval_id DESC LIMIT %(limit)s
"""
# Acts by a person, and acts about the person: those are shown without the person who acted.
ACTS = """
SELECT at, action, role, status, code, person_id IS NOT DISTINCT FROM %(person)s AS own,
       CASE WHEN person_id = %(person)s THEN subject END AS subject
FROM audit
WHERE (person_id = %(person)s OR EXISTS (
    SELECT FROM jsonb_each_text(subject) AS named WHERE named.value = %(person)s::text)) AND
"""
# Select such acts at a school.
SELECT_ACTS = f"{ACTS} school_id = %(school)s ORDER BY audit_id DESC LIMIT %(limit)s"
SCHOOL_PARTS = PersonalData(
    {
        "memberships": SELECT_MEMBERSHIPS,
        "student": SELECT_STUDENT,
        "enrolments": SELECT_ENROLMENTS,
        "guardianships": SELECT_GUARDIANSHIPS,
        "guardian_choices": SELECT_GUARDIAN_CHOICES,
        "records": SELECT_RECORDS,
        "tasks": SELECT_TASKS,
        "api_keys": SELECT_API_KEYS,
        "held_sends": SELECT_HELD_SENDS,
        "acts": SELECT_ACTS,
    }
)
"""For the administrators of the school, too."""

# Select how a person signs in.
SELECT_ACCOUNT = """
SELECT hash IS NOT NULL AS has_password, firebase_uid, sign_in_address, school_id, changed_at FROM account
WHERE person_id = %(person)s LIMIT %(limit)s
"""
# Select the names that a person signs in with.
SELECT_ACCOUNT_NAMES = "SELECT name FROM account_name WHERE person_id = %(person)s ORDER BY name LIMIT %(limit)s"
# Select whether a person administers the group.
SELECT_ADMINISTRATOR = "SELECT since FROM administrator WHERE person_id = %(person)s LIMIT %(limit)s"
# Select a person's sessions, those at other schools than the given one left out.
SELECT_SESSIONS = """
SELECT family AS session, role, school_id, issued_at, used_at, expires_at, revoked_at FROM refresh_token
WHERE person_id = %(person)s AND (%(school)s::uuid IS NULL OR school_id IS NULL OR school_id = %(school)s)
ORDER BY issued_at DESC LIMIT %(limit)s
"""
# Select the invitations of a person, those of other schools than the given one left out.
SELECT_INVITATIONS = """
SELECT school_id, expires_at, used_at FROM invitation
WHERE person_id = %(person)s AND (%(school)s::uuid IS NULL OR school_id IS NULL OR school_id = %(school)s)
ORDER BY expires_at DESC LIMIT %(limit)s
"""
# Select the devices of a person.
SELECT_DEVICES = """
SELECT token, fid, platform, registered_at FROM device
WHERE person_id = %(person)s ORDER BY registered_at DESC LIMIT %(limit)s
"""
# Select such acts that are of no school.
SELECT_GROUP_ACTS = f"{ACTS} school_id IS NULL ORDER BY audit_id DESC LIMIT %(limit)s"
ACCOUNT_PARTS = PersonalData(
    {
        "account": SELECT_ACCOUNT,
        "account_names": SELECT_ACCOUNT_NAMES,
        "administrator": SELECT_ADMINISTRATOR,
        "sessions": SELECT_SESSIONS,
        "invitations": SELECT_INVITATIONS,
        "devices": SELECT_DEVICES,
        "acts": SELECT_GROUP_ACTS,
    }
)
"""For the person and for the administrators of the group only: no school has to know of the others."""

# Find the schools that know a person.
FIND_SCHOOLS = """
SELECT school_id FROM membership WHERE person_id = %(person)s
UNION SELECT school_id FROM student WHERE student_id = %(person)s
UNION SELECT school_id FROM guardianship WHERE guardian_id = %(person)s
UNION SELECT school_id FROM enrolment WHERE person_id = %(person)s
ORDER BY school_id
"""
