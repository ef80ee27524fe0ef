"""Routes of a school's templates: read, save, delete, and preview with invented variables."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from babel import Locale, UnknownLocaleError
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from notifier.content import builtin, renderer, templates
from notifier.content.message_builder import html_page
from notifier.content.template_check import find_problems
from notifier.content.template_engine import Texts, Unrenderable, direction
from notifier.content.template_process import run_in_child
from notifier.content.templates import Template
from shared.http.fields import TemplateName, VariableName, VariableValue
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.http.preconditions import DecisionRefused, IfMatch, check_version, etag
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

router = APIRouter(prefix="/v1", tags=["templates"])

Who = Annotated[InternalCaller, Depends(internal_caller)]
Rows = Annotated[UnitOfWorkFactory, Depends(transactions)]
Name = Annotated[TemplateName, Path()]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]


class TemplateIn(BaseModel):
    """Texts by language. `variables` names those that the sender gives; built-in templates have theirs already."""

    model_config = ConfigDict(extra="forbid")

    variables: list[VariableName] = Field(default=[], max_length=50)
    texts: dict[Language, Texts] = Field(min_length=1, max_length=50)


class TemplateOut(BaseModel):
    """A current template. `texts` are the school's own, `builtin` those for languages without an own text."""

    name: str
    version: int
    variables: list[str]
    texts: dict[str, Texts]
    builtin: dict[str, Texts]
    changed_by: UUID | None = None
    changed_at: dt.datetime | None = None

    @classmethod
    def of(cls, template: Template) -> "TemplateOut":
        """Return a template as the API shows it."""
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
    """The language, the variables (invented ones fill gaps), and a draft to show instead of the saved texts."""

    model_config = ConfigDict(extra="forbid")

    language: str | None = Field(default=None, max_length=35)
    variables: dict[VariableName, VariableValue] = Field(default={}, max_length=50)
    draft: TemplateIn | None = None


class Preview(BaseModel):
    """The content as it would be sent, in `language`: the nearest one that has a text. `html` is a whole page."""

    language: str
    direction: str
    title: str
    body: str
    html: str
    push_title: str
    push_body: str


@router.get("/templates")
async def list_templates(who: Who, database: Rows) -> list[TemplateOut]:
    """List every template that the school can send, by name."""
    async with database.request(who.school) as tx:
        return [TemplateOut.of(template) for template in await templates.load_all(tx, who.school)]


@router.get("/templates/{name}")
async def read_template(
    name: Name, who: Who, database: Rows, response: Response, version: Annotated[int | None, Query(ge=0)] = None
) -> TemplateOut:
    """Read one template, or an older `version` of it; a change sends the ETag back as If-Match."""
    async with database.request(who.school) as tx:
        template = await templates.load(tx, who.school, name, version)
    if not template.exists or (version is not None and template.version != version):
        raise DecisionRefused(404, "not_found")
    response.headers["ETag"] = etag(template.version)
    return TemplateOut.of(template)


@router.put("/templates/{name}")
async def save_template(
    name: Name, body: TemplateIn, who: Who, database: Rows, response: Response, match: IfMatch = None
) -> TemplateOut:
    """Save the next version; without If-Match the first. A notification keeps the version that it was planned with."""
    async with database.request(who.school) as tx:
        await _expected(tx, who.school, name, match)
    # Outside of a transaction: a check that waits for others must hold no connection.
    wanted = await run_in_child(_checked, name, body)
    async with database.request(who.school) as tx:
        template = await _expected(tx, who.school, name, match)
        return await _saved(tx, who, template, wanted.variables, wanted.own, response)


@router.delete("/templates/{name}")
async def delete_template(
    name: Name, who: Who, database: Rows, response: Response, match: IfMatch = None
) -> TemplateOut:
    """Delete the school's own texts; the built-in ones apply again."""
    async with database.request(who.school) as tx:
        template = await _expected(tx, who.school, name, match)
        if not template.own:
            raise DecisionRefused(404, "not_found")
        return await _saved(tx, who, template, template.variables, None, response)


@router.post("/templates/{name}/preview")
async def preview(name: Name, body: PreviewIn, who: Who, database: Rows) -> Preview:
    """Show a template in a language; nothing is saved or sent."""
    draft = await run_in_child(_checked, name, body.draft) if body.draft else None
    async with database.request(who.school) as tx:
        template = draft or await templates.load(tx, who.school, name)
        school = await renderer.load_school(tx, who.school)
    if not template.exists:
        raise DecisionRefused(404, "not_found")
    given = (
        {variable: f"<{variable}>" for variable in template.allowed}
        | builtin.SAMPLE_VARIABLES
        | {"school": school["name"]}
    )
    return await run_in_child(_preview, template, body.language or school["language"], school, given | body.variables)


def _preview(template: Template, asked: str, school: dict[str, Any], variables: dict[str, str]) -> Preview:
    try:
        content = template.render(asked, school["language"], school["timezone"], variables)
    except Unrenderable as problem:
        raise _invalid("variables", [str(problem)]) from problem
    assert content.language is not None
    return Preview(
        language=content.language,
        direction=direction(content.language),
        title=content.title,
        body=content.body,
        html=html_page(content),
        push_title=content.push_title,
        push_body=content.push_body,
    )


def _checked(name: str, body: TemplateIn) -> Template:
    """Return the texts as a template; 422 naming everything that is wrong."""
    declared = builtin.VARIABLES.get(name) or tuple(body.variables)
    template = Template(name, 0, declared, body.texts)
    problems = [f"{tag}: it is not a known language" for tag in body.texts if not _is_known(tag)]
    for tag, texts in body.texts.items():
        problems += [f"{tag}: {why}" for why in find_problems(texts, template.allowed)]
    if problems:
        raise _invalid("texts", problems)
    return template


def _is_known(tag: str) -> bool:
    try:
        Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return False
    return True


def _invalid(field: str, problems: list[str]) -> DecisionRefused:
    errors = [{"loc": ["body", field], "code": "unsound", "message": problem} for problem in problems]
    return DecisionRefused(422, "invalid", errors=errors)


async def _expected(tx: UnitOfWork, school: UUID, name: str, match: int | None) -> Template:
    """Return the template to change; 412 when another version is current, 428 when the request names no version."""
    template = await templates.load(tx, school, name)
    if match is None and template.version > 0:
        raise DecisionRefused(428, "precondition_needed")
    check_version(match, template.version)
    return template


async def _saved(
    tx: UnitOfWork,
    who: InternalCaller,
    template: Template,
    variables: tuple[str, ...],
    texts: dict[str, Texts] | None,
    response: Response,
) -> TemplateOut:
    changed = Template(template.name, template.version, variables, texts or {})
    saved = await templates.save(tx, who.school, changed, texts, who.person)
    if saved is None:
        raise DecisionRefused(412, "stale")
    response.headers["ETag"] = etag(saved["version"])
    row: dict[str, Any] = {**saved, "changed_by": who.person}
    return TemplateOut.of(Template(template.name, saved["version"], variables, texts or {}, row))
