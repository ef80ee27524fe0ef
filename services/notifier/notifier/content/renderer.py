"""The words of a notification: made once for each language that its people are addressed in, when it is planned."""

from typing import Any

from notifier.content import templates
from notifier.content.template_engine import Unrenderable
from shared.transactions.unit_of_work import UnitOfWork

UNKNOWN_SCHOOL = {"name": "", "language": "en", "timezone": "UTC"}
SCHOOL = "SELECT name, language, timezone FROM school WHERE school_id = %(school_id)s"
LANGUAGES = """
SELECT DISTINCT p.language FROM delivery d JOIN person p USING (person_id)
WHERE d.notification_id = %(notification_id)s AND p.language IS NOT NULL
"""
KEEP = """
INSERT INTO rendering (notification_id, language, school_id, spoken, title, body, html, push_title, push_body)
VALUES (%(notification_id)s, %(language)s, %(school_id)s, %(spoken)s, %(title)s, %(body)s, %(html)s, %(push_title)s,
        %(push_body)s)
ON CONFLICT DO NOTHING
"""
PIN = """
UPDATE notification SET template_version = %(version)s, title = %(title)s, body = %(body)s
WHERE notification_id = %(notification_id)s
"""


async def word(tx: UnitOfWork, notification: dict[str, Any]) -> str | None:
    """Render a planned notification's template and pin its version; why it cannot be done, or None.

    What a person's language has no words for falls back to the school's, then to English. The notification itself gets
    the words in the school's language: what its sender sees.
    """
    if notification["template"] is None:
        return None
    ids = {"notification_id": notification["notification_id"], "school_id": notification["school_id"]}
    school = await tx.row(SCHOOL, ids) or UNKNOWN_SCHOOL
    pinned = notification["template_version"]
    template = await templates.in_force(tx, notification["school_id"], notification["template"], pinned)
    variables = {**notification["variables"], "school": school["name"]}
    asked = {school["language"], *(row["language"] for row in await tx.rows(LANGUAGES, ids))}
    try:
        said = {tag: template.say(tag, school["language"], school["timezone"], variables) for tag in sorted(asked)}
    except Unrenderable as problem:
        return f"template {notification['template']!r}: {problem}"
    for tag, (spoken, words) in said.items():
        await tx.execute(
            KEEP,
            ids
            | {
                "language": tag,
                "spoken": spoken,
                "title": words.title,
                "body": words.body,
                "html": words.html,
                "push_title": words.push_title,
                "push_body": words.push_body,
            },
        )
    words = said[school["language"]][1]
    await tx.execute(PIN, ids | {"version": template.version, "title": words.title, "body": words.body})
    return None
