"""The mail courier against the fake mail server, and against servers that follow a script."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from cli.fakes import process
from notifier.providers import Mail
from notifier.providers.smtp import SmtpCourier

SENDER = "school@example.org"


def mail(number=0, recipient=None, text="Bring boots"):
    recipient = recipient or f"p{number}@example.org"
    content = f"To: {recipient}\r\nMessage-ID: <{number}@example.org>\r\nSubject: Trip\r\n\r\n{text}\r\n"
    return Mail(recipient, content.encode())


def url(running):
    return f"smtp://127.0.0.1:{running.port}"


@asynccontextmanager
async def courier(*urls, **other):
    made = SmtpCourier(",".join(urls), SENDER, **({"timeout": 5.0} | other))
    yield made
    await made.close()


class Scripted:
    """A server with a fixed answer to each verb; None closes the connection instead. Counts connections."""

    def __init__(self, **replies):
        self.replies = {"greeting": "220 hi", "EHLO": "250 hi", "354": "250 taken"} | replies
        self.connections = 0
        self.verbs = []
        self.writers = []

    async def serve(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        if await self._answer(writer, "greeting"):
            while line := await reader.readline():
                verb = line.split()[0].decode().upper()
                self.verbs.append(verb)
                if not await self._answer(writer, verb):
                    break
                if verb == "DATA" and self.replies.get("DATA", "354").startswith("354"):
                    await reader.readuntil(b"\r\n.\r\n")
                    if not await self._answer(writer, "354"):
                        break
        writer.close()

    async def _answer(self, writer, verb):
        reply = self.replies.get(verb, "354 go" if verb == "DATA" else "250 ok")
        if reply is not None:
            writer.write(reply.encode() + b"\r\n")
            await writer.drain()
        return reply is not None


@asynccontextmanager
async def scripted(**replies):
    script = Scripted(**replies)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield script
    server.close()
    for writer in script.writers:
        writer.close()
    await server.wait_closed()


async def test_seed_28_connections_are_few_and_used_again(smtp):
    async with courier(url(smtp), connections=3) as mails:
        outcomes = await asyncio.gather(*(mails.send(mail(n)) for n in range(30)))
    assert {each.kind for each in outcomes} == {"accepted"}
    stats = smtp.stats()
    assert (stats["sent"], stats["duplicates"]) == (30, 0)
    assert stats["connections"] <= 3


async def test_lines_that_begin_with_a_dot_arrive_unchanged(smtp, mail_courier):
    await mail_courier.send(mail(text=".\r\n..\r\n.hidden"))
    assert smtp.received()[0]["content"].endswith("\r\n\r\n.\r\n..\r\n.hidden\r\n")


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [({"defer": 1.0}, "transient", "smtp_451"), ({"reject": 1.0}, "bounced", "smtp_550_5.1.1")],
)
async def test_a_refused_recipient_leaves_the_connection_usable(smtp, mail_courier, fault, kind, reason):
    smtp.faults(**fault)
    outcome = await mail_courier.send(mail())
    assert (outcome.kind, outcome.reason) == (kind, reason)
    smtp.faults(reset=True)
    assert (await mail_courier.send(mail())).kind == "accepted"
    assert smtp.stats()["connections"] == 1


async def test_a_lost_reply_after_the_content_is_unknown(smtp, mail_courier):
    smtp.faults(drop=1.0)
    assert (await mail_courier.send(mail())).kind == "unknown"
    assert smtp.received()[0]["outcome"] == "dropped"


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "RCPT"])
async def test_a_connection_lost_before_the_content_is_transient(verb):
    async with scripted(**{verb: None}) as server, courier(server.url) as mails:
        assert (await mails.send(mail())).kind == "transient"
        assert "DATA" not in server.verbs


@pytest.mark.parametrize("verb", ["DATA", "354"])
async def test_a_connection_lost_once_data_began_is_unknown(verb):
    async with scripted(**{verb: None}) as server, courier(server.url) as mails:
        # the script ends at DATA, or after it has read the whole content
        server.replies.setdefault("DATA", "354 go")
        if verb == "DATA":
            server.replies["DATA"] = None
        assert (await mails.send(mail())).kind == "unknown"


async def test_a_timeout_before_the_content_is_transient_and_after_it_unknown():
    async with scripted(RCPT="") as server, courier(server.url, timeout=0.2) as mails:
        server.replies["RCPT"] = "250-wait"
        assert (await mails.send(mail())).kind == "transient"
    async with scripted(**{"354": "250-wait"}) as server, courier(server.url, timeout=0.2) as mails:
        assert (await mails.send(mail())).kind == "unknown"


@pytest.mark.parametrize(
    ("verb", "reply", "kind"),
    [
        ("MAIL", "553 not you", "config"),
        ("MAIL", "552 too big", "permanent"),
        ("MAIL", "451 later", "transient"),
        ("RCPT", "530 sign in", "config"),
        ("RCPT", "550 nobody", "bounced"),
        ("RCPT", "550 5.7.1 policy", "permanent"),
        ("RCPT", "552 5.2.2 full", "permanent"),
        ("RCPT", "553 5.1.3 no address", "bounced"),
        ("DATA", "451 later", "transient"),
        ("354", "554 spam", "permanent"),
        ("354", "421 going", "transient"),
    ],
)
async def test_a_reply_is_classified_by_its_subject(verb, reply, kind):
    async with scripted(**{verb: reply}) as server, courier(server.url) as mails:
        assert (await mails.send(mail())).kind == kind


async def test_mail_fails_over_to_the_next_server(smtp):
    async with scripted(MAIL="421 bye") as first, courier(first.url, url(smtp)) as mails:
        assert (await mails.send(mail())).kind == "accepted"


async def test_refused_credentials_fail_over_and_are_config_only_if_all_refuse(smtp):
    with process.smtp("--auth", "school:right") as strict:
        wrong = f"smtp://school:wrong@127.0.0.1:{strict.port}"
        right = f"smtp://school:right@127.0.0.1:{strict.port}"
        async with courier(wrong, url(smtp)) as mails:
            assert (await mails.send(mail())).kind == "accepted"
        async with courier(wrong) as mails:
            outcome = await mails.send(mail())
            assert (outcome.kind, outcome.reason) == ("config", "smtp_535")
        async with courier(wrong, f"smtp://127.0.0.1:{process.free_port()}") as mails:
            assert (await mails.send(mail())).kind == "transient"
        async with courier(right) as mails:
            assert (await mails.send(mail())).kind == "accepted"


async def test_an_unavailable_server_is_not_used_during_its_cooldown():
    # given a server that closes at once
    async with scripted(greeting=None) as dead, courier(dead.url, cooldown=30) as mails:
        first, second = await mails.send(mail()), await mails.send(mail())
        assert (first.kind, second.kind, dead.connections) == ("transient", "transient", 1)
        # then the second answer says how long it is left alone
        assert 0 < second.retry_after <= 30
    async with scripted(greeting=None) as dead, courier(dead.url, cooldown=0) as mails:
        await mails.send(mail())
        dead.replies["greeting"] = "220 hi"
        assert (await mails.send(mail())).kind == "accepted"


async def test_an_idle_connection_that_the_server_closed_is_replaced():
    async with scripted() as server, courier(server.url) as mails:
        assert (await mails.send(mail())).kind == "accepted"
        server.writers[0].close()
        await server.writers[0].wait_closed()
        # whether the client has seen it yet or not
        assert (await mails.send(mail())).kind == "accepted"
        assert server.connections == 2
        # a server that says goodbye only when it is used again
        server.replies["MAIL"] = "421 idle too long"
        await asyncio.gather(asyncio.create_task(_mended(server)), mails.send(mail()))
        assert server.connections >= 3


async def _mended(server):
    while server.connections < 3:
        await asyncio.sleep(0)
    del server.replies["MAIL"]


async def test_an_address_beyond_ascii_needs_smtputf8(smtp, mail_courier):
    assert (await mail_courier.send(mail(recipient="jürgen@schule.example"))).kind == "accepted"
    assert smtp.received()[0]["recipient"] == "jürgen@schule.example"
    async with scripted() as plain, courier(plain.url) as mails:
        outcome = await mails.send(mail(recipient="jürgen@schule.example"))
        assert (outcome.kind, outcome.reason) == ("permanent", "smtputf8_not_offered")
        assert "MAIL" not in plain.verbs


@pytest.mark.parametrize("recipient", ["a@x.org\r\nRCPT TO:<b@x.org>", "a\x00@x.org"])
async def test_an_address_cannot_inject_a_command(smtp, mail_courier, recipient):
    outcome = await mail_courier.send(mail(recipient=recipient))
    assert (outcome.kind, outcome.reason) == ("permanent", "address_not_usable")
    assert smtp.stats()["sent"] == 0


@pytest.mark.parametrize(("scheme", "option"), [("smtp+starttls", ()), ("smtps", ("--implicit-tls",))])
async def test_mail_is_sent_over_tls(tmp_path, scheme, option):
    with process.smtp(*option, folder=tmp_path) as running:
        address = f"{scheme}://localhost:{running.port}"
        async with courier(address, ca_file=tmp_path / "ca.pem") as mails:
            assert (await mails.send(mail())).kind == "accepted"
        async with courier(address) as distrusting:
            assert (await distrusting.send(mail())).kind == "transient"
        assert running.stats()["sent"] == 1


@pytest.mark.parametrize("urls", ["", " , ", "http://a.example", "smtp://"])
def test_an_invalid_server_url_prevents_the_start(urls):
    with pytest.raises(ValueError, match="SMTP_URL"):
        SmtpCourier(urls, SENDER)


@pytest.mark.parametrize("reply", ["421 not this one", None])
async def test_trust_9_one_recipient_that_ends_the_connection_delays_no_other_mail(reply):
    """It costs its own connection, once: the others stay, and the server has no cooldown."""
    async with scripted() as server, courier(server.url, cooldown=30) as mails:
        await asyncio.gather(*(mails.send(mail(recipient=f"{n}@example.org")) for n in range(4)))
        before = server.connections
        server.replies["RCPT"] = reply
        for _ in range(3):
            assert (await mails.send(mail(recipient="bad@example.org"))).kind == "transient"
        used = server.connections
        del server.replies["RCPT"]
        began = asyncio.get_running_loop().time()
        assert (await mails.send(mail(recipient="good@example.org"))).kind == "accepted"
        assert asyncio.get_running_loop().time() - began < 15
        assert used - before <= 3
