"""A workspace whose data set is a folder of digits that grows, with settings under which the whole recipe is short."""

from pathlib import Path

from recipe.settings.composition import compose_params
from tests.deliveries.conftest import write_images
from tests.flows.conftest import copy_of_project
from tests.short_stages import SHORT_STAGES

HELD = 600  # of 1,797 digits; the rest may be delivered
# The whole recipe in the least time in which its gates open: what is proved is who starts what, and what comes of it.
FAST = ("model=mlp", "budget=test", "fanout=sequential", *SHORT_STAGES)


def growing_workspace(folder: Path) -> Path:
    """A workspace below `folder` as a fresh clone has it, with its settings and its own data, and nothing run."""
    workspace = copy_of_project(folder)
    write_images(workspace / "data" / "photos", range(HELD))
    compose_params(workspace, settings_of(workspace))
    return workspace


def settings_of(workspace: Path, *more: str) -> list[str]:
    """The overrides that name the workspace's own data set, and `more`."""
    return ["data=image_folder", f"data.path={workspace}/data/photos", *FAST, *more]
