"""Who is asking: the filter in front of Neutron and the projects beside it, as WSGI sees them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest

from isthmus.lab.access import app_factory, filter_factory

Answer = tuple[str, dict[str, Any]]


def ask(headers: dict[str, str]) -> Answer:
    """What the application behind the filter is told, or how the filter turns the request away."""
    seen: dict[str, Any] = {}
    status: list[str] = []

    def behind(environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environment)
        start_response("200 OK", [])
        return []

    guarded = filter_factory({}, tenants="tenant1 tenant2")(behind)
    list(guarded(dict(headers), lambda code, _: status.append(code)))
    return status[0], {key: value for key, value in seen.items() if key.startswith("HTTP_X_")}


def basic(user: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{user}:any".encode()).decode()}


def test_the_admin_is_admin_in_a_project_of_its_own() -> None:
    status, context = ask(basic("admin"))
    assert status == "200 OK"
    assert (context["HTTP_X_USER_ID"], context["HTTP_X_PROJECT_ID"]) == ("admin", "admin")
    assert "admin" in context["HTTP_X_ROLES"].split(",")


def test_a_tenant_is_a_member_of_the_project_of_that_name() -> None:
    _, context = ask(basic("tenant2"))
    assert context["HTTP_X_PROJECT_ID"] == "tenant2"
    assert context["HTTP_X_ROLES"] == "member,reader"


def test_a_tenant_cannot_make_itself_admin_by_headers() -> None:
    _, context = ask(basic("tenant1") | {"HTTP_X_ROLES": "admin", "HTTP_X_PROJECT_ID": "tenant2"})
    assert (context["HTTP_X_PROJECT_ID"], context["HTTP_X_ROLES"]) == ("tenant1", "member,reader")


def test_headers_of_a_request_without_credentials_are_left_alone() -> None:
    headers = {"HTTP_X_USER_ID": "u", "HTTP_X_PROJECT_ID": "p", "HTTP_X_ROLES": "member"}
    assert ask(headers) == ("200 OK", headers)


@pytest.mark.parametrize(
    "headers", [basic("nobody"), {"HTTP_AUTHORIZATION": "Basic ???"}, {"HTTP_AUTHORIZATION": "Basic /w=="}]
)
def test_a_user_the_lab_does_not_have_is_turned_away(headers: dict[str, str]) -> None:
    assert ask(headers) == ("401 Unauthorized", {})


def get(path: str, query: str = "") -> tuple[str, Any]:
    status: list[str] = []
    environment = {
        "HTTP_HOST": "127.0.0.1:19696",
        "SCRIPT_NAME": "/identity",
        "PATH_INFO": path,
        "QUERY_STRING": query,
    }
    body = b"".join(app_factory({}, tenants="tenant1")(environment, lambda code, _: status.append(code)))
    return status[0], json.loads(body)


def test_the_identity_document_points_to_itself() -> None:
    _, answer = get("/v3")
    assert answer["version"]["links"] == [{"rel": "self", "href": "http://127.0.0.1:19696/identity/v3/"}]


def test_a_project_is_found_by_name_and_listed() -> None:
    assert get("/v3/projects/tenant1")[1]["project"]["id"] == "tenant1"
    assert [p["name"] for p in get("/v3/projects")[1]["projects"]] == ["admin", "tenant1"]
    assert [p["name"] for p in get("/v3/projects", "name=tenant1")[1]["projects"]] == ["tenant1"]


def test_an_unknown_project_is_not_found() -> None:
    assert get("/v3/projects/tenant9")[0] == "404 Not Found"
