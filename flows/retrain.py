"""Retraining under Prefect: the recipe on the newest data, then the challenger against the champion.

`python -m flows.retrain` retrains once; the deployments are retrain/nightly, by schedule, and retrain/on-new-data, by
the event of a delivery that was taken in.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.approval import Said, approved, has_page
from flows.endings import BAD_INPUT, CLOSED, failed
from flows.events import announced
from flows.links import link, link_report
from flows.own_settings import own_settings
from flows.pipeline import stages_of
from flows.recipe import run_from_command_line, through, turn
from recipe.deliveries.recovery import finish_deliveries
from recipe.errors import RecipeError, redacted
from recipe.pipeline.changes import is_new, remember, state_of
from recipe.pipeline.reproduce import stage_environment
from recipe.promotion.history import Standing, conclude, read_verdict, standing
from recipe.report import markdown
from recipe.runtime.processes import given_words, run_to_end
from recipe.runtime.stage_process import stop_reason
from recipe.runtime.workspace import find_workspace, locked, private_folder
from recipe.settings import Settings, load_settings
from recipe.settings.composition import change_params
from recipe.tracking.decisions import RULE, Ruling

EVENT = "training-recipe.model"
TOLD = {"promoted": "promoted", "kept out": "kept-out"}  # the decisions that an event tells of, and its last word
LOG = "challenge.log"  # in .recipe/: what the comparison wrote


def _name_of_run() -> str:
    return redacted(" ".join(flow_run.parameters.get("overrides") or ())) or "newest data"


@flow(name="retrain", flow_run_name=_name_of_run)
def retrain(overrides: tuple[str, ...] = (), force: bool = False) -> State[None]:
    """Train on the newest data and decide whether the new model is the champion; nothing is done when nothing is new.

    Args:
        overrides: what is to be other than params.yaml has it, such as `retrain.approval=manual`.
        force: even when nothing is new.
    """
    try:
        workspace = find_workspace()
        with turn(workspace):  # those that queue meanwhile find nothing new, so several deliveries are one retraining
            finish_deliveries(workspace)
            with own_settings(workspace, lambda: _change(workspace, overrides)):
                trained = _trained(workspace, force)
        if isinstance(trained, State):
            return trained
        return Completed(message=carry_out(workspace, *trained))
    except RecipeError as error:
        return failed(BAD_INPUT, str(error))


def _change(workspace: Path, overrides: Sequence[str]) -> None:
    with locked(workspace, math.inf):
        change_params(workspace, overrides)


def _trained(workspace: Path, force: bool) -> State[None] | tuple[Settings, str, Standing, Mapping[str, Any]]:
    """What is to be decided on: settings, what was new, the two models and the verdict; a state where nothing is."""
    settings = load_settings(workspace)
    state = state_of(workspace, settings)
    if not force and not is_new(workspace, state):
        return Completed(message="Nothing is new since the last retraining.")
    trained = through(workspace, stages_of(workspace))
    if not trained.is_completed():
        if trained.name == CLOSED:  # the same data, settings and code would close it again
            remember(workspace, state, str(trained.message))
        return trained
    now = standing(workspace)
    if not now.is_open:  # a run that was killed may have decided, and had no time to tell
        if _is_told(settings, now, now.ruling):
            remember(workspace, state, now.why)
        return Completed(message=now.why)
    compare.with_options(name="challenge", task_run_name="challenge")(workspace, now.version)
    verdict = read_verdict(workspace)
    _show(workspace, verdict)
    return settings, state, now, verdict


@task
def compare(workspace: Path, version: str) -> None:
    """Compare a version with the champion on the test examples, in a process of its own.

    Raises:
        RecipeError: they cannot be compared; with the sentence that says why.
    """
    log = private_folder(workspace) / LOG
    command = [sys.executable, "-m", "recipe.promotion.challenge", version]
    code = run_to_end(command, workspace, stage_environment(), log)
    if code:
        raise RecipeError(stop_reason(workspace) or f"The comparison ended with exit code {code}: see {log}.")


def carry_out(workspace: Path, settings: Settings, state: str, now: Standing, verdict: Mapping[str, Any]) -> str:
    """Carry the rule's decision out, or a person's, tell of it, and remember it; gives the sentence that says so."""
    said = _said(settings, verdict)
    if said is None:
        sentence = (
            f"Version {now.version} of {now.name} waits for a person, as retrain.approval=manual has it: "
            f"`recipe promote {now.version}` makes it the champion. {_reason(verdict)}"
        )
        remember(workspace, state, sentence)  # to compare the two again would only wear the test set
        return sentence
    came = conclude(workspace, now, said.promote, said.why, said.by)
    get_run_logger().info(came.sentence)
    if came.ruling is not None and _is_told(settings, now, came.ruling):
        remember(workspace, state, came.sentence)
    return came.sentence


def _said(settings: Settings, verdict: Mapping[str, Any]) -> Said | None:
    """What the rule says of the comparison, or a person where one has the say; None where none can be asked."""
    why = _reason(verdict)
    if not verdict["promote"] or settings.retrain.approval != "manual":
        return Said(bool(verdict["promote"]), why, RULE)
    return approved(why, settings.retrain.approval_hours) if has_page() else None


def _reason(verdict: Mapping[str, Any]) -> str:
    return f"{verdict['reason']} {verdict['warning']}".strip()


def _is_told(settings: Settings, now: Standing, ruling: Ruling | None) -> bool:
    """Tell of a decision by an event; whether nothing is left to tell."""
    if ruling is None or ruling.action not in TOLD:
        return True
    payload = {"version": ruling.version, "champion": ruling.replaced or now.champion}
    payload |= {"why": ruling.why, "by": ruling.by}
    return announced(f"{EVENT}.{TOLD[ruling.action]}", settings.data.name, payload)


def _show(workspace: Path, verdict: Mapping[str, Any]) -> None:
    """The decision in Prefect's page, with the report to read before one approves."""
    link_report(workspace)
    link("challenge/difference.png", workspace, key="challenge-picture", description="What the challenger gains")
    create_markdown_artifact(as_markdown(verdict), key="challenge", description="The challenger against the champion")


def as_markdown(verdict: Mapping[str, Any]) -> str:
    """The decision as a table, for Prefect's page."""
    low, high = verdict["interval"]
    rows = [
        ("challenger", f"version {markdown.text(verdict['version'])}: {_figure(verdict['challenger'])}"),
        ("champion", f"version {markdown.text(verdict['against'])}: {_figure(verdict['champion'])}"),
        ("difference", f"{_figure(verdict['difference'])} [{_figure(low)}, {_figure(high)}]"),
        ("p", _figure(verdict["p_value"])),
        ("error rate of the rule", _figure(verdict["error_rate"])),
        ("power for a worthwhile gain", _figure(verdict["power"])),
        ("seconds and size, of the champion's", f"{_figure(verdict['slowdown'])}, {_figure(verdict['growth'])}"),
    ]
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])
    return f"{markdown.text(_reason(verdict))}\n\n{table}\n"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Retrain from the command line; 0 done, 1 a gate closed, 2 bad input, 130 interrupted."""
    parser = argparse.ArgumentParser("python -m flows.retrain", description="Retrain on the newest data.")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="a setting, such as data=digits")
    parser.add_argument("--force", action="store_true", help="even when nothing is new")
    given = parser.parse_args(given_words() if arguments is None else arguments)
    return run_from_command_line(lambda: retrain(tuple(given.overrides), given.force, return_state=True))


if __name__ == "__main__":
    sys.exit(main())
