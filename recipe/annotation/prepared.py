"""The data set that is annotated: what the last run prepared."""

from collections.abc import Sequence
from pathlib import Path

from recipe.dataset.stored import Dataset, load_dataset
from recipe.errors import WorkspaceError
from recipe.settings import load_settings, parse_settings
from recipe.settings.composition import changed
from recipe.settings.defaults import lookup
from recipe.settings.identity import plain
from recipe.versioning.provenance import stage_settings

STAGE = "ingest"


def prepared_dataset(workspace: Path, overrides: Sequence[str]) -> Dataset:
    """The prepared data set, with the settings of the last run and `overrides`.

    Raises:
        SettingsError: there are no settings yet, or an override is none.
        WorkspaceError: the overrides ask for other data than are prepared.
        DataError: nothing is prepared.
    """
    settings = last = load_settings(workspace)
    if overrides:
        settings = parse_settings(changed(workspace, overrides))
        before, after = plain(last), plain(settings)
        names = stage_settings(workspace, STAGE)
        if any(lookup(before, name) != lookup(after, name) for name in names):
            raise WorkspaceError(
                f"Other data are prepared than {' '.join(overrides)} asks for: `recipe run --until {STAGE} "
                f"{' '.join(overrides)}` first."
            )
    return load_dataset(workspace, settings)
