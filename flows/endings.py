"""How a flow that did not complete ends: by a state with a short name, and with its reason where people look."""

import logging
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.exceptions import FailedRun
from prefect.states import Failed

CLOSED, BAD_INPUT, KILLED = "Gate closed", "Bad input", "Killed"  # the names that Prefect shows a failed state by
RAISED_BY_PREFECT = ("prefect.flow_runs", "prefect.engine")


def failed(name: str, reason: str) -> State[Any]:
    """A failed state `name`; `reason` is its message, and a line of the run's log, which `--watch` shows."""
    get_run_logger().error("%s", reason)
    return Failed(name=name, message=reason)


def _is_news(record: logging.LogRecord) -> bool:
    """Not the traceback through Prefect's engine that a worker adds to each failed state."""
    return not (record.exc_info and isinstance(record.exc_info[1], FailedRun))


for name in RAISED_BY_PREFECT:
    logging.getLogger(name).addFilter(_is_news)
