"""The errors a user meets: each carries one sentence that says what, where and what to do."""

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


class RecipeError(Exception):
    """Anything the user can mend; the command line prints its sentence, without passwords, and exits with 2."""

    def __str__(self) -> str:
        return redacted(super().__str__())


def reworded(sentence: str, verb: str) -> str:
    """What is said of data.path, for data that no setting names: `verb` stands for "set data.path to"."""
    return sentence.replace("set data.path to", verb).replace("Set data.path to", verb.capitalize())


class SettingsError(RecipeError):
    """A setting that is misspelt, missing or out of range."""


class DataError(RecipeError):
    """Data that cannot be read as the settings describe it."""


class TargetError(RecipeError):
    """A `_target_` that cannot be imported, built or called as the contract says."""


class WorkspaceError(RecipeError):
    """A workspace that is missing, not writable, or held by another run."""


def redacted(text: str) -> str:
    """`text` without the passwords in it: `postgresql://host/runs`, `https://host`, `password=***`."""
    text = SERVER.sub(r"\g<scheme>", text)
    text = DATABASE.sub(r"\g<scheme>", text)
    return PARAMETER.sub(rf"\g<name>{HIDDEN}", text)
