"""Renders a notification's template, once for each language of its people, when it is planned."""

import asyncio
from dataclasses import asdict
from typing import Any

from notifier.content import templates
from notifier.content.template_engine import RenderedContent, Unrenderable
from notifier.content.templates import Template
from shared.transactions.unit_of_work import UnitOfWork

UNKNOWN_SCHOOL = {"name": "", "language": "en", "timezone": "UTC"}

# Read what a school's texts are rendered with.
SELECT_SCHOOL = "SELECT name, language, timezone FROM school WHERE school_id = %(school_id)s"

# Find the languages of the people whom a notification is planned for.
SELECT_LANGUAGES = """
SELECT DISTINCT p.language FROM delivery d JOIN person p USING (person_id)
WHERE d.notification_id = %(notification_id)s AND p.language IS NOT NULL
"""

# Keep the content for one language of people; `spoken` is the language of the text.
INSERT_RENDERING = """
INSERT INTO rendering (notification_id, language, school_id, spoken, title, body, html, push_title, push_body)
VALUES (%(notification_id)s, %(asked)s, %(school_id)s, %(language)s, %(title)s, %(body)s, %(html)s, %(push_title)s,
        %(push_body)s)
ON CONFLICT DO NOTHING
"""

# Pin the template's version, and give the notification the text that its sender sees.
UPDATE_CONTENT = """
UPDATE notification SET template_version = %(version)s, title = %(title)s, body = %(body)s
WHERE notification_id = %(notification_id)s
"""


async def render_notification(tx: UnitOfWork, notification: dict[str, Any]) -> str | None:
    """Render a planned notification's template and pin its version; return why that is impossible, or None.

    A language without a text falls back to the school's, then to English. The notification itself gets the text in the
    school's language: it is the one that its sender sees.
    """
    if notification["template"] is None:
        return None
    ids = {"notification_id": notification["notification_id"], "school_id": notification["school_id"]}
    school = await load_school(tx, ids["school_id"])
    pinned = notification["template_version"]
    template = await templates.load(tx, notification["school_id"], notification["template"], pinned)
    variables = {**notification["variables"], "school": school["name"]}
    asked = {school["language"], *(row["language"] for row in await tx.rows(SELECT_LANGUAGES, ids))}
    try:
        # In a thread: a school's own template may take a while, and people may have many languages.
        contents = await asyncio.to_thread(_render_all, template, sorted(asked), school, variables)
    except Unrenderable as problem:
        return f"template {notification['template']!r}: {problem}"
    for tag, content in contents.items():
        await tx.execute(INSERT_RENDERING, ids | {"asked": tag} | asdict(content))
    content = contents[school["language"]]
    await tx.execute(UPDATE_CONTENT, ids | {"version": template.version} | asdict(content))
    return None


def _render_all(
    template: Template, asked: list[str], school: dict[str, Any], variables: dict[str, str]
) -> dict[str, RenderedContent]:
    return {tag: template.render(tag, school["language"], school["timezone"], variables) for tag in asked}


async def load_school(tx: UnitOfWork, school: Any) -> dict[str, Any]:
    """Return name, language and timezone of a school, or of one that the directory does not know yet."""
    return await tx.row(SELECT_SCHOOL, {"school_id": school}) or UNKNOWN_SCHOOL
