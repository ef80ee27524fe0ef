"""The people of the demo who sign in, as the first screen shows them."""

from contextlib import closing

import httpx

from cli.demo.accounts import accounts


def test_the_first_screens_accounts_sign_in_with_their_roles(system):
    # given the demo school
    with closing(system.api()) as api:
        made = accounts(api)
    # when each of them signs in
    with httpx.Client(base_url=system.url) as client:
        asked = [client.post("/v1/sessions", json={"name": each.name, "password": each.password}) for each in made]
        sessions = [each.raise_for_status().json() for each in asked]
        # then each is what the screen says, and may look
        assert [each["role"] for each in sessions] == ["platform_admin", "school_admin", "guardian"]
        for each in sessions:
            bearer = {"Authorization": f"Bearer {each['access_token']}"}
            assert client.get("/v1/me/preferences", headers=bearer).status_code == 200
