"""`/v1/sessions`, `/v1/invitations`: signing in and out. No token is needed; addresses and names are limited."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

from gateway.accounts import accounts, sessions
from gateway.accounts.dependencies import Tools
from gateway.accounts.passwords import Password
from gateway.accounts.sessions import RefreshTokenReused, SessionRequest
from gateway.http.dependencies import Configured, Rows
from gateway.http.former_addresses import sign_in_address, tell_removed
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security import audit
from gateway.security.access_control import EVERYBODY, allow, public
from gateway.security.caller import CurrentCaller, require_fresh
from shared.events.values import Role
from shared.http.tokens import TokenRefused

router = APIRouter(prefix="/v1", tags=["sign-in"], route_class=GuardedRoute)

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, min_length=2, max_length=254, pattern=r"^[^\x00-\x20]+$"),
    AfterValidator(str.casefold),
]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")]


class SignIn(BaseModel):
    """A name (user name or e-mail) with its password, or a Firebase ID token; `school` and `role` choose a role.

    `device_token` is that of the last sign-in on this device: failures elsewhere then do not make it wait.
    """

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    firebase_token: Annotated[str, StringConstraints(min_length=1, max_length=8192)] | None = None
    device_token: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None
    school: UUID | None = None
    role: Role | None = None

    @model_validator(mode="after")
    def one_way(self) -> Self:
        """Both would be a guess."""
        named = self.name is not None and self.password is not None
        if named == (self.firebase_token is not None) or (self.name is None) != (self.password is None):
            msg = "send name and password, or firebase_token"
            raise ValueError(msg)
        return self


class Session(BaseModel):
    """`access_token` goes into every request as a bearer token; `refresh_token` renews it once."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    person_id: UUID
    role: Role
    school_id: UUID | None
    device_token: str | None = None


class Renewal(BaseModel):
    """A refresh token; with `school` or `role` the session goes on as another of the person's roles."""

    model_config = ConfigDict(extra="forbid")
    refresh_token: Secret
    school: UUID | None = None
    role: Role | None = None


class End(BaseModel):
    """The session to end, by its refresh token."""

    model_config = ConfigDict(extra="forbid")
    refresh_token: Secret


class Acceptance(BaseModel):
    """An invitation, and the name and password to sign in with: an address must be one of the person's own."""

    model_config = ConfigDict(extra="forbid")
    token: Secret
    name: Name
    password: Password


class PasswordChange(BaseModel):
    """The password until now and the new one."""

    model_config = ConfigDict(extra="forbid")
    old: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    new: Password


class FirebaseLink(BaseModel):
    """An ID token of the Firebase user that is to be able to sign in as the caller.

    With it the caller's password, if they have one; otherwise their sign-in must be of the last minutes.
    """

    model_config = ConfigDict(extra="forbid")
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    firebase_token: Annotated[str, StringConstraints(min_length=1, max_length=8192)]


@router.post("/sessions", response_model=Session, dependencies=[public()])
async def sign_in(body: SignIn, rows: Rows, tools: Tools) -> dict[str, Any]:
    """Sign in. 401 says nothing of whether the name exists; 422 `membership_needed` lists roles to choose from."""
    by = "password" if body.name is not None else "firebase"
    person: UUID | None = None
    try:
        if body.name is not None:
            person = await person_by_password(body.name, body.password or "", body.device_token, rows, tools)
        else:
            person = await _by_firebase(body.firebase_token or "", rows, tools)
        async with rows.begin() as tx:
            session = await tools.sessions.open(tx, person, SessionRequest(body.school, body.role))
        session["device_token"] = tools.sessions.device_token(session)
    except Problem as problem:
        await audit.note(
            rows, "POST /v1/sessions", status=problem.status, code=problem.code, person=person, subject={"by": by}
        )
        raise
    await audit.note(
        rows,
        "POST /v1/sessions",
        status=200,
        person=person,
        role=session["role"],
        school=session["school_id"],
        subject={"by": by},
    )
    return session


async def person_by_password(name: str, password: str, device: str | None, rows: Rows, tools: Tools) -> UUID:
    """Return the person whom a name and its password sign in; raises 401, or 429 after too many failures."""
    async with rows.begin() as tx:
        account = await tx.row(accounts.SELECT_ACCOUNT_BY_NAME, {"name": name})
    counted = name
    if device is not None and account is not None and _is_known(device, account["person_id"], tools):
        counted = f"device {device}"
    await tools.failures.attempt(counted)
    if not await tools.passwords.right(password, account["hash"] if account else None) or account is None:
        raise Problem(401, "credentials_refused", "Name or password is wrong.")
    await tools.failures.succeeded(counted)
    found: UUID = account["person_id"]
    return found


