"""The user's own code behind a `_target_`: the file or package that it names, and those that are imported from there.

Nothing of it is run. What comes with this project or with an installed package is not the user's own: requirements.lock
pins those.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from recipe.errors import SettingsError

INSTALLED = frozenset(("site-packages", "dist-packages"))  # what Python, a user and Debian call the folders of packages
IMPORTED = "imported_"  # begins the places in `sources` of what the user's files import
PROJECT = ("recipe", "tasks", "flows")  # this project's own packages
BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")  # the fields of Python's statements that hold others


def sources_behind(targets: Mapping[str, str | None], places: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """The user's own files behind the `_target_` of each part, and behind what those import, by their places in
    `sources`.

    Args:
        targets: by the dotted name of the part.
        places: `sources` as conf/ has it.

    Raises:
        SettingsError: a target's package has gone, or there are more modules than places.
    """
    sources = {}
    for part, target in targets.items():
        if target and "." in target and spec_of(target, workspace) is None:  # it must not pass for unchanged
            top = target.partition(".")[0]
            raise SettingsError(
                f"{part}: cannot import '{top}' for {part}._target_={target} (no module named '{top}'): install it, or "
                "put its folder on PYTHONPATH."
            )
        if source := source_of(target, workspace):
            sources[part.rpartition(".")[2]] = source
    behind = {name: lasting(path, workspace) for name, path in own_modules(targets.values(), workspace).items()}
    known = {*places.values(), *sources.values()}
    others = {name: path for name, path in behind.items() if path not in known}
    free = [place for place in places if place.startswith(IMPORTED)]
    if len(others) > len(free):
        raise SettingsError(
            f"Behind the _target_s stand {len(others)} more modules of your own ({', '.join(others)}), and at most "
            f"{len(free)} are watched: put some of them into a package, a folder that counts as one."
        )
    return sources | dict(zip(free, others.values(), strict=False))


def own_modules(targets: Iterable[str | None], workspace: Path) -> dict[str, Path]:
    """The top-level modules of the user's own behind `targets`, by name: each a file, or a package's folder.

    What they import, however far down and in whatever form, is among them.
    """
    due = {target.partition(".")[0] for target in targets if target and "." in target}
    found: dict[str, Path | None] = {}
    while due:
        name = due.pop()
        found[name] = _own_origin(name, workspace)
        due |= {one for file in _files(found[name]) for one in _imported_by(file)} - found.keys()
    return {name: path for name, path in sorted(found.items()) if path is not None}


def source_of(target: str | None, workspace: Path) -> str | None:
    """The file or package folder of the user's own behind a `_target_`; None for what is not the user's.

    A path in the workspace is relative to it, any other absolute.
    """
    origin = _own_origin(target, workspace) if target else None
    return lasting(origin, workspace) if origin else None


def lasting(path: Path, workspace: Path) -> str:
    """`path` as params.yaml keeps it: relative to the workspace where it lies inside, absolute elsewhere."""
    whole = path.resolve()
    return whole.relative_to(workspace).as_posix() if whole.is_relative_to(workspace) else str(whole)


def origin_of(spec: ModuleSpec | None) -> Path | None:
    """The file, or the package's folder, that a module comes from; None where it comes from neither."""
    locations = list(spec.submodule_search_locations or []) if spec else []
    origin = locations[0] if locations else (spec.origin if spec else None)
    return Path(origin) if origin is not None and Path(origin).exists() else None


def spec_of(target: str, workspace: Path) -> ModuleSpec | None:
    """Where the top package of `target` would be imported from; nothing of it is run."""
    before = list(sys.path)
    sys.path.insert(0, str(workspace))
    importlib.invalidate_caches()
    try:
        return importlib.util.find_spec(target.partition(".")[0])
    except (ImportError, ValueError):
        return None
    finally:
        sys.path[:] = before


def _own_origin(target: str, workspace: Path) -> Path | None:
    """Where the top package of `target` comes from, if it is the user's own."""
    if target.partition(".")[0] in PROJECT:
        return None
    origin = origin_of(spec_of(target, workspace))
    return None if origin is None or _is_installed(origin) else origin


def _files(path: Path | None) -> Iterator[Path]:
    if path is not None:
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _imported_by(file: Path) -> frozenset[str]:
    """The top-level names that `file` imports; a relative import stays in the package that it is in.

    A file that is no Python imports nothing: who imports it is told where the target is built.
    """
    try:
        return _imports_in(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return frozenset()


@cache
def _imports_in(source: bytes) -> frozenset[str]:
    statements = list(_statements(ast.parse(source)))
    named = [alias.name for one in statements if isinstance(one, ast.Import) for alias in one.names]
    named += [one.module for one in statements if isinstance(one, ast.ImportFrom) and one.module and not one.level]
    return frozenset(name.partition(".")[0] for name in named)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements below `tree`, however deep; what expressions hold, where none can be, is passed over."""
    for block in BLOCKS:
        for one in getattr(tree, block, ()):
            yield one
            yield from _statements(one)


def _is_installed(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in _places()) or not INSTALLED.isdisjoint(path.parts)


@cache
def _places() -> frozenset[str]:
    """The folders of packages and of Python's own modules."""
    return frozenset(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib"))
