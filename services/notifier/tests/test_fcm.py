"""The push courier against the fake FCM: real TLS and HTTP/2."""

import asyncio
import json

import pytest

from cli.fakes import process
from notifier.providers import Push
from notifier.providers.fcm import MAX_PAYLOAD_BYTES, FcmCourier, payload, payload_bytes


def push(number=0, **other):
    return Push(**{"token": f"token-{number}", "title": "Trip", "body": "Bring boots", "tag": "n-1"} | other)


async def test_calls_share_few_connections(fcm, push_courier):
    # given answers that take a while
    fcm.faults(latency_ms=300)
    # when more calls are under way than one HTTP/2 connection carries
    outcomes = await asyncio.gather(*(push_courier.send(push(n)) for n in range(200)))
    # then two connections carry all of them at once
    assert {each.kind for each in outcomes} == {"accepted"}
    stats = fcm.stats()
    assert stats["connections"] == 2
    assert stats["max_in_flight"] > 150


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        ({"unavailable": 1.0}, "transient", "UNAVAILABLE"),
        ({"internal": 1.0}, "transient", "INTERNAL"),
        ({"quota": 1.0}, "throttled", "QUOTA_EXCEEDED"),
        ({"sender_id_mismatch": 1.0}, "config", "SENDER_ID_MISMATCH"),
        ({"third_party_auth": 1.0}, "config", "THIRD_PARTY_AUTH_ERROR"),
        ({"unregistered_tokens": ["token-0"]}, "token_dead", "UNREGISTERED"),
    ],
)
async def test_a_documented_error_is_classified(fcm, push_courier, fault, kind, reason):
    fcm.faults(**fault)
    outcome = await push_courier.send(push())
    assert (outcome.kind, outcome.reason) == (kind, reason)
    assert fcm.stats()["calls_total"] == 1


async def test_quota_without_retry_after_waits_a_minute(fcm, push_courier):
    fcm.faults(quota=1.0)
    assert (await push_courier.send(push())).retry_after == 60


@pytest.mark.parametrize("as_date", [False, True])
async def test_retry_after_is_read_as_seconds_or_date(fcm, push_courier, as_date):
    fcm.faults(unavailable=1.0, retry_after_s=90, retry_after_as_date=as_date)
    assert (await push_courier.send(push())).retry_after == pytest.approx(90, abs=2)


async def test_a_token_that_fcm_cannot_read_is_dead(push_courier):
    assert (await push_courier.send(push(token="not a token"))).kind == "token_dead"


async def test_the_limit_counts_notification_and_data_only(push_courier):
    # given a message whose counted keys and values are exactly the limit, whose JSON is longer
    rest = MAX_PAYLOAD_BYTES - payload_bytes(push(body="", data={"kind": "é"}))
    fits = push(body="x" * rest, data={"kind": "é"})
    assert len(payload(fits)) > MAX_PAYLOAD_BYTES
    # then FCM takes it, and one byte more is refused before the call
    assert (await push_courier.send(fits)).kind == "accepted"
    over = await push_courier.send(push(body="x" * (rest + 1), data={"kind": "é"}))
    assert (over.kind, over.reason) == ("permanent", "payload_over_4096_bytes")


async def test_an_app_registered_by_installation_id_is_addressed_by_fid(fcm, push_courier):
    await push_courier.send(push(token="installation", fid="installation"))
    await push_courier.send(push(token="registration", fid="installation"))
    second, first = (each["message"] for each in fcm.received())
    assert first["fid"] == "installation"
    assert "token" not in first
    assert second["token"] == "registration"
    assert "fid" not in second


async def test_a_repeat_replaces_the_first_on_every_platform():
    message = json.loads(payload(push(tag="n-7")))["message"]
    assert message["android"]["notification"]["tag"] == "n-7"
    assert message["apns"]["headers"]["apns-collapse-id"] == "n-7"
    assert message["webpush"]["notification"]["tag"] == "n-7"


