"""A school's templates: read, saved, taken back, and shown with made-up variables before anybody is told."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from babel import Locale, UnknownLocaleError
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from notifier.content import builtin, message_builder, renderer, templates
from notifier.content.template_engine import Texts, Unrenderable, direction, unsound
from notifier.content.templates import Template
from shared.http.internal_auth import Asked, asked, transactions
from shared.http.preconditions import Declined, IfMatch, check_version, etag
from shared.transactions.unit_of_work import Transaction, Transactions

router = APIRouter(prefix="/v1", tags=["templates"])

Who = Annotated[Asked, Depends(asked)]
Rows = Annotated[Transactions, Depends(transactions)]
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
Value = Annotated[str, StringConstraints(max_length=1000)]


class TemplateIn(BaseModel):
    """Texts by language. `variables` declares what the sender will give; built-in names have theirs already."""

    model_config = ConfigDict(extra="forbid")

    variables: list[Variable] = Field(default=[], max_length=50)
    texts: dict[Language, Texts] = Field(min_length=1, max_length=50)


class TemplateOut(BaseModel):
    """A template in force. `texts` are the school's own, `builtin` the ones that fill in where it has none."""

    name: str
    version: int
    variables: list[str]
    texts: dict[str, Texts]
    builtin: dict[str, Texts]
    changed_by: UUID | None = None
    changed_at: dt.datetime | None = None

    @classmethod
    def of(cls, template: Template) -> "TemplateOut":
        """As the API shows it."""
        changed = {name: (template.row or {}).get(name) for name in ("changed_by", "changed_at")}
        return cls(
            name=template.name,
            version=template.version,
            variables=sorted(template.allowed),
            texts=template.own,
            builtin=template.builtin,
            **changed,
        )


class PreviewIn(BaseModel):
    """Which language, with which variables (made-up ones fill in), and a draft to show instead of what is saved."""

    model_config = ConfigDict(extra="forbid")

    language: str | None = Field(default=None, max_length=35)
    variables: dict[Variable, Value] = Field(default={}, max_length=50)
    draft: TemplateIn | None = None


class Preview(BaseModel):
    """The words as they would be sent, in `language`: the nearest that there are words for. `html` is a whole page."""

    language: str
    direction: str
    title: str
    body: str
    html: str
    push_title: str
    push_body: str


@router.get("/templates")
async def list_templates(who: Who, database: Rows) -> list[TemplateOut]:
    """Every template that the school can send, by name."""
    async with database.request(who.school) as tx:
        return [TemplateOut.of(template) for template in await templates.all_in_force(tx, who.school)]


@router.get("/templates/{name}")
async def read_template(
    name: Name, who: Who, database: Rows, response: Response, version: Annotated[int | None, Query(ge=0)] = None
) -> TemplateOut:
    """One template; its ETag is what a change sends back as If-Match. An older `version` can be read as it was."""
    async with database.request(who.school) as tx:
        template = await templates.in_force(tx, who.school, name, version)
    if not template.exists or (version is not None and template.version != version):
        raise Declined(404, "not_found")
    response.headers["ETag"] = etag(template.version)
    return TemplateOut.of(template)


@router.put("/templates/{name}")
async def save_template(
    name: Name, body: TemplateIn, who: Who, database: Rows, response: Response, match: IfMatch = None
) -> TemplateOut:
    """Save the next version; without If-Match the first. What is being sent keeps the version that it began with."""
    async with database.request(who.school) as tx:
        template = await _expected(tx, who.school, name, match)
        wanted = _checked(name, body)
        return await _saved(tx, who, template, wanted.variables, wanted.own, response)


@router.delete("/templates/{name}")
async def delete_template(
    name: Name, who: Who, database: Rows, response: Response, match: IfMatch = None
) -> TemplateOut:
    """Take the school's own texts back; built-in ones are in force again."""
    async with database.request(who.school) as tx:
        template = await _expected(tx, who.school, name, match)
        if not template.own:
            raise Declined(404, "not_found")
        return await _saved(tx, who, template, template.variables, None, response)


@router.post("/templates/{name}/preview")
async def preview(name: Name, body: PreviewIn, who: Who, database: Rows) -> Preview:
    """Show it in a language; nothing is saved and nobody is told."""
    async with database.request(who.school) as tx:
        template = _checked(name, body.draft) if body.draft else await templates.in_force(tx, who.school, name)
        school = await tx.row(renderer.SCHOOL, {"school_id": who.school}) or renderer.UNKNOWN_SCHOOL
    if not template.exists:
        raise Declined(404, "not_found")
    given = {variable: f"<{variable}>" for variable in template.allowed} | builtin.SAMPLE | {"school": school["name"]}
    asked_for = body.language or school["language"]
    try:
        spoken, words = template.say(asked_for, school["language"], school["timezone"], given | body.variables)
    except Unrenderable as problem:
        raise _invalid("variables", [str(problem)]) from problem
    said = message_builder.Said(words.title, words.body, words.push_title, words.push_body, words.html, spoken)
    return Preview(
        language=spoken,
        direction=direction(spoken),
        title=words.title,
        body=words.body,
        html=message_builder.page(said),
        push_title=words.push_title,
        push_body=words.push_body,
    )


def _checked(name: str, body: TemplateIn) -> Template:
    """The texts as a template; 422 naming everything that is wrong."""
    declared = builtin.VARIABLES.get(name) or tuple(body.variables)
    template = Template(name, 0, declared, body.texts)
    wrong = [f"{tag}: is no language that is known" for tag in body.texts if not _known(tag)]
    for tag, texts in body.texts.items():
        wrong += [f"{tag}: {why}" for why in unsound(texts, template.allowed)]
    if wrong:
        raise _invalid("texts", wrong)
    return template


def _known(tag: str) -> bool:
    try:
        Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return False
    return True


def _invalid(field: str, wrong: list[str]) -> Declined:
    return Declined(422, "invalid", errors=[{"loc": ["body", field], "code": "unsound", "message": w} for w in wrong])


async def _expected(tx: Transaction, school: UUID, name: str, match: int | None) -> Template:
    """The template that a change is about; 412 when another version is in force, 428 when a version is not named."""
    template = await templates.in_force(tx, school, name)
    if match is None and template.version > 0:
        raise Declined(428, "precondition_needed")
    check_version(match, template.version)
    return template


async def _saved(
    tx: Transaction,
    who: Asked,
    template: Template,
    variables: tuple[str, ...],
    texts: dict[str, Texts] | None,
    response: Response,
) -> TemplateOut:
    next_one = Template(template.name, template.version, variables, texts or {})
    saved = await templates.save(tx, who.school, next_one, texts, who.person)
    if saved is None:
        raise Declined(412, "stale")
    response.headers["ETag"] = etag(saved["version"])
    row: dict[str, Any] = {**saved, "changed_by": who.person}
    return TemplateOut.of(Template(template.name, saved["version"], variables, texts or {}, row))
