"""The report of a workspace: findings.json, tables/ and index.html, always of the same run."""

from pathlib import Path

from recipe.report.facts import facts_of
from recipe.report.findings import RunResult, collect, read, save
from recipe.report.page import write_page
from recipe.settings import load_settings


def build_report(workspace: Path, result: RunResult) -> Path:
    """Write the report of `result`; gives the page.

    Raises:
        WorkspaceError: the report cannot be written.
    """
    reports = workspace / "reports"
    save(reports, result)
    return write_page(reports, result, facts_of(workspace, str(result.run.get("data", ""))))


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
