"""Passwords in the addresses of databases and servers, taken out of whatever is shown or written."""

import re

HIDDEN = "***"
# Of a server's address, RFC 3986, 3.2.1: what stands before the last @ of the authority.
SERVER = re.compile(r"(?P<scheme>\b(?:https?|wss?|s3|git|ssh)://)[^/\s'\"<>]*@")
# Of a database's, sqlalchemy.engine.url: a name up to the first colon, and a password, up to an @ before a host.
DATABASE = re.compile(
    r"(?P<scheme>\b(?!https?:|wss?:|s3:|git:|ssh:)[a-z][a-z0-9+.-]*://)[^:/@\s'\"<>]*:"
    r"\S*?@(?=[^@/\s]*(?:[/?\s'\"),;]|$))",
    re.IGNORECASE,
)
# As a parameter of an address, or in the form host=... password=... that drivers of databases tell of.
PARAMETER = re.compile(
    r"(?P<name>\b[\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key)=)(?:'[^']*'|[^&\s'\"]+)", re.IGNORECASE
)


def redacted(text: str) -> str:
    """`text` without the passwords in it: `postgresql://host/runs`, `https://host`, `password=***`."""
    text = SERVER.sub(r"\g<scheme>", text)
    text = DATABASE.sub(r"\g<scheme>", text)
    return PARAMETER.sub(rf"\g<name>{HIDDEN}", text)