async def test_a_refused_connection_is_transient(fcm):
    account = fcm.folder / "service-account.json"
    courier = FcmCourier(f"https://127.0.0.1:{process.free_port()}", account, ca_file=fcm.folder / "ca.pem")
    outcome = await courier.send(push())
    await courier.close()
    assert (outcome.kind, outcome.reason) == ("transient", "no_connection")


async def test_a_lost_answer_is_unknown(fcm, push_courier):
    # given FCM takes the message and its answer is lost on the way
    fcm.faults(drop=1.0)
    outcome = await push_courier.send(push())
    # then the message may be there, and is: a repeat must count as one
    assert outcome.kind == "unknown"
    assert fcm.received()[0]["outcome"] == "dropped"


async def test_calls_under_way_are_unknown_when_the_provider_dies(tmp_path):
    with process.fcm(tmp_path) as own:
        courier = FcmCourier(own.web, tmp_path / "service-account.json", ca_file=tmp_path / "ca.pem")
        own.faults(latency_ms=30_000)
        calls = [asyncio.create_task(courier.send(push(n))) for n in range(5)]
        while own.stats()["in_flight"] < 5:
            await asyncio.sleep(0.01)
        own.process.kill()
        outcomes = await asyncio.gather(*calls)
        # the token is still good, so only the connection is missing now
        after = await courier.send(push())
        await courier.close()
    assert {each.kind for each in outcomes} == {"unknown"}
    assert (after.kind, after.reason) == ("transient", "no_connection")


async def test_a_revoked_token_is_transient_once(fcm, push_courier):
    # given a token that worked and was revoked
    assert (await push_courier.send(push())).kind == "accepted"
    fcm.faults(revoke_tokens=True)
    issued = fcm.stats()["tokens_issued"]
    # when it is used: one call, not two
    outcome = await push_courier.send(push())
    # then the next one has a new token
    assert (outcome.kind, outcome.reason) == ("transient", "UNAUTHENTICATED")
    assert (await push_courier.send(push())).kind == "accepted"
    assert fcm.stats()["tokens_issued"] == issued + 1


async def test_a_missing_apns_key_keeps_our_access_token(fcm, push_courier):
    await push_courier.send(push())
    issued = fcm.stats()["tokens_issued"]
    fcm.faults(third_party_auth=1.0)
    await push_courier.send(push())
    fcm.faults(reset=True)
    assert (await push_courier.send(push())).kind == "accepted"
    assert fcm.stats()["tokens_issued"] == issued


async def test_refused_credentials_are_config(fcm, push_courier):
    fcm.faults(refuse_grants=True)
    outcome = await push_courier.send(push())
    assert (outcome.kind, outcome.reason) == ("config", "credentials_refused")
    fcm.faults(refuse_grants=False)
    assert (await push_courier.send(push())).kind == "accepted"


async def test_short_lived_tokens_are_not_fetched_for_every_call(fcm, push_courier):
    fcm.faults(token_lifetime_s=60)
    issued = fcm.stats()["tokens_issued"]
    for n in range(20):
        assert (await push_courier.send(push(n))).kind == "accepted"
    assert fcm.stats()["tokens_issued"] == issued + 1


async def test_the_ca_file_wins_over_the_environment(fcm, monkeypatch, tmp_path):
    # given an environment that trusts a bundle without the fake's CA
    other = tmp_path / "bundle.pem"
    other.write_text("")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    courier = FcmCourier(fcm.web, fcm.folder / "service-account.json", ca_file=fcm.folder / "ca.pem")
    outcome = await courier.send(push())
    await courier.close()
    assert outcome.kind == "accepted"


async def test_an_unknown_project_is_config(fcm, tmp_path):
    account = json.loads((fcm.folder / "service-account.json").read_text())
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account | {"project_id": "another"}))
    courier = FcmCourier(fcm.web, file, ca_file=fcm.folder / "ca.pem")
    outcome = await courier.send(push())
    await courier.close()
    assert (outcome.kind, outcome.reason) == ("config", "PERMISSION_DENIED")
