"""The fake FCM as a process: it answers as documented, counts exactly, and shows its faults."""

import json
import time
from email.utils import parsedate_to_datetime

import httpx
import jwt
import pytest

from cli.fakes.oauth import GRANT


@pytest.fixture
def account(fcm):
    return json.loads((fcm.folder / "service-account.json").read_text())


@pytest.fixture
def bearer(fcm, account):
    return granted(fcm, account).json()["access_token"]


def granted(fcm, account, **claims):
    now = int(time.time())
    what = {"iss": account["client_email"], "aud": account["token_uri"], "iat": now, "exp": now + 600, "scope": "x"}
    assertion = jwt.encode(what | claims, account["private_key"], algorithm="RS256")
    return fcm.control.post("/token", data={"grant_type": GRANT, "assertion": assertion})


def send(fcm, account, bearer, token="t", tag="n", **other):
    message = {"token": token, "android": {"notification": {"tag": tag}}} | other
    path = f"/v1/projects/{account['project_id']}/messages:send"
    return fcm.control.post(path, json={"message": message}, headers={"authorization": f"Bearer {bearer}"})


def code(answer):
    return answer.status_code, answer.json()["error"]["details"][0].get("errorCode")


def test_a_message_is_counted_and_stored(fcm, account, bearer):
    answer = send(fcm, account, bearer, notification={"title": "Trip", "body": "Boots"})
    assert answer.json()["name"].startswith(f"projects/{account['project_id']}/messages/")
    stats = fcm.stats()
    assert (stats["sent"], stats["calls_total"], stats["duplicates"], stats["connections"]) == (1, 1, 0, 1)
    kept = fcm.received()[0]
    assert (kept["token"], kept["tag"], kept["outcome"]) == ("t", "n", "accepted")
    assert kept["message"]["notification"] == {"title": "Trip", "body": "Boots"}


def test_a_repeat_with_the_same_tag_is_a_duplicate(fcm, account, bearer):
    for token, tag in [("t", "n"), ("t", "n"), ("t", "other"), ("u", "n")]:
        send(fcm, account, bearer, token, tag)
    stats = fcm.stats()
    assert (stats["sent"], stats["duplicates"], stats["distinct_tokens"]) == (4, 1, 2)
    assert stats["repeated"] == [{"token": "t", "tag": "n", "count": 2}]


def test_received_is_newest_first_and_can_be_filtered(fcm, account, bearer):
    for token in ("a", "b", "a"):
        send(fcm, account, bearer, token)
    assert [each["token"] for each in fcm.received()] == ["a", "b", "a"]
    assert [each["ordinal"] for each in fcm.received(token="a")] == [3, 1]
    assert len(fcm.received(limit=1)) == 1
    assert fcm.control.get("/received", params={"limit": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("unavailable", (503, "UNAVAILABLE")),
        ("internal", (500, "INTERNAL")),
        ("quota", (429, "QUOTA_EXCEEDED")),
        ("sender_id_mismatch", (403, "SENDER_ID_MISMATCH")),
        ("third_party_auth", (401, "THIRD_PARTY_AUTH_ERROR")),
        ("unregistered", (404, "UNREGISTERED")),
    ],
)
def test_a_fault_has_its_documented_answer(fcm, account, bearer, fault, expected):
    fcm.faults(**{fault: 1.0})
    assert code(send(fcm, account, bearer)) == expected


@pytest.mark.parametrize(
    "change", [{"unknown": 1}, {"drop": 2}, {"drop": "yes"}, {"reset": 1}, [], {"retry_after_s": -1}]
)
def test_an_invalid_fault_changes_nothing(fcm, change):
    before = fcm.faults(seed=4, quota=0.25)
    assert fcm.control.post("/faults", json=change).status_code == 400
    assert fcm.control.post("/faults", content=b"{").status_code == 400
    assert fcm.control.get("/faults").json() == before


def test_the_same_seed_draws_the_same_faults(fcm, account, bearer):
    drawn = []
    for _ in range(2):
        fcm.faults(reset=True, seed=7, unavailable=0.5)
        drawn.append([send(fcm, account, bearer).status_code for _ in range(12)])
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {200, 503}


def test_an_unregistered_token_stays_unregistered(fcm, account, bearer):
    fcm.faults(unregistered=0.5, seed=1, unregistered_tokens=["gone"])
    first = [send(fcm, account, bearer, f"t{n}").status_code for n in range(12)]
    assert set(first) == {200, 404}
    assert [send(fcm, account, bearer, f"t{n}").status_code for n in range(12)] == first
    assert send(fcm, account, bearer, "gone").status_code == 404


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after(fcm, account, bearer, as_date):
    fcm.faults(quota=1.0, retry_after_s=30, retry_after_as_date=as_date)
    said = send(fcm, account, bearer).headers["retry-after"]
    seconds = parsedate_to_datetime(said).timestamp() - time.time() if as_date else float(said)
    assert seconds == pytest.approx(30, abs=2)
    fcm.faults(retry_after_s=None)
    assert "retry-after" not in send(fcm, account, bearer).headers


def test_a_dropped_message_is_kept(fcm, account, bearer):
    fcm.faults(drop=1.0)
    with pytest.raises(httpx.TransportError):
        send(fcm, account, bearer)
    assert fcm.received()[0]["outcome"] == "dropped"
    # so the repeat is a duplicate on the device
    fcm.faults(reset=True)
    send(fcm, account, bearer)
    assert fcm.stats()["duplicates"] == 1


def test_only_an_issued_unexpired_access_token_is_accepted(fcm, account, bearer):
    assert send(fcm, account, "made-up").status_code == 401
    assert send(fcm, account, bearer).status_code == 200
    fcm.faults(revoke_tokens=True)
    assert send(fcm, account, bearer).status_code == 401


@pytest.mark.parametrize("claims", [{"iss": "other"}, {"aud": "other"}, {"exp": 1}, {"scope": ""}, {"iat": 10**10}])
def test_a_bad_grant_is_refused(fcm, account, claims):
    assert granted(fcm, account, **claims).status_code == 400
    assert fcm.stats()["calls"] == {"grant_refused": 1}


@pytest.mark.parametrize(
    "message",
    [
        {"token": ""},
        {"topic": "all"},
        {"token": "t", "fid": "f"},
        {"token": "has space"},
        {"token": "t", "data": {"n": 1}},
        {"token": "t", "data": {"from": "x"}},
        {"token": "t", "android": {"ttl": "9999999s"}},
        {"token": "t", "surprise": 1},
        {"token": "t", "data": {"k": "x" * 4096}},
    ],
)
def test_requests_that_fcm_refuses_are_refused(fcm, account, bearer, message):
    path = f"/v1/projects/{account['project_id']}/messages:send"
    answer = fcm.control.post(path, json={"message": message}, headers={"authorization": f"Bearer {bearer}"})
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert fcm.stats()["sent"] == 0


def test_another_project_is_denied(fcm, bearer):
    path = "/v1/projects/other/messages:send"
    assert fcm.control.post(path, json={}, headers={"authorization": f"Bearer {bearer}"}).status_code == 403


def test_the_page_escapes_received_text(fcm, account, bearer):
    send(fcm, account, bearer, notification={"title": "<script>", "body": "b"})
    page = fcm.control.get("/")
    assert "&lt;script&gt;" in page.text
    assert "<script>" not in page.text
    assert fcm.control.get("/nowhere").status_code == 404
