"""What TAB offers: commands and options, names of stages and practices, overrides, runs, files.

argcomplete speaks with the shell: bash, zsh, fish. The shell starts `recipe` at each TAB, so nothing slow is imported.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from argcomplete.completers import BaseCompleter, DirectoriesCompleter, FilesCompleter
from argcomplete.finders import CompletionFinder

from recipe.commands.overrides import offered
from recipe.errors import WorkspaceError
from recipe.runtime.workspace import find_workspace

PRACTICES = Path(__file__).parent.parent / "practices"
# Settings whose values are files: recipe.settings has them too, but to import it takes longer than a TAB may.
PATHS = (
    "data.path",
    "data.delivery",
    "data.decisions",
    "data.annotations",
    "stages.data.expectations.suites",
    "pretrained",
)


def answer(parser: argparse.ArgumentParser) -> None:
    """Tell the shell that asks what may follow, and end the process."""
    _Finder(parser)(parser, always_complete_options=False, default_completer=_Completer())


def words(prefix: str, placeholder: str, before: Sequence[str]) -> Iterable[str]:
    """What may stand where the help has `placeholder`, such as STAGE; a mapping where words have a meaning to tell.

    Args:
        prefix: what is typed of the word.
        before: the overrides that stand before it.
    """
    match placeholder:
        case "TEXT" | "N":
            return ()
        case "SPLIT":
            return ("train", "validation", "test")
        case "VERSION":
            return ("challenger",)
        case "A" | "B":
            return ("champion", "challenger", "previous")
        case "DIR":
            return DirectoriesCompleter()(prefix=prefix)
        case "STAGE" | "OVERRIDE" | "STAGE|PRACTICE|OVERRIDE":
            return _of_workspace(prefix, placeholder, before)
        case _:
            return FilesCompleter()(prefix=prefix)


def _of_workspace(prefix: str, placeholder: str, before: Sequence[str]) -> Iterable[str]:
    """Names and overrides, as this workspace has them; nothing outside of one."""
    try:
        conf = find_workspace() / "conf"
    except WorkspaceError:
        return ()
    name, given, value = prefix.partition("=")
    if given and name in PATHS:
        return [f"{name}={path}" for path in FilesCompleter()(prefix=value)]
    stages = [path.stem for path in sorted((conf / "stages").glob("*.yaml"))]
    if placeholder == "STAGE":
        return stages
    named = _practices(stages, prefix) if "PRACTICE" in placeholder else ()
    return dict.fromkeys(named, "") | offered(conf, prefix, before)


def _practices(stages: Sequence[str], prefix: str) -> Iterator[str]:
    """The stages; once one is typed, with its slash, its practices."""
    for stage in stages:
        practices = [path.stem for path in sorted((PRACTICES / stage).glob("[a-z]*.py"))]
        if "/" in prefix:
            yield from (f"{stage}/{practice}" for practice in practices)
        else:
            yield from (stage, f"{stage}/") if practices else (stage,)


class _Completer(BaseCompleter):
    """What may stand for an argument, by its placeholder in the help."""

    def __call__(
        self, *, prefix: str, action: argparse.Action, parser: argparse.ArgumentParser, parsed_args: argparse.Namespace
    ) -> Iterable[str]:
        return words(prefix, str(action.metavar), _overrides(parsed_args))


class _Finder(CompletionFinder):
    """argcomplete's own offers nothing where overrides go on after an option; `recipe` takes them there too."""

    def collect_completions(
        self, active_parsers: list[argparse.ArgumentParser], parsed_args: argparse.Namespace, cword_prefix: str
    ) -> list[str]:
        found = super().collect_completions(active_parsers, parsed_args, cword_prefix)
        parser = active_parsers[-1]
        if not vars(parser)["active_actions"]:
            for action in parser._get_positional_actions():
                if action.nargs == "*":
                    more = words(cword_prefix, str(action.metavar), _overrides(parsed_args))
                    found += [word for word in more if word.startswith(cword_prefix)]
        return found


def _overrides(parsed: argparse.Namespace) -> list[str]:
    return [word for word in getattr(parsed, "words", None) or () if "=" in word]
