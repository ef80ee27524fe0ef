"""The contract of every courier, on the recording ones and on the real ones."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from notifier.providers import Courier, Mail, Outcome, OutcomeKind, Push
from notifier.providers.unconfigured import Unconfigured
from services.notifier.tests.recording import Recording


@dataclass
class Bench:
    """A courier, what it is given, what its provider has (recipients, newest last), and the way to refuse."""

    courier: Courier[Any]
    message: Callable[[int], Any]
    arrived: Callable[[], list[str]]
    refuse: Callable[[], None]


def push(number):
    return Push(token=f"r{number}@example.org", title="Trip", body="Bring boots", tag="n-1")


def mail(number):
    recipient = f"r{number}@example.org"
    return Mail(recipient, f"To: {recipient}\r\nMessage-ID: <{number}@example.org>\r\n\r\nhello\r\n".encode())


def recording(message, name):
    refusing = []
    courier = Recording(lambda _: Outcome("permanent", "no") if refusing else Outcome("accepted", provider_id="1"))
    return Bench(courier, message, lambda: [getattr(each, name) for each in courier.sent], lambda: refusing.append(1))


@pytest.fixture(params=["recording push", "recording mail", "fcm", "smtp"])
def bench(request):
    match request.param:
        case "recording push":
            return recording(push, "token")
        case "recording mail":
            return recording(mail, "recipient")
        case "fcm":
            fcm = request.getfixturevalue("fcm")
            dead = [f"r{number}@example.org" for number in range(100)]
            return Bench(
                request.getfixturevalue("push_courier"),
                push,
                lambda: [each["token"] for each in reversed(fcm.received())],
                lambda: fcm.faults(unregistered_tokens=dead),
            )
        case _:
            smtp = request.getfixturevalue("smtp")
            return Bench(
                request.getfixturevalue("mail_courier"),
                mail,
                lambda: [each["recipient"] for each in reversed(smtp.received())],
                lambda: smtp.faults(reject=1.0),
            )


async def test_a_message_is_accepted_once_with_an_id(bench):
    outcome = await bench.courier.send(bench.message(1))
    assert outcome.kind == "accepted"
    assert outcome.provider_id
    assert outcome.retry_after is None
    assert bench.arrived() == ["r1@example.org"]


async def test_concurrent_messages_all_arrive_once(bench):
    outcomes = await asyncio.gather(*(bench.courier.send(bench.message(n)) for n in range(40)))
    assert {each.kind for each in outcomes} == {"accepted"}
    assert sorted(bench.arrived()) == sorted(f"r{n}@example.org" for n in range(40))


async def test_a_refusal_is_an_outcome_not_an_exception(bench):
    bench.refuse()
    outcome = await bench.courier.send(bench.message(1))
    assert outcome.kind in {"permanent", "bounced", "token_dead"}
    assert outcome.kind in get_args(OutcomeKind)
    # a reason is a code: it goes into rows and logs, an address or a text must not
    assert outcome.reason
    assert "example.org" not in outcome.reason


async def test_a_repeat_is_sent_again_with_the_same_identity(bench):
    message = bench.message(1)
    await bench.courier.send(message)
    await bench.courier.send(message)
    assert bench.arrived() == ["r1@example.org"] * 2


async def test_closing_twice_is_harmless(bench):
    await bench.courier.send(bench.message(1))
    await bench.courier.close()
    await bench.courier.close()


async def test_a_channel_without_a_provider_names_the_setting():
    courier = Unconfigured("SMTP_URL")
    outcome = await courier.send(mail(1))
    await courier.close()
    assert (outcome.kind, outcome.reason) == ("config", "SMTP_URL is not set")
