"""Nobody is there yet, and somebody has to be the first."""

from contextlib import closing

import httpx
import pytest

from cli.operations import first_administrator
from cli.processes.keys import SIGNING, make_keys
from shared.errors import Refused


def test_the_first_administrator_is_invited_by_the_key_and_signs_in_by_password(system):
    # given
    invited = first_administrator.invite(system.backing.keys / "signing.pem", system.url, "Ada", "Demo")
    assert invited.token in first_administrator.screen(system.url, invited)
    said = {"name": "ada-demo", "password": "correct horse battery"}
    with closing(httpx.Client(base_url=system.url)) as client:
        # when
        accepted = client.post("/v1/invitations/accept", json={"token": invited.token, **said})
        session = client.post("/v1/sessions", json=said).json()
        # then
        assert accepted.status_code == 204
        assert (session["role"], session["person_id"]) == ("platform_admin", str(invited.person_id))
        signed = {"Authorization": f"Bearer {session['access_token']}"}
        listed = client.get("/v1/administrators", headers=signed).json()["items"]
    assert str(invited.person_id) in [each["person_id"] for each in listed]


def test_a_different_key_does_not_make_an_administrator(system, tmp_path):
    make_keys(tmp_path)
    with pytest.raises(Refused, match="401"):
        first_administrator.invite(tmp_path / SIGNING, system.url, "Eve", "Demo")
