"""From rows to what a provider takes: headers that cannot be injected into, bodies that are not touched."""

import datetime as dt
from email import message_from_bytes, policy
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content import message_builder
from notifier.content.links import html_text
from notifier.content.unsubscribe_links import UnsubscribeLinks
from services.notifier.tests.recording import Recording

SENDER = "Hill School <school@example.org>"
LINKS = UnsubscribeLinks("https://school.example.org/unsubscribe", b"k" * 32)


def notification(**other):
    return {
        "notification_id": UUID(int=1),
        "school_id": UUID(int=2),
        "kind": "general",
        "title": "Trip",
        "body": "Bring boots",
        "data": {},
        "urgent": False,
        "expires_at": None,
        "content": None,
        "school_name": "Hill School",
        "school_language": "en",
        "mute_details": True,
    } | other


def delivery(**other):
    return {
        "delivery_id": 7,
        "person_id": UUID(int=3),
        "school_id": UUID(int=2),
        "address": "anna@example.org",
        "fid": None,
        "language": None,
    } | other


async def mailed(unsubscribe=None, sender=SENDER, address="anna@example.org", number=7, **other):
    courier = Recording()
    outcome = await message_builder.mail_sender(courier, sender, unsubscribe)(
        notification(**other), delivery(address=address, delivery_id=number)
    )
    assert outcome.kind == "accepted"
    return courier.sent[0].content


def read(content):
    return message_from_bytes(content, policy=policy.default)


async def test_seed_11_a_title_with_a_newline_is_sent(smtp, mail_courier):
    # given a title with line breaks, one of which would begin a header
    send = message_builder.mail_sender(mail_courier, SENDER)
    # when it is mailed through a real server
    outcome = await send(notification(title="Trip\nBcc: all@example.org\r\n\r\non Friday"), delivery())
    # then it arrives, its subject one line and no header more
    assert outcome.kind == "accepted"
    mail = read(smtp.received()[0]["content"].encode("latin-1"))
    assert mail["Subject"] == "Trip Bcc: all@example.org on Friday"
    assert mail["Bcc"] is None
    assert mail.get_body(("plain",)).get_content().strip() == "Bring boots"


@pytest.mark.parametrize("text", ["recipient@placeholder.invalid", "delivery-placeholder", "To: x\r\nMessage-ID: <y>"])
async def test_title_and_body_are_not_read_as_headers(text):
    mail = read(await mailed(title=f"About {text}", body=f"Write {text} down"))
    assert mail["To"] == "anna@example.org"
    assert mail["Message-ID"] == f"<{UUID(int=1)}.7@example.org>"
    assert mail["Subject"] == "About " + " ".join(text.split())
    assert mail.get_body(("plain",)).get_content().split() == f"Write {text} down".split()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("From Monday on\n.\n  = 50 %\n\n", "quoted-printable"),
        ("a" * 3_000, "quoted-printable"),
        ("Grüße aus der Schule am Ort", "quoted-printable"),
        ("学校は休みです\n\n月曜日", "base64"),
        (f"Before\n--{message_builder.BOUNDARY}\n--{message_builder.BOUNDARY}--\nafter", "quoted-printable"),
    ],
)
async def test_a_body_arrives_as_written_in_7_bit_and_short_lines(text, encoding):
    content = await mailed(body=text)
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.replace(b"\r\n", b"").count(b"\n") == 0
    part = read(content).get_body(("plain",))
    assert part["Content-Transfer-Encoding"] == encoding
    assert part.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")


async def test_mails_of_one_notification_differ_only_in_recipient_headers():
    first, second = await mailed(address="a@example.org", number=1), await mailed(address="b@example.org", number=2)
    own = b"@example.org>\r\n"
    assert first.split(own, 1)[1] == second.split(own, 1)[1]
    assert read(first)["Message-ID"] != read(second)["Message-ID"]


async def test_a_repeat_has_the_same_message_id():
    assert read(await mailed())["Message-ID"] == read(await mailed())["Message-ID"]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(title=TEXT, body=TEXT)
