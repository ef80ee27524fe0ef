"""Signing in to the console: its cookie, the way back, where changes may come from, what an ended session keeps."""

from uuid import uuid4

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_link_without_a_session_leads_to_sign_in_and_back(gateway, browse, account, school):
    _, secrets = await account(school, "platform_admin")
    async with browse() as browser:
        asked = await browser.get("/console/tasks", state="failed")
        assert asked.status_code == 303
        page = await browser.get(asked.headers["location"])
        assert 'value="/console/tasks?state=failed"' in page.text
        answer = await browser.post("/console/sign-in", **secrets, return_to="/console/tasks?state=failed")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/tasks?state=failed")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await browser.get("/console/overview")).status_code == 200


async def test_a_wrong_password_says_so_keeps_the_name_and_is_audited(gateway, browse, account, school):
    _, secrets = await account(school, "staff")
    async with browse() as browser:
        answer = await browser.post("/console/sign-in", **secrets | {"password": "wrong"})
        assert answer.status_code == 401
        assert f'value="{secrets["name"]}"' in answer.text
        assert "set-cookie" not in answer.headers
    code = "SELECT code FROM audit WHERE action = 'POST /console/sign-in' ORDER BY audit_id DESC LIMIT 1"
    assert await gateway.one(code) == "credentials_refused"


@pytest.mark.parametrize("role", ["guardian", "student"])
async def test_the_console_is_for_staff(gateway, browse, account, school, role):
    _, secrets = await account(school, role)
    async with browse() as browser:
        answer = await browser.post("/console/sign-in", **secrets)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


async def test_a_person_with_several_roles_chooses_one_of_theirs(gateway, browse, account, school):
    person, secrets = await account(school, "staff")
    other = await gateway.add_school()
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, 'teacher')"
        await tx.execute(query, (person, other))
    async with browse() as browser:
        page = await browser.post("/console/sign-in", **secrets)
        choice = page.text.split('name="choice" value="')[1].split('"')[0]
        foreign = await browser.post("/console/sign-in/role", choice=choice, membership=f"school_admin:{other}")
        assert "set-cookie" not in foreign.headers
        answer = await browser.post("/console/sign-in/role", choice=choice, membership=f"teacher:{other}")
        assert answer.status_code == 303
        assert (await browser.get("/console/overview")).status_code == 403
    async with browse() as browser:
        browser.client.cookies.set("console-8000", choice, domain="gateway.local")
        assert (await browser.get("/console/tasks")).status_code == 303, "a choice opens nothing"


async def test_a_session_of_the_console_opens_no_route_of_the_api_and_a_token_no_page(gateway, signed_in, school):
    async with signed_in(school, "school_admin") as browser:
        (token,) = browser.client.cookies.values()
        answer = await gateway.client.get("/v1/people", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert (await browser.get("/v1/people")).status_code == 401
    access = gateway.token("school_admin", school, uuid4())
    page = await gateway.client.get("/console/tasks", headers={"Cookie": f"console-8000={access}"})
    assert page.status_code == 303


async def test_signing_out_ends_the_session_in_every_tab_at_once(gateway, browse, account, school):
    _, secrets = await account(school, "platform_admin")
    async with browse() as browser, browse() as tab:
        await browser.post("/console/sign-in", **secrets)
        tab.client.cookies.update(browser.client.cookies)
        assert (await tab.get("/console/overview")).status_code == 200
        assert (await browser.post("/console/sign-out")).status_code == 303
        assert (await tab.get("/console/overview")).status_code == 303


async def test_a_session_ends_after_its_hours(gateway, browse, account, school):
    person, secrets = await account(school, "platform_admin")
    lasts = "SELECT extract(epoch FROM expires_at - now()) / 3600 FROM refresh_token WHERE person_id = %s"
    async with browse() as browser:
        await browser.post("/console/sign-in", **secrets)
        assert 11.9 < await gateway.one(lasts, (person,)) <= 12
        async with gateway.service.transactions.begin() as tx:
            await tx.execute("UPDATE refresh_token SET expires_at = now() WHERE person_id = %s", (person,))
        assert (await browser.get("/console/overview")).status_code == 303


async def test_an_ended_session_keeps_what_was_typed_and_sends_nothing(browse):
    async with browse() as browser:
        browser.client.cookies.set("console-8000", "over")
        text = "Snow: <b>closed</b> tomorrow"
        page = await browser.post("/console/sign-out?a=b", message=text, key="k-1")
        assert page.status_code == 401
        assert "Snow: &lt;b&gt;closed&lt;/b&gt; tomorrow" in page.text
        assert '<form method="post" action="/console/sign-out?a=b"' in page.text
        assert 'name="key" value="k-1"' in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8000"},
    ],
)
async def test_a_change_from_another_origin_is_refused_and_its_text_is_not_shown(signed_in, school, headers):
    async with signed_in(school, "platform_admin") as browser:
        answer = await browser.post("/console/sign-out", headers=headers, message="planted")
        assert answer.status_code == 403
        assert "planted" not in answer.text
        assert (await browser.get("/console/overview")).status_code == 200
        browser.client.cookies.clear()
        assert "planted" not in (await browser.post("/console/sign-out", headers=headers, message="planted")).text


async def test_every_page_has_strict_headers(browse):
    async with browse() as browser:
        headers = (await browser.get("/console/sign-in")).headers
        policy = headers["content-security-policy"]
        assert "unsafe-inline" not in policy
        assert "script-src 'self'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"


async def test_an_address_without_a_page_is_a_page_that_says_so(signed_in, school):
    async with signed_in(school, "staff") as browser:
        for path, status in (("/console/nothing", 404), ("/console/overview", 403)):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["content-type"][:9]) == (status, "text/html"), path


async def test_the_language_follows_the_browser_and_then_the_persons_choice(browse):
    async with browse() as browser:
        page = await browser.client.get("/console/sign-in", headers={"Accept-Language": "ar-EG, en;q=0.5"})
        assert '<html lang="ar" dir="rtl">' in page.text
        await browser.post("/console/language", language="de", return_to="/console/sign-in")
        page = await browser.client.get("/console/sign-in", headers={"Accept-Language": "ar"})
        assert '<html lang="de" dir="ltr">' in page.text
