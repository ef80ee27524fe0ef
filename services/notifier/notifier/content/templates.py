"""A school's own templates and the built-in ones: which texts are current, and every version there has been."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from notifier.content import builtin
from notifier.content.template_engine import RenderedContent, Texts, Unrenderable, languages, render
from shared.transactions.unit_of_work import UnitOfWork

# Read a school's current template, or all of them.
SELECT_CURRENT_TEMPLATES = """
SELECT DISTINCT ON (name) name, version, variables, texts, changed_by, changed_at FROM template
WHERE school_id = %(school_id)s AND (%(name)s::text IS NULL OR name = %(name)s)
ORDER BY name, version DESC
"""

# Read one version of a school's template.
SELECT_TEMPLATE_VERSION = """
SELECT name, version, variables, texts, changed_by, changed_at FROM template
WHERE school_id = %(school_id)s AND name = %(name)s AND version = %(version)s
"""

# Write the version after the one that the writer has seen; no row where another one is current.
INSERT_TEMPLATE_VERSION = """
INSERT INTO template (school_id, name, version, variables, texts, changed_by)
SELECT %(school_id)s, %(name)s, %(seen)s::int + 1, %(variables)s, %(texts)s, %(person)s
WHERE %(seen)s::int = coalesce((SELECT max(version) FROM template
                           WHERE school_id = %(school_id)s AND name = %(name)s), 0)
ON CONFLICT DO NOTHING RETURNING version, changed_at
"""


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it stands for a school. `version` 0: the school has no texts of its own."""

    name: str
    version: int
    variables: tuple[str, ...]
    own: dict[str, Texts]
    row: dict[str, Any] | None = None

    @property
    def builtin(self) -> dict[str, Texts]:
        """The built-in texts by language; empty for a name that only this school has."""
        return builtin.texts(self.name)

    @property
    def exists(self) -> bool:
        """Whether the template has any text."""
        return bool(self.own or self.builtin)

    @property
    def allowed(self) -> tuple[str, ...]:
        """The variables that its texts may use."""
        return (*builtin.COMMON_VARIABLES, *self.variables)

    def render(self, asked: str | None, school: str, timezone: str, variables: dict[str, str]) -> RenderedContent:
        """Render the texts in the first language that has some; within a language the school's own texts come first.

        Raise Unrenderable where there are no texts or a variable is missing.
        """
        for language in (*languages(asked, school), *self.own):
            texts = self.own.get(language) or self.builtin.get(language)
            if texts is not None:
                content = render(texts, variables, _locale_for(asked, language), timezone)
                return replace(content, language=language)
        raise Unrenderable(f"there is no template {self.name!r}")


def _locale_for(asked: str | None, language: str) -> str:
    """Return the locale for dates and amounts: the asked one where it is of the text's language, else the text's."""
    return asked if asked and asked.partition("-")[0] == language.partition("-")[0] else language


async def load(tx: UnitOfWork, school: UUID, name: str, version: int | None = None) -> Template:
    """Return a template of a school: the current one, or a version (0: the built-in one)."""
    if version == 0:
        return _of(name, None)
    ids = {"school_id": school, "name": name}
    if version is None:
        return _of(name, await tx.row(SELECT_CURRENT_TEMPLATES, ids))
    return _of(name, await tx.row(SELECT_TEMPLATE_VERSION, ids | {"version": version}))


async def load_all(tx: UnitOfWork, school: UUID) -> list[Template]:
    """Return every template that a school can send, by name."""
    rows = await tx.rows(SELECT_CURRENT_TEMPLATES, {"school_id": school, "name": None})
    own = {row["name"]: row for row in rows}
    found = [_of(name, own.get(name)) for name in sorted({*own, *builtin.VARIABLES})]
    return [template for template in found if template.exists]


async def save(
    tx: UnitOfWork, school: UUID, template: Template, texts: dict[str, Texts] | None, person: UUID | None
) -> dict[str, Any] | None:
    """Write the version after `template`'s, None for texts deletes it; None where another writer was faster."""
    values = {
        "school_id": school,
        "name": template.name,
        "seen": template.version,
        "variables": list(template.variables),
        "texts": None if texts is None else Jsonb({tag: each.parts for tag, each in texts.items()}),
        "person": person,
    }
    return await tx.row(INSERT_TEMPLATE_VERSION, values)


def _of(name: str, row: dict[str, Any] | None) -> Template:
    declared = builtin.VARIABLES.get(name) or tuple(row["variables"] if row else ())
    own = {tag: Texts(**parts) for tag, parts in ((row or {}).get("texts") or {}).items()}
    return Template(name, row["version"] if row else 0, declared, own, row)
