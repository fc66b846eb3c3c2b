"""Files of reports/ as links in Prefect's page."""

import os
from pathlib import Path

REPORTS = "RECIPE_REPORTS_URL"  # where reports/ is served; `make serve` sets it


def link_report(workspace: Path) -> None:
    """Name the report in Prefect's page."""
    link("index.html", workspace, key="report", description="Every practice so far")


def link(name: str, workspace: Path, key: str, description: str) -> None:
    """Name a file of reports/ in Prefect's page: by a link where it is served, since no page may open a local file."""
    from prefect.artifacts import create_link_artifact, create_markdown_artifact

    path, served = workspace / "reports" / name, os.environ.get(REPORTS)
    if not path.is_file():
        return
    if served:
        create_link_artifact(f"{served}/{name}", link_text=key, key=key, description=description)
    else:
        create_markdown_artifact(f"`{path}`", key=key, description=f"{description}: open it where the run worked")
