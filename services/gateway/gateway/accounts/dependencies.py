"""Dependencies of the routes for signing in."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from gateway.accounts.api_keys import Keys
from gateway.accounts.firebase import Firebase
from gateway.accounts.passwords import Failures, Passwords
from gateway.accounts.sessions import Sessions
from shared.http.provided import Provided
from shared.http.tokens import Verifier


@dataclass(frozen=True, slots=True)
class SignInTools:
    """Checks of passwords and Firebase tokens, and the sessions that they open."""

    sessions: Sessions
    passwords: Passwords
    failures: Failures
    firebase: Firebase
    verifier: Verifier


Tools = Annotated[SignInTools, Depends(Provided(SignInTools))]
ApiKeys = Annotated[Keys, Depends(Provided(Keys))]
