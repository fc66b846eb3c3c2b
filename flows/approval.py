"""A person's say on a retrained model: the flow pauses in Prefect's page, and after some hours the champion stays."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL

from recipe.report import markdown
from recipe.tracking.decisions import PERSON, RULE

HOUR = 3600
POLL_SECONDS = 10
# The server fails a run whose pause has timed out (its service FailExpiredPauses), so the flow answers itself before.
MARGIN_SECONDS = HOUR


class Approval(RunInput):
    """What a person decides in Prefect's page while the flow waits."""

    promote: bool
    why: str = ""


@dataclass(frozen=True)
class Said:
    """Whether the model is promoted, why, and who said so: a person, or the rule where nobody did."""

    promote: bool
    why: str
    by: str


def has_page() -> bool:
    """Whether there is a server, and so a page in which a person can answer."""
    return PREFECT_API_URL.value() is not None


def approved(why: str, hours: float) -> Said:
    """What a person says within `hours` of a model that the rule would promote for the reason `why`."""
    get_run_logger().info("Waiting up to %g hours for a person: resume this run in Prefect's page.", hours)
    with _no_after(hours * HOUR) as expired:
        said = pause_flow_run(
            wait_for_input=Approval.with_initial_data(description=markdown.text(why), promote=True),
            timeout=int(hours * HOUR) + MARGIN_SECONDS,
            poll_interval=POLL_SECONDS,
        )
    if expired.is_set() and not said.promote:
        return Said(
            False, f"Nobody approved of it within {hours:g} hours, though the rule would promote it. {why}", RULE
        )
    given = said.why or ("Approved by a person." if said.promote else "Not approved by a person.")
    return Said(said.promote, f"{given} {why}", PERSON)


@contextmanager
def _no_after(seconds: float) -> Iterator[threading.Event]:
    """Within, the paused flow is answered with no after `seconds`; the event tells that it was."""
    expired, paused = threading.Event(), UUID(str(flow_run.id))

    def answer() -> None:
        expired.set()
        with get_client(sync_client=True) as client:
            client.resume_flow_run(paused, run_input={"promote": False})

    timer = threading.Timer(seconds, answer)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()
