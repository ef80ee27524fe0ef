"""A school's own templates and the built-in ones: which texts are in force, and every version that ever was."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from notifier.content import builtin
from notifier.content.template_engine import Texts, Unrenderable, Words, languages, render
from shared.transactions.unit_of_work import UnitOfWork

IN_FORCE = """
SELECT DISTINCT ON (name) name, version, variables, texts, changed_by, changed_at FROM template
WHERE school_id = %(school_id)s AND (%(name)s::text IS NULL OR name = %(name)s)
ORDER BY name, version DESC
"""
AT_VERSION = """
SELECT name, version, variables, texts, changed_by, changed_at FROM template
WHERE school_id = %(school_id)s AND name = %(name)s AND version = %(version)s
"""
# One statement decides: the version after the one that the writer has seen, or nothing.
SAVE = """
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
        """Whether there is anything to say."""
        return bool(self.own or self.builtin)

    @property
    def allowed(self) -> tuple[str, ...]:
        """The variables that its texts may use."""
        return (*builtin.COMMON, *self.variables)

    def say(self, asked: str | None, school: str, timezone: str, variables: dict[str, str]) -> tuple[str, Words]:
        """(language, words): the asked language first, within a language the school's own texts; then what is next.

        Raises Unrenderable where there are no texts or a variable is missing.
        """
        for language in (*languages(asked, school), *self.own):
            texts = self.own.get(language) or self.builtin.get(language)
            if texts is not None:
                return language, render(texts, variables, _closest(asked, language), timezone)
        raise Unrenderable(f"there is no template {self.name!r}")


def _closest(asked: str | None, spoken: str) -> str:
    """The locale for dates and amounts: the asked one where it is the words' own language, their language elsewhere."""
    return asked if asked and asked.partition("-")[0] == spoken.partition("-")[0] else spoken


async def in_force(tx: UnitOfWork, school: UUID, name: str, version: int | None = None) -> Template:
    """A template of a school: the newest, or a version that was pinned (0: the built-in one)."""
    if version == 0:
        return _of(name, None)
    query, values = (IN_FORCE, {}) if version is None else (AT_VERSION, {"version": version})
    return _of(name, await tx.row(query, {"school_id": school, "name": name} | values))


async def all_in_force(tx: UnitOfWork, school: UUID) -> list[Template]:
    """Every template that a school can send, by name."""
    own = {row["name"]: row for row in await tx.rows(IN_FORCE, {"school_id": school, "name": None})}
    found = [_of(name, own.get(name)) for name in sorted({*own, *builtin.VARIABLES})]
    return [template for template in found if template.exists]


async def save(
    tx: UnitOfWork, school: UUID, template: Template, texts: dict[str, Texts] | None, person: UUID | None
) -> dict[str, Any] | None:
    """Write the version after `template`'s, None for texts deletes it; None when somebody else was faster."""
    values = {
        "school_id": school,
        "name": template.name,
        "seen": template.version,
        "variables": list(template.variables),
        "texts": None if texts is None else Jsonb({tag: each.parts for tag, each in texts.items()}),
        "person": person,
    }
    return await tx.row(SAVE, values)


def _of(name: str, row: dict[str, Any] | None) -> Template:
    declared = builtin.VARIABLES.get(name) or tuple(row["variables"] if row else ())
    own = {tag: Texts(**parts) for tag, parts in ((row or {}).get("texts") or {}).items()}
    return Template(name, row["version"] if row else 0, declared, own, row)
