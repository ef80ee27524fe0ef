"""The fake mail server as a process, tested with raw SMTP."""

import base64
import socket

import pytest

from cli.fakes import process


class Line:
    """One SMTP connection; `say` sends lines, `hear` reads whole replies and gives their codes."""

    def __init__(self, running):
        self.socket = socket.create_connection(("127.0.0.1", running.port), timeout=5)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def hear(self, count=1):
        codes = []
        while len(codes) < count:
            line = self.file.readline()
            if not line:
                return [*codes, None]
            if line[3:4] == b" ":
                codes.append(int(line[:3]))
        return codes

    def say(self, *lines):
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())


@pytest.fixture
def line(smtp):
    with Line(smtp) as opened:
        assert opened.hear() == [220]
        opened.say("EHLO test")
        assert opened.hear() == [250]
        yield opened


def mail(line, recipient="a@x.org", identity="1", text="hello"):
    """Codes for RCPT and, if it was taken, for the content."""
    line.say("MAIL FROM:<s@x.org>", f"RCPT TO:<{recipient}>")
    _, code = line.hear(2)
    if code != 250:
        line.say("RSET")
        line.hear()
        return [code]
    line.say("DATA")
    assert line.hear() == [354]
    line.say(f"Message-ID: <{identity}>", "Subject: Trip", "", text, ".")
    return [code, *line.hear()]


def test_a_mail_is_counted_and_stored_unchanged(smtp, line):
    assert mail(line) == [250, 250]
    kept = smtp.received(recipient="a@x.org")[0]
    assert (kept["message_id"], kept["outcome"]) == ("<1>", "accepted")
    assert kept["content"] == "Message-ID: <1>\r\nSubject: Trip\r\n\r\nhello\r\n"
    assert (smtp.stats()["sent"], smtp.stats()["duplicates"]) == (1, 0)
    assert "Trip" in smtp.control.get("/").text


def test_pipelined_commands_are_answered_in_order(smtp, line):
    # when everything is sent without waiting, two mails long
    for number in (1, 2):
        line.say("MAIL FROM:<s@x.org>", "RCPT TO:<a@x.org>", "RCPT TO:<b@x.org>", "DATA")
        line.say(f"Message-ID: <{number}>", "", "x", ".")
    line.say("QUIT")
    assert line.hear(11) == [250, 250, 250, 354, 250] * 2 + [221]
    assert smtp.stats()["sent"] == 4


def test_a_leading_dot_is_removed_and_a_single_dot_ends_the_mail(smtp, line):
    assert mail(line, text="..\r\n...\r\n..hidden\r\nend.") == [250, 250]
    assert smtp.received()[0]["content"].endswith("\r\n\r\n.\r\n..\r\n.hidden\r\nend.\r\n")


def test_a_bare_line_feed_does_not_end_the_mail(smtp, line):
    assert mail(line, text="a\n.\nMAIL FROM:<evil@x.org>") == [250, 250]
    assert smtp.stats()["sent"] == 1


def test_a_repeated_message_id_is_a_duplicate(smtp, line):
    for recipient, identity in [("a@x.org", "1"), ("a@x.org", "1"), ("b@x.org", "1"), ("a@x.org", "2")]:
        mail(line, recipient, identity)
    stats = smtp.stats()
    assert (stats["duplicates"], stats["distinct_recipients"]) == (1, 2)
    assert stats["repeated"] == [{"recipient": "a@x.org", "message_id": "<1>", "count": 2}]


@pytest.mark.parametrize(("fault", "code", "name"), [("defer", 451, "deferred"), ("reject", 550, "rejected")])
def test_faults_refuse_recipients(smtp, line, fault, code, name):
    smtp.faults(**{fault: 1.0})
    assert mail(line) == [code]
    assert smtp.stats()["calls"] == {name: 1}
    smtp.faults(reset=True)
    assert mail(line) == [250, 250]


def test_one_address_can_be_rejected(smtp, line):
    smtp.faults(reject_addresses=["gone@x.org"])
    assert mail(line, "gone@x.org") == [550]
    assert mail(line) == [250, 250]


@pytest.mark.parametrize(("fault", "codes"), [("busy_addresses", [421, None]), ("reset_addresses", [None])])
def test_one_address_can_end_its_connection(smtp, line, fault, codes):
    smtp.faults(**{fault: ["bad@x.org"]})
    line.say("MAIL FROM:<a@x.org>", "RCPT TO:<bad@x.org>")
    assert [code for code in line.hear(len(codes) + 1) if code != 250] == codes
    assert (smtp.stats()["calls"], smtp.stats()["open_connections"]) == ({"deferred": 1}, 0)
    with Line(smtp) as second:
        second.say("EHLO test")
        second.hear(2)
        assert mail(second) == [250, 250]


def test_a_dropped_mail_is_kept(smtp, line):
    smtp.faults(drop=1.0)
    assert mail(line) == [250, None]
    assert smtp.received()[0]["outcome"] == "dropped"


def test_down_closes_open_connections_and_greets_with_421(smtp, line):
    smtp.faults(down=True)
    assert line.hear() == [None]
    with Line(smtp) as second:
        assert second.hear(2) == [421, None]
    smtp.faults(down=False)
    with Line(smtp) as third:
        assert third.hear() == [220]


@pytest.mark.parametrize("change", [{"unknown": 1}, {"down": "yes"}, {"reject": -1}])
def test_an_invalid_fault_changes_nothing(smtp, change):
    before = smtp.faults(defer=0.5)
    assert smtp.control.post("/faults", json=change).status_code == 400
    assert smtp.control.get("/faults").json() == before


def test_an_address_beyond_ascii_needs_smtputf8(line):
    line.say("MAIL FROM:<s@x.org>", "RCPT TO:<jürgen@x.org>", "RSET")
    assert line.hear(3) == [250, 553, 250]
    line.say("MAIL FROM:<s@x.org> SMTPUTF8", "RCPT TO:<jürgen@x.org>")
    assert line.hear(2) == [250, 250]


def test_sign_in_is_required_when_configured():
    with process.smtp("--auth", "school:right") as strict, Line(strict) as line:
        line.say("EHLO test", "MAIL FROM:<s@x.org>")
        assert line.hear(3) == [220, 250, 530]
        for password, code in [("wrong", 535), ("right", 235)]:
            line.say("AUTH PLAIN " + base64.b64encode(f"\0school\0{password}".encode()).decode())
            assert line.hear() == [code]
        assert mail(line) == [250, 250]


def test_a_client_that_is_not_accepted_sends_nothing(smtp, line):
    smtp.faults(refuse_clients=True)
    line.say("MAIL FROM:<s@x.org>")
    assert line.hear() == [530]
    smtp.faults(refuse_clients=False)
    assert mail(line) == [250, 250]
