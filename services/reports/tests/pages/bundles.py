"""Bundles in memory, as the service writes them to files."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from reports.domain.content import StudentReport
from reports.pages.render import open_bundle


@dataclass(frozen=True)
class Bundled:
    archive: bytes
    document: bytes
    warnings: tuple[str, ...]


def render_bundle(reports: Sequence[StudentReport], language: str) -> Bundled:
    archive, document = io.BytesIO(), io.BytesIO()
    bundle = open_bundle(archive, language, reports[0].origin.as_of)
    for report in reports:
        bundle.add(report)
    bundle.finish(document, "Progress reports")
    return Bundled(archive.getvalue(), document.getvalue(), tuple(bundle.warnings))