def _is_known(device: str, person: UUID, tools: Tools) -> bool:
    try:
        return tools.verifier.verify(device, "device").person == person
    except TokenRefused:
        return False


async def _by_firebase(token: str, rows: Rows, tools: Tools) -> UUID:
    user = await tools.firebase.user(token)
    async with rows.begin() as tx:
        person = await accounts.person_of_firebase(tx, user.uid, user.email)
    if person is None:
        raise Problem(401, "credentials_refused", "No person is linked to this Firebase user.")
    return person


@router.post("/sessions/refresh", response_model=Session, dependencies=[public()])
async def refresh(body: Renewal, rows: Rows, tools: Tools) -> dict[str, Any]:
    """Renew both tokens. A refresh token that is used a second time ends its session everywhere."""
    try:
        return await tools.sessions.renew(body.refresh_token, SessionRequest(body.school, body.role))
    except RefreshTokenReused as problem:
        await audit.note(
            rows, "POST /v1/sessions/refresh", status=problem.status, code=problem.code, person=problem.person
        )
        raise


@router.post("/sessions/end", status_code=204, dependencies=[public()])
async def sign_out(body: End, tools: Tools) -> Response:
    """Sign out: the session ends, its access tokens too."""
    await tools.sessions.end(body.refresh_token)
    return Response(status_code=204)


@router.post("/invitations/accept", status_code=204, dependencies=[public()])
async def accept(body: Acceptance, rows: Rows, tools: Tools) -> Response:
    """Set name and password with an invitation; every session of the person ends."""
    hashed = await tools.passwords.hash(body.password)
    async with rows.begin() as tx:
        person = await accounts.accept(tx, body.token, body.name, hashed)
        await sessions.end_all(tx, person)
    await audit.note(rows, "POST /v1/invitations/accept", status=204, person=person)
    return Response(status_code=204)


@router.put("/me/password", status_code=204, dependencies=[allow(EVERYBODY, audience="person")])
async def change_password(body: PasswordChange, caller: CurrentCaller, rows: Rows, tools: Tools) -> Response:
    """Change one's password; every session ends, this one included, and so does a Firebase link."""
    assert caller.person is not None
    await _prove(caller.person, body.old, rows, tools)
    hashed = await tools.passwords.hash(body.new)
    async with rows.begin() as tx:
        before = await sign_in_address(tx, caller.person)
        await tx.execute(accounts.UPDATE_HASH, {"person": caller.person, "hash": hashed})
        await tell_removed(tx, caller.person, caller.school, before, caller.person)
        await sessions.end_all(tx, caller.person)
    return Response(status_code=204)


@router.put("/me/firebase", status_code=204, dependencies=[allow(EVERYBODY, audience="person")])
async def link_firebase(
    body: FirebaseLink, caller: CurrentCaller, rows: Rows, tools: Tools, settings: Configured
) -> Response:
    """Let a Firebase user sign in as the caller; one that is linked to another person is 409.

    The verified address of that user signs in from now on, until a password is set or reset.
    """
    assert caller.person is not None
    async with rows.begin() as tx:
        account = await tx.row(accounts.SELECT_ACCOUNT, {"person": caller.person})
    if account is not None and account["hash"] is not None:
        await _prove(caller.person, body.password or "", rows, tools)
    else:
        require_fresh(caller, settings.fresh_minutes)
    user = await tools.firebase.user(body.firebase_token)
    async with rows.begin() as tx:
        await accounts.link(tx, caller.person, caller.school, user.uid, user.email)
    return Response(status_code=204)


async def _prove(person: UUID, password: str, rows: Rows, tools: Tools) -> None:
    """Raise 403 unless it is the person's password. Attempts count by themselves: a sign-in cannot use them up."""
    counted = f"proof of {person}"
    await tools.failures.attempt(counted)
    async with rows.begin() as tx:
        account = await tx.row(accounts.SELECT_ACCOUNT, {"person": person})
    if account is None or not await tools.passwords.right(password, account["hash"]):
        raise Problem(403, "forbidden", "The password is wrong, or missing.")
    await tools.failures.succeeded(counted)
