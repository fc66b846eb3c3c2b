"""Deliveries in data/incoming under Prefect: each is taken in or set aside, and an event tells of it.

`python -m flows.watch` looks once; the deployment watch/incoming looks on a schedule.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.endings import BAD_INPUT, failed
from flows.events import announced
from flows.recipe import run_from_command_line
from recipe.deliveries.receive import describe, receive
from recipe.deliveries.record import TAKEN, Outcome, tell, untold
from recipe.errors import RecipeError
from recipe.report import markdown
from recipe.runtime.workspace import find_workspace
from recipe.settings import Settings, load_settings

EVENT = "training-recipe.delivery"


@flow(name="watch")
def watch_incoming() -> State[None]:
    """Take in what is whole in data/incoming, for the data set of the workspace's params.yaml."""
    try:
        workspace = find_workspace()
        settings = load_settings(workspace)
        _tell(workspace, settings)  # what a killed run had no time to tell
        count = 0
        for outcome in receive(workspace, settings):
            get_run_logger().info("%s: %s. %s", outcome.name, outcome.kind, outcome.why)
            count += outcome.kind in TAKEN
        _tell(workspace, settings)  # once all are in, so that one retraining learns from all of them
        return Completed(message=f"{count} deliveries were taken in." if count else "Nothing was taken in.")
    except RecipeError as error:
        return failed(BAD_INPUT, str(error))


def _tell(workspace: Path, settings: Settings) -> None:
    """An event and an artifact for each delivery that none was told of: twice after a kill, never not at all."""
    for outcome in untold(workspace):
        event = f"{EVENT}.{outcome.kind.replace(' ', '-')}"
        if not announced(event, settings.data.name, describe(outcome)):
            return  # the next look tells of it, and of those after it
        create_markdown_artifact(
            as_markdown(outcome), key="delivery", description=f"What became of {markdown.text(outcome.name)}"
        )
        tell(workspace, outcome)


def as_markdown(outcome: Outcome) -> str:
    """What became of a delivery, for Prefect's page."""
    lines = [
        f"**{markdown.text(outcome.name)}**: {outcome.kind}. {markdown.text(outcome.why)}",
        "",
        "| new | known | set aside | version |",
        "| --- | --- | --- | --- |",
        f"| {outcome.new} | {outcome.known} | {outcome.aside} | {markdown.text(outcome.version or '')} |",
        "",
    ]
    places = {"report": outcome.report, "quarantine": outcome.quarantine}
    lines += [f"- {name}: {markdown.text(place)}" for name, place in places.items() if place]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Look once from the command line; 0 done, 2 bad input, 130 interrupted."""
    return run_from_command_line(lambda: watch_incoming(return_state=True))


if __name__ == "__main__":
    sys.exit(main())
