"""Events on a data set that somebody starts work on: each has reached Prefect's server before it counts as told."""

import asyncio
from typing import Any

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource
from prefect.events.clients import get_events_client
from prefect.events.related import related_resources_from_run_context
from prefect.utilities.asyncutils import run_coro_as_sync

from recipe.runtime.stage_process import first_line

RESOURCE = "training-recipe.data"
PATIENCE_SECONDS = 60.0


def announced(name: str, data: str, payload: dict[str, Any]) -> bool:
    """Send an event on the data set `data` to Prefect's server; whether the server has it.

    Prefect's own emit_event leaves it to a thread, whose queue a kill would take away, and tells of no failure.
    """
    resource = Resource({"prefect.resource.id": f"{RESOURCE}.{data}", "prefect.resource.name": data})
    event = Event(event=name, resource=resource, payload=payload)
    try:
        run_coro_as_sync(asyncio.wait_for(_send(event), PATIENCE_SECONDS))
    except Exception as error:  # whatever keeps it from there must not undo what it tells of
        cause = f"{type(error).__name__}: {first_line(error)}"
        get_run_logger().warning("Prefect's server has not taken %s (%s): the next run sends it.", name, cause)
        return False
    return True


async def _send(event: Event) -> None:
    """Send `event`, as one of the present flow run, and wait until the server confirms it."""
    async with get_client() as client, get_events_client(checkpoint_every=1) as events:
        event.related += await related_resources_from_run_context(client)
        await events.emit(event)
