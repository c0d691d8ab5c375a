"""Who is asking, without Keystone: a WSGI filter in front of Neutron that turns a user's name into header context,
and just enough of an identity service for the stock client's `--project NAME`.

`Authorization: Basic` names the user: `admin`, or a tenant of the topology, whose project carries the same name. Any
password will do. A request without it is taken by its own X-User-Id, X-Project-Id and X-Roles headers. This belongs
in a lab on loopback and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

Environment = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environment, StartResponse], Iterable[bytes]]

ADMIN = "admin"
ADMIN_ROLES = "admin,manager,member,reader"
TENANT_ROLES = "member,reader"


class Access:
    """The filter; users it does not know are turned away."""

    def __init__(self, application: Application, tenants: Iterable[str]) -> None:
        self._application = application
        self._tenants = frozenset(tenants)

    def __call__(self, environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        scheme, _, secret = environment.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "basic":
            user = _user(secret)
            if user != ADMIN and user not in self._tenants:
                return _turn_away(start_response, user)
            environment |= identity(user)
        return self._application(environment, start_response)


def identity(user: str) -> dict[str, str]:
    """What Keystone's middleware would have put there."""
    return {
        "HTTP_X_USER_ID": user,
        "HTTP_X_USER_NAME": user,
        "HTTP_X_PROJECT_ID": user,
        "HTTP_X_PROJECT_NAME": user,
        "HTTP_X_ROLES": ADMIN_ROLES if user == ADMIN else TENANT_ROLES,
    }


def _user(secret: str) -> str:
    try:
        return base64.b64decode(secret, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _turn_away(start_response: StartResponse, user: str) -> Iterable[bytes]:
    start_response("401 Unauthorized", [("Content-Type", "text/plain"), ("WWW-Authenticate", 'Basic realm="lab"')])
    return [f"the lab has no user '{user}'\n".encode()]


class Projects:
    """The projects there are, in the words of the identity API v3; names are ids."""

    def __init__(self, tenants: Iterable[str]) -> None:
        self._names = (ADMIN, *tenants)

    def __call__(self, environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        base = f"http://{environment.get('HTTP_HOST', '')}{environment.get('SCRIPT_NAME', '')}"
        status, answer = self.answer(base, environment.get("PATH_INFO", ""), environment.get("QUERY_STRING", ""))
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def answer(self, base: str, path: str, query: str) -> tuple[str, Any]:
        """Status and body of a GET below `base`; the client follows the self link, so it must be true."""
        match path.strip("/").split("/"):
            case ["v3"]:
                links = [{"rel": "self", "href": f"{base}/v3/"}]
                return "200 OK", {"version": {"id": "v3.14", "status": "stable", "links": links}}
            case ["v3", "projects"]:
                wanted = parse_qs(query).get("name", self._names)
                return "200 OK", {"projects": [_project(name) for name in self._names if name in wanted], "links": {}}
            case ["v3", "projects", name] if name in self._names:
                return "200 OK", {"project": _project(name)}
        return "404 Not Found", {"error": {"code": 404, "title": "Not Found", "message": f"the lab has no {path}"}}


def _project(name: str) -> dict[str, Any]:
    return {"id": name, "name": name, "domain_id": "default", "enabled": True, "is_domain": False, "tags": []}


def app_factory(_global: dict[str, str], **local: str) -> Projects:
    """Paste's door for the projects; `tenants` as below."""
    return Projects(local.get("tenants", "").split())


def filter_factory(_global: dict[str, str], **local: str) -> Callable[[Application], Access]:
    """Paste's door; `tenants` is a list separated by spaces."""
    return lambda application: Access(application, local.get("tenants", "").split())
