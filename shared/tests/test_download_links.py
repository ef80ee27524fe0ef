"""Tokens of links to blobs."""

import datetime as dt
import uuid

import pytest
from pydantic import ValidationError

from shared.http.download_links import Download, DownloadLinks, LinkExpired, LinkRefused

MINUTES = dt.timedelta(minutes=5)
LINKS = DownloadLinks(bytes(32), MINUTES)
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DOWNLOAD = Download(
    key="files/a/original", name="Zeugnis Müller.pdf", media_type="application/pdf", school=uuid.UUID(int=7)
)


def test_a_link_says_what_it_was_made_for_until_it_ends():
    token = LINKS.sign(DOWNLOAD, NOW)
    read = LINKS.read(token, NOW + MINUTES - dt.timedelta(seconds=1))
    assert Download(**read.model_dump(exclude={"until"})) == DOWNLOAD
    with pytest.raises(LinkExpired, match="2026-03-01 12:05:00 UTC"):
        LINKS.read(token, NOW + MINUTES)


def test_a_link_shows_nothing_of_what_it_is_for():
    token = LINKS.sign(DOWNLOAD, NOW)
    assert not any(part in token for part in ("files", "Zeugnis", "pdf"))


def test_every_altered_character_is_found():
    token = LINKS.sign(DOWNLOAD, NOW)
    # The last characters before the padding hold bits that are not used.
    for place in range(len(token) - 3):
        altered = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(LinkRefused):
            LINKS.read(altered, NOW)


@pytest.mark.parametrize("token", ["", "x", "é", "gAAAA", "A" * 5_000, "a.b.c"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(LinkRefused):
        LINKS.read(token, NOW)


def test_a_link_of_another_installation_is_refused():
    other = DownloadLinks(bytes(31) + b"1", MINUTES).sign(DOWNLOAD, NOW)
    with pytest.raises(LinkRefused):
        LINKS.read(other, NOW)


@pytest.mark.parametrize(
    "changes", [{"media_type": "text/html\r\nX: y"}, {"media_type": "html"}, {"name": ""}, {"name": "x" * 256}]
)
def test_a_link_is_made_only_for_what_a_header_can_say(changes):
    with pytest.raises(ValidationError):
        Download(**(DOWNLOAD.model_dump() | changes))
