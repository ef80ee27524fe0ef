"""A template in place of typed words: which there are, the variables that its sender gives, and its previews."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.console.compose_form import ComposeForm
from gateway.http.service_client import ServiceClients
from gateway.notifications import template_routes
from gateway.security.caller import Caller

GIVEN = frozenset({"school"})
"""Variables that the notifier sets."""
MOST_PREVIEWS = 6


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """The templates of a form, the school's own first, and the variables of the chosen one with what was typed."""

    names: Sequence[str]
    variables: Sequence[tuple[str, str]]


async def find_templates(
    form: ComposeForm, caller: Caller, school: UUID, owners: ServiceClients
) -> TemplateChoice | None:
    """Return what the form offers; None while it has typed words, for which the notifier need not be asked."""
    if not form.has_templates:
        return None
    found = json.loads(bytes((await template_routes.templates(caller, owners, school)).body))
    found.sort(key=lambda each: not each["texts"])
    chosen = next((each for each in found if each["name"] == form.template), None)
    typed = form.variables
    asked = [name for name in chosen["variables"] if name not in GIVEN] if chosen else []
    return TemplateChoice([each["name"] for each in found], [(name, typed.get(name, "")) for name in asked])


async def preview_template(
    form: ComposeForm, reached: Mapping[str, Any], caller: Caller, school: UUID, owners: ServiceClients
) -> list[dict[str, Any]]:
    """Return the words in each language in which people would get them, the first six; raises Problem."""
    if not form.template:
        return []
    languages = {code: None for of in reached["channels"].values() for code in of["languages"]}
    asked = [{"language": code, "variables": form.variables} for code in list(languages)[:MOST_PREVIEWS]]
    answers = await asyncio.gather(
        *(template_routes.preview(form.template, body, caller, owners, school) for body in asked)
    )
    return [json.loads(bytes(each.body)) for each in answers]
