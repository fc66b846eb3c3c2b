"""The errors a user meets: each carries one sentence that says what, where and what to do."""

from recipe.redaction import redacted


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
