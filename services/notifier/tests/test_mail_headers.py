"""Text that people write reaches a mail's headers as text: it is shown as written and adds nothing."""

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content import message_builder
from notifier.content.mail_headers import from_line, one_line, subject_line
from notifier.content.template_engine import RenderedContent, Texts, render
from services.notifier.tests.recording import Recording
from services.notifier.tests.test_message_builder import delivery, notification

ADDRESS = "school@example.org"
HOSTILE = [
    "=?utf-8?q?a=0D=0AReply-To:_evil@x.example?=",
    "=?utf-8?b?YQ0KDQpDb250ZW50LVR5cGU6IHRleHQvaHRtbA0KDQo8Yj5iPC9iPg==?=",
    "Trip =?utf-8?q?=0D=0ABcc:_all@x.example?= on Friday",
    "=?utf-8*en?q?a=0D=0AX-A:_b?=",
    "=?utf-7?q?+AAoACg-?=",
    "=?=?utf-8?q?a=0AX:_b?=",
    "Ausflug für alle =?utf-8?q?=0D=0AReply-To:_evil@x.example?=",
    "=?utf-8?q?" + "=0D=0AX:_" * 60 + "?=",
    "a\r\nReply-To: evil@x.example",
    'name" <evil@x.example>, "b',
    "back\\slash\\",
    "x" * 590,
    "(comment) <evil@x.example>; group:;",
]
FIELDS = {"To", "Message-ID", "From", "Subject", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"}


async def mailed(**other):
    courier = Recording()
    send = message_builder.mail_sender(courier, f"SchoolConnect <{ADDRESS}>")
    assert (await send(notification(**other), delivery())).kind == "accepted"
    return message_from_bytes(courier.sent[0].content, policy=policy.default), courier.sent[0].content


def decoded_once(value):
    return str(make_header(decode_header(value)))


def shown_name(header):
    return decoded_once(parseaddr(header)[0])


@pytest.mark.parametrize("title", HOSTILE)
async def test_trust_1_an_encoded_word_in_a_title_is_shown_as_written(title):
    mail, content = await mailed(title=title)
    assert set(mail.keys()) == FIELDS
    assert decoded_once(str(message_from_bytes(content)["Subject"])) == one_line(title)
    assert mail.get_body(("plain",)).get_content().strip() == "Bring boots"


@pytest.mark.parametrize("name", HOSTILE)
async def test_trust_1_an_encoded_word_in_a_schools_name_is_shown_as_written(name):
    mail, content = await mailed(school_name=name)
    assert set(mail.keys()) == FIELDS
    assert [each.addr_spec for each in mail["From"].addresses] == [ADDRESS]
    # Not by policy.default: it puts a space between two encoded words of a phrase, against RFC 2047 section 6.2.
    assert shown_name(message_from_bytes(content)["From"]) == one_line(name)


@pytest.mark.parametrize("name", HOSTILE)
async def test_trust_1_the_name_in_our_own_sender_is_text(name):
    courier = Recording()
    quoted = one_line(name).replace("\\", "\\\\").replace('"', '\\"')
    send = message_builder.mail_sender(courier, f'"{quoted}" <{ADDRESS}>')
    await send(notification(school_name=None), delivery())
    mail = message_from_bytes(courier.sent[0].content, policy=policy.default)
    assert set(mail.keys()) == FIELDS
    assert mail["From"].addresses[0].addr_spec == ADDRESS


@pytest.mark.parametrize("value", HOSTILE[:8])
async def test_trust_1_a_variable_in_a_templates_title_is_text(value):
    content = render(Texts(title="About {{ student }}", body="x"), {"student": value}, "en", "UTC")
    shown = RenderedContent(content.title, "b", "p", "p", language="en")
    mail = message_from_bytes(message_builder.build_mail(shown, value, ADDRESS, None), policy=policy.default)
    assert set(mail.keys()) == FIELDS - {"To", "Message-ID"} | {"Content-Language"}
    assert mail["Subject"] == f"About {one_line(value)}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120))
def test_every_text_is_shown_as_written_in_lines_of_limited_length(text):
    for line in (subject_line(text), from_line(text, ADDRESS)):
        assert line.isascii()
        assert line.endswith("\r\n")
        folded = line.removesuffix("\r\n").split("\r\n")
        assert all(part.startswith(" ") for part in folded[1:])
        assert max(map(len, folded)) <= 140
        name, value = line.removesuffix("\r\n").split(": ", 1)
        if name == "Subject":
            assert decoded_once(value) == one_line(text)
        elif one_line(text):
            assert shown_name(value) == one_line(text)
