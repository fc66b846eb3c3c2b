"""The report of a workspace: findings.json, tables/ and index.html, always of the same run."""

from pathlib import Path

from recipe.report.facts import DATA_PAGE, facts_of
from recipe.report.findings import RunResult, collect, read, save
from recipe.report.page import write_page
from recipe.runtime.workspace import write_whole
from recipe.settings import load_settings

BROWSED = "data/browse/index.html"
OPENS = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>The data</title>'
    '<meta http-equiv="refresh" content="0; url={address}"></head>'
    '<body><p><a href="{address}">The data, example by example</a></p></body></html>\n'
)


def build_report(workspace: Path, result: RunResult) -> Path:
    """Write the report of `result`; gives the page.

    Raises:
        WorkspaceError: the report cannot be written.
    """
    reports = workspace / "reports"
    save(reports, result)
    _open_data_page(reports)
    return write_page(reports, result, facts_of(workspace, str(result.run.get("data", ""))))


def _open_data_page(reports: Path) -> None:
    """Put data.html, which opens the page that data/browse made, beside the report; where there is none, take it away.

    The page itself lies in the folder of its stage, so that DVC brings it back with the stage's other outputs.
    """
    page = reports / DATA_PAGE
    if (reports / BROWSED).is_file():
        write_whole(page, OPENS.format(address=BROWSED))
    else:
        page.unlink(missing_ok=True)


def present_result(workspace: Path) -> RunResult:
    """The run as the workspace holds it; the report is rebuilt where it still tells of stages that are of another run.

    Raises:
        SettingsError, WorkspaceError: see `rebuild_report`.
    """
    shown, present = read(workspace / "reports"), collect(workspace, load_settings(workspace))
    if [stage.stage for stage in shown.stages] != [stage.stage for stage in present.stages]:
        build_report(workspace, present)
    return present


def rebuild_report(workspace: Path) -> Path:
    """Judge anew what the workspace holds and rebuild its report; gives the page.

    Raises:
        SettingsError: params.yaml does not fit.
        WorkspaceError: a stage's results cannot be read, or the report not written.
    """
    return build_report(workspace, collect(workspace, load_settings(workspace)))
