"""Classing of answers without a provider: what the fake does not say, and what is no answer of FCM at all."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.providers.fcm_responses import outcome_of, retry_after

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def error(status="INVALID_ARGUMENT", message="", details=()):
    return json.dumps({"error": {"status": status, "message": message, "details": list(details)}}).encode()


def violation(field):
    return {"fieldViolations": [{"field": field, "description": "bad"}]}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"name": "projects/p/messages/0:1"}', "accepted"),
        (400, error(details=[violation("message.token")]), "token_dead"),
        (400, error(details=[violation("message.fid")]), "token_dead"),
        (400, error(message="The registration token is not a valid FCM registration token"), "token_dead"),
        (400, error(details=[violation("message.data[0].value")]), "permanent"),
        (400, b"<html>", "permanent"),
        (404, error("NOT_FOUND", details=[{"@type": FCM_ERROR, "errorCode": "UNREGISTERED"}]), "token_dead"),
        (404, error("NOT_FOUND"), "config"),
        (404, b"<html>not here</html>", "config"),
        (403, error("PERMISSION_DENIED"), "config"),
        (302, b"", "config"),
        (413, b"", "permanent"),
        (429, b"", "throttled"),
        (500, b"", "transient"),
        (503, error("UNAVAILABLE"), "transient"),
    ],
)
def test_an_answer_has_the_documented_kind(status, body, kind):
    assert outcome_of(status, body, {}).kind == kind


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"null", b'"x"', b"{}", b'{"name": 4}', b"<html>", b"\xff"])
def test_a_success_that_is_not_from_fcm_is_unknown(body):
    assert outcome_of(200, body, {}).kind == "unknown"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "details", "status", "errorCode", "fieldViolations", "field", "name"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(status=st.integers(100, 599), content=JSON)
def test_reading_an_answer_never_raises(status, content):
    outcome_of(status, json.dumps(content).encode(), {})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("²", None),
        ("-5", None),
        ("120", 120),
        (" 7 ", 7),
        ("9" * 400, 86_400),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2099 12:00:00 GMT", 86_400),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value, seconds):
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=40))
def test_reading_retry_after_never_raises(value):
    found = retry_after(value, NOW)
    assert found is None or 0 <= found <= 86_400
