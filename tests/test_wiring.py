"""What routes ask for is what their service provides."""

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from cli.operations.service_builders import BUILDS
from gateway.main import app, build_api
from gateway.settings import Settings
from shared.http.provided import Provided
from shared.http.unhandled import UnexpectedErrors
from shared.testing.fixtures import Backing, write_keys

APPLICATIONS = {name: lambda build=build: build().app() for name, build in BUILDS.items()} | {
    "gateway": lambda: app(build_api(Settings()))
}


def calls(dependant):
    """Everything that FastAPI calls for a route."""
    yield dependant.call
    for each in dependant.dependencies:
        yield from calls(each)


@pytest.fixture(params=APPLICATIONS)
def application(tmp_path, monkeypatch, request):
    """Each service's application, as its process makes it."""
    write_keys(tmp_path)
    backing = Backing("postgresql://nobody@127.0.0.1:1/none", "amqp://127.0.0.1:1/", tmp_path)
    for variable, value in backing.environment(request.param).items():
        monkeypatch.setenv(variable, value)
    return APPLICATIONS[request.param]()


def test_every_object_that_a_route_asks_for_is_provided(application):
    routes = [each for each in iter_route_contexts(application.routes) if isinstance(each.original_route, APIRoute)]
    asked = {call for each in routes for call in calls(each.dependant) if isinstance(call, Provided)}
    assert asked
    for each in asked:
        assert isinstance(each.by(application), each.kind)


def test_an_error_that_no_route_expects_is_answered_as_a_problem(application):
    handlers = {each.cls for each in application.user_middleware} | set(application.exception_handlers)
    assert handlers & {UnexpectedErrors, Exception}
