import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from cli.operations import tokens
from cli.processes.keys import SIGNING, VERIFY, make_keys
from shared.errors import Refused
from shared.http.tokens import Claims

SCHOOL, PERSON = UUID(int=1), UUID(int=2)


class Directory(BaseHTTPRequestHandler):
    """One school, `school-linden`, with one guardian."""

    def do_GET(self):
        asked = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        if asked.path == "/v1/schools":
            items = [{"id": str(SCHOOL)}] if query == {"sourced_id": "school-linden"} else []
        else:
            known = {"school": str(SCHOOL), "role": "guardian", "active": "true", "limit": "1"}
            items = [{"id": str(PERSON)}] if query == known else []
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"items": items, "next": None}).encode())

    def log_message(self, *arguments):
        """Quiet."""


@pytest.fixture
def gateway():
    with HTTPServer(("127.0.0.1", 0), Directory) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path)
    return tmp_path


@pytest.mark.parametrize("school", ["school-linden", str(SCHOOL)])
def test_a_guardian_token_names_a_guardian(gateway, keys, school):
    token = tokens.make_for_person(keys / SIGNING, gateway, "guardian", school)
    claims = Claims.verify(token, (keys / VERIFY).read_bytes(), "access")
    assert (claims.role, claims.school, claims.person) == ("guardian", SCHOOL, PERSON)


def test_a_school_admin_token_needs_no_person(gateway, keys):
    token = tokens.make_for_person(keys / SIGNING, gateway, "school_admin", "school-linden")
    assert Claims.verify(token, (keys / VERIFY).read_bytes(), "access").person is None


def test_a_personal_role_needs_a_person(gateway, keys):
    with pytest.raises(Refused, match="no person at 'school-linden' has the role student"):
        tokens.make_for_person(keys / SIGNING, gateway, "student", "school-linden")
    with pytest.raises(Refused, match="there is no school 'elsewhere'"):
        tokens.make_for_person(keys / SIGNING, gateway, "guardian", "elsewhere")


def test_an_unreachable_gateway_is_reported(keys):
    with pytest.raises(Refused, match="the gateway cannot list"):
        tokens.make_for_person(keys / SIGNING, "http://127.0.0.1:1", "guardian", "school-linden")
