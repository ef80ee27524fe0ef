"""The server's side of one SMTP connection (RFC 5321).

Extensions: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, STARTTLS, AUTH PLAIN.
"""

import asyncio
import binascii
import hmac
import re
from base64 import b64decode

from cli.fakes.smtp_wire import Mailbox, Wire

SIZE_LIMIT = 10 * 1024 * 1024
LINE_LIMIT = 2048
RECIPIENT_LIMIT = 100
PATH = re.compile(rb"\s*<([^<>\s]*)>((?: +\S+)*) *$")
PARAMETERS = re.compile(rb"(SIZE=\d{1,18}|BODY=(7BIT|8BITMIME)|SMTPUTF8)$", re.IGNORECASE)
END = b"\r\n.\r\n"


class Session(Wire):
    """One connection. Only CRLF ends a line: with a bare LF something could be smuggled in."""

    sender: bytes | None
    recipients: list[str]

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(mailbox)
        self.trusted = mailbox.credentials is None
        self.in_data = self.in_auth = False
        self.scanned = 0
        self._forget()

    def _next(self) -> bool:
        return self._data() if self.in_data else self._line()

    def _line(self) -> bool:
        end = self.buffer.find(b"\r\n")
        if end < 0 and len(self.buffer) <= LINE_LIMIT:
            return False
        line = bytes(self.buffer[: max(end, 0)])
        del self.buffer[: end + 2 if end >= 0 else len(self.buffer)]
        if end < 0 or end > LINE_LIMIT:
            self._reply(b"500 5.5.2 Line too long")
        elif self.in_auth:
            self.in_auth = False
            self._authenticate(line)
        else:
            self._command(line)
        return True

    def _command(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        match verb.upper():
            case b"EHLO" | b"HELO":
                self._hello(extended=verb.upper() == b"EHLO")
            case b"MAIL":
                self._mail(rest)
            case b"RCPT":
                self._rcpt(rest)
            case b"DATA":
                self.in_data = bool(self.recipients)
                self._reply(b"354 End with <CR><LF>.<CR><LF>" if self.in_data else b"503 5.5.1 No recipients")
            case b"RSET" | b"NOOP" | b"QUIT":
                self._simple(verb.upper())
            case b"STARTTLS" if self.mailbox.tls and not self.secured:
                self._secure(self.mailbox.tls)
            case b"AUTH" if self.mailbox.credentials and rest.upper().startswith(b"PLAIN"):
                self._auth(rest[5:].strip())
            case _:
                self._reply(b"502 5.5.1 Command not implemented")

    def _simple(self, verb: bytes) -> None:
        if verb == b"RSET":
            self._forget()
        self.ended = verb == b"QUIT"
        self._reply(b"221 2.0.0 Bye" if self.ended else b"250 2.0.0 Ok")

    def _hello(self, *, extended: bool) -> None:
        self._forget()
        self.greeted = True
        offers = [b"PIPELINING", b"SIZE %d" % SIZE_LIMIT, b"8BITMIME", b"SMTPUTF8", b"ENHANCEDSTATUSCODES"]
        if self.mailbox.tls and not self.secured:
            offers.append(b"STARTTLS")
        if self.mailbox.credentials:
            offers.append(b"AUTH PLAIN")
        lines = [b"localhost", *(offers if extended else [])]
        for line in lines[:-1]:
            self.replies.append(b"250-" + line + b"\r\n")
        self._reply(b"250 " + lines[-1])

    def _mail(self, rest: bytes) -> None:
        path = PATH.match(rest[5:]) if rest[:5].upper() == b"FROM:" else None
        parameters = path[2].upper().split() if path else []
        if not self.greeted or self.sender is not None:
            self._reply(b"503 5.5.1 Bad sequence of commands")
        elif not self.trusted:
            self._reply(b"530 5.7.0 Authentication required")
        elif path is None:
            self._reply(b"501 5.5.4 Syntax: MAIL FROM:<address>")
        elif not all(PARAMETERS.match(each) for each in parameters):
            self._reply(b"555 5.5.4 Unsupported option")
        elif any(int(each[5:]) > SIZE_LIMIT for each in parameters if each.startswith(b"SIZE=")):
            self._reply(b"552 5.3.4 Message too big")
        else:
            self.utf8 = b"SMTPUTF8" in parameters
            self.sender = path[1]
            self._reply(b"250 2.1.0 Ok")

    def _rcpt(self, rest: bytes) -> None:
        path = PATH.match(rest[3:]) if rest[:3].upper() == b"TO:" else None
        if self.sender is None:
            self._reply(b"503 5.5.1 MAIL first")
        elif path is None or not path[1]:
            self._reply(b"501 5.5.4 Syntax: RCPT TO:<address>")
        elif not path[1].isascii() and not self.utf8:
            self._reply(b"553 5.6.7 Address needs SMTPUTF8")
        elif len(self.recipients) >= RECIPIENT_LIMIT:
            self._reply(b"452 4.5.3 Too many recipients")
        else:
            recipient = path[1].decode(errors="replace")
            refusal = self.mailbox.refusal(recipient)
            if refusal is None:
                self.recipients.append(recipient)
            self._reply(refusal or b"250 2.1.5 Ok")

    def _data(self) -> bool:
        # The end of an empty message is ".\r\n" right after the 354.
        if self.buffer.startswith(END[2:]):
            content, end = b"", 3
        else:
            found = self.buffer.find(END, max(0, self.scanned - len(END)))
            if found < 0:
                self.scanned = len(self.buffer)
                if self.scanned > SIZE_LIMIT + LINE_LIMIT:
                    self._reply(b"552 5.3.4 Message too big")
                    self.ended = True
                return False
            content, end = bytes(self.buffer[: found + 2]), found + len(END)
        del self.buffer[:end]
        self.in_data, self.scanned = False, 0
        if content.startswith(b"."):
            content = content[1:]
        content = content.replace(b"\r\n.", b"\r\n")
        if self.mailbox.latency_s:
            self.held = True
            asyncio.get_running_loop().call_later(self.mailbox.latency_s, self._resume, content)
        else:
            self._take(content)
        return True

    def _resume(self, content: bytes) -> None:
        self.held = False
        if not self.ended:
            self._take(content)
            self._proceed()

    def _take(self, content: bytes) -> None:
        if len(content) > SIZE_LIMIT:
            self._reply(b"552 5.3.4 Message too big")
        elif reply := self.mailbox.take(self.recipients, content):
            self._reply(reply)
        else:
            self.ended = True
            self.transport.abort()
        self._forget()

    def _auth(self, initial: bytes) -> None:
        if initial:
            self._authenticate(initial)
        else:
            self.in_auth = True
            self._reply(b"334 ")

    def _authenticate(self, response: bytes) -> None:
        try:
            _, user, password = b64decode(response, validate=True).split(b"\0")
        except (binascii.Error, ValueError):
            self._reply(b"501 5.5.2 Cannot decode")
            return
        known = "\0".join(self.mailbox.credentials or ("", "")).encode()
        self.trusted = hmac.compare_digest(known, user + b"\0" + password)
        self._reply(b"235 2.7.0 Welcome" if self.trusted else b"535 5.7.8 Authentication credentials invalid")

    def _forget(self) -> None:
        self.sender = None
        self.recipients = []
        self.utf8 = False