async def test_no_title_or_body_adds_a_header(title, body):
    content = await mailed(title=title, body=body, notification_id=uuid4())
    mail = read(content)
    expected = ["To", "Message-ID", "From", "Subject", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"]
    assert sorted(mail.keys()) == sorted(expected)
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert content.isascii()
    assert not mail.defects


async def test_mails_have_a_one_click_link_only_where_links_are_configured():
    assert read(await mailed())["List-Unsubscribe"] is None
    mail = read(await mailed(LINKS))
    link = mail["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://school.example.org/unsubscribe/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = link.rpartition("/")[2]
    assert token.split(".")[:3] == [str(UUID(int=2)), str(UUID(int=3)), "general"]
    assert LINKS.read(token) == (UUID(int=2), UUID(int=3), "general")


def test_an_unsubscribe_link_cannot_be_forged():
    link = LINKS.link(UUID(int=2), UUID(int=3), "general").rpartition("/")[2]
    assert LINKS.read(link.replace("general", "payment")) is None
    assert LINKS.read("é") is None
    assert UnsubscribeLinks(LINKS.url, b"another").read(link) is None
    assert "kkk" not in repr(LINKS)


@pytest.mark.parametrize(
    "url", ["", "http://a.example/u", "https://", "https://a.example/u?x=1", "https://a/\r\nBcc: b"]
)
def test_the_unsubscribe_url_must_be_public_https(url):
    with pytest.raises(ValueError, match="public https URL"):
        UnsubscribeLinks(url, b"key")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "anna",
            "@x.org",
            "anna@",
            "a@b@c",
            "a b@x.org",
            "a@x.org\r\nBcc: b@x.org",
            "<a@x.org>",
            "a@x.org,b@x.org",
        ),
        *(
            "a.@x.org",
            "a@x..org",
            '"a"@x.org',
            "a\x00@x.org",
            "a\u2028@x.org",
            "a\u00a0b@x.org",
            "=?utf-8?q?a?=@x.org",
            "x" * 250 + "@x.org",
        ),
    ],
)
async def test_an_address_that_needs_quoting_is_refused(address):
    courier = Recording()
    outcome = await message_builder.mail_sender(courier, SENDER)(notification(), delivery(address=address))
    assert (outcome.kind, outcome.reason, courier.sent) == ("permanent", "address_not_usable", [])


async def test_an_address_beyond_ascii_is_passed_to_the_server():
    content = await mailed(address="jürgen@schule.example")
    assert content.startswith("To: jürgen@schule.example\r\n".encode())


async def test_a_sender_with_a_line_break_is_refused():
    with pytest.raises(ValueError, match="line"):
        await mailed(sender="School\r\nBcc: x@example.org <school@example.org>")


async def test_an_html_body_is_escaped_and_keeps_its_lines():
    html = read(await mailed(title="<b>", body="a\nb & c\n\nd")).get_body(("html",)).get_content()
    assert ">&lt;b&gt;</h1><p>a<br>b &amp; c</p><p>d</p>" in html


@pytest.mark.parametrize(
    ("school", "shown"),
    [
        ("Hill School", "Hill School <school@example.org>"),
        ('École "Ö", Linden\r\nBcc: x@example.org', None),
        ("", SENDER),
        (None, SENDER),
    ],
)
async def test_a_mail_has_the_schools_name_as_sender(school, shown):
    mail = read(await mailed(school_name=school))
    (sender,) = mail["From"].addresses
    assert sender.addr_spec == "school@example.org"
    assert mail["Bcc"] is None
    if shown:
        assert str(mail["From"]) == shown
    else:
        assert sender.display_name == 'École "Ö", Linden Bcc: x@example.org'


async def pushed(person=None, **other):
    courier = Recording()
    await message_builder.push_sender(courier)(
        notification(**other), delivery(**{"address": "token-1", "fid": "f"} | (person or {}))
    )
    return courier.sent[0]


async def test_seed_23_a_sensitive_push_is_neutral_and_carries_its_ids():
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    sent = await pushed(kind="payment", title="Ada owes 12", body="12", expires_at=expires, data={"type": "x"})
    assert "12" not in sent.body
    assert "Ada" not in sent.title
    assert (sent.title, sent.token, sent.fid, sent.tag) == ("Hill School", "token-1", "f", str(UUID(int=1)))
    assert sent.data == {"notification_id": str(UUID(int=1)), "type": "payment", "school_id": str(UUID(int=2))}
    assert 500 <= sent.ttl_seconds <= 600


async def test_a_neutral_push_is_in_the_persons_language():
    german = await pushed({"language": "de-AT"}, kind="behavior")
    unknown = await pushed({"language": "tlh"}, kind="behavior", school_language="fr")
    assert german.body.startswith("Es gibt Neues")
    assert unknown.body.startswith("Il y a du nouveau")


async def test_a_school_can_allow_details_in_pushes():
    sent = await pushed(kind="payment", title="Two\nlines", body="You owe 12", mute_details=False)
    assert (sent.title, sent.body) == ("Two lines", "You owe 12")


async def test_seed_11_a_long_body_is_shortened_for_a_push():
    sent = await pushed(body="ü" * 9000)
    assert len(sent.body.encode()) <= message_builder.MAX_PUSH_BODY_BYTES
    assert sent.body.endswith("ü…")


async def test_seed_12_data_reaches_the_push():
    assert (await pushed(data={"trip": "7"})).data["trip"] == "7"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "See https://example.org/a?b=1&c=2.",
            'See <a href="https://example.org/a?b=1&amp;c=2">https://example.org/a?b=1&amp;c=2</a>.',
        ),
        ("(http://example.org)", '(<a href="http://example.org">http://example.org</a>)'),
        ("https://example.org/x_(y)", '<a href="https://example.org/x_(y)">https://example.org/x_(y)</a>'),
        ("<b> & javascript:alert(1)", "&lt;b&gt; &amp; javascript:alert(1)"),
        ("one\ntwo", "one<br>two"),
    ],
)
def test_an_address_in_a_body_is_a_link_in_the_html_part(text, shown):
    assert html_text(text) == shown
