"""The API keeps to its own description: schemathesis asks every route, rightly and wrongly, and checks each answer.

All of its default checks are on. `make test` asks little of every route, the same each time. More is asked by hand:

    DESCRIBED_PHASES=coverage,fuzzing,stateful DESCRIBED_EXAMPLES=50 DESCRIBED_SEED=2 make test ARGS=tests/described
"""

import os

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.engine import Status, events, from_schema
from schemathesis.openapi.checks import RejectedPositiveData

PHASES = os.environ.get("DESCRIBED_PHASES", "fuzzing").split(",")
EXAMPLES = int(os.environ.get("DESCRIBED_EXAMPLES", "3"))
SEED = int(os.environ.get("DESCRIBED_SEED", "1"))
ROLES = os.environ.get("DESCRIBED_ROLES", "platform_admin,guardian").split(",")
SECONDS = 20
"""Longer than any answer takes."""

STREAMS = {"include-path-regex": "/events$", "request-timeout": 0.3}
"""They have no end; their first bytes are looked at, test_live has the rest."""

CHECKS = {
    # Without If-Match the answer is 428, as RFC 6585 has it.
    "missing_required_header": {"expected-statuses": [400, 401, 403, 406, 415, 422, 428]},
    # 503 with Retry-After is what a machine under too much load answers; what is wrong on our side is 500.
    "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 503]},
}
UNSAID = {
    *("value_error", "past", "rule", "unsound", "cursor", "taken", "conflict"),
    *("decimal_max_places", "decimal_max_digits", "datetime_from_date_parsing"),
}
"""Codes of errors that no JSON schema can foresee: what one field means for another, what is over, what is no rule,
which name is somebody's, how many decimals a number has, that February has no 30th day."""


def excused(failure, response):
    """Why a complaint is none, where a check assumes more than a description can say."""
    if isinstance(failure, RejectedPositiveData):
        if response.status_code in (412, 428):
            return (
                "a version is about how things stand: which one there is, whether there is one to name (RFC 9110, 13.1)"
            )
        problem = response.json()
        if response.status_code == 422 and problem["code"] != "invalid":
            return "what is named has to be there: unknown people, an empty audience"
        if response.status_code == 422 and {error["code"] for error in problem["errors"]} <= UNSAID:
            return "fields that are right by themselves and wrong together"
    if isinstance(failure, AcceptedNegativeData) and response.status_code == 413:
        return "it was refused, before it was read: too many items are too many bytes as well"
    return None


@schemathesis.serializer("application/zip")
def as_it_is(_, value):
    """A roster that is none: it is taken, and its import fails."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    return excused(failure, response) is None


def asked_of(door, role):
    """What was asked, and what schemathesis complains about, each complaint with the request to repeat."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "base-url": door.url,
            "headers": {"Authorization": f"Bearer {door.tokens[role]}"},
            "request-timeout": SECONDS,
            "continue-on-failure": True,
            "checks": CHECKS,
            "generation": {"max-examples": EXAMPLES, "no-shrink": True, "database": "none"},
            "phases": {name: {"enabled": name in PHASES} for name in ("examples", "coverage", "fuzzing", "stateful")},
            "operations": [STREAMS],
            "workers": 1,  # two trip over CPython's count of recursion in ast (gh-106905)
            "suppress-health-check": ["all"],
        }
    )
    schema = schemathesis.openapi.from_dict(door.described, config=config)
    asked, complaints = set(), {}
    for event in from_schema(schema).execute():
        if isinstance(event, (events.NonFatalError, events.FatalError)):
            complaints[str(event.id)] = repr(getattr(event, "value", None) or getattr(event, "exception", None))
        if isinstance(event, events.ScenarioFinished):
            asked |= {case.value.operation.label for case in event.recorder.cases.values()}
            for identity, checks in event.recorder.checks.items():
                for check in checks:
                    if check.status is Status.FAILURE:
                        case = event.recorder.cases[identity].value
                        response = event.recorder.interactions[identity].response
                        key = (check.name, case.operation.label, check.failure_info.failure.title)
                        answer = f"{response.status_code} {response.text[:600]}" if response else ""
                        told = (check.failure_info.failure.message, answer, check.failure_info.code_sample)
                        complaints.setdefault(key, "\n".join(told))
    return asked, complaints


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", ROLES)
def test_schemathesis_finds_nothing(door, role):
    asked, complaints = asked_of(door, role)
    routes = {f"{method.upper()} {path}" for path, methods in door.described["paths"].items() for method in methods}
    assert not complaints, "\n\n".join(f"{key}\n{text}" for key, text in complaints.items())
    assert asked >= routes
