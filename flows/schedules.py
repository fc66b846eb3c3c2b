"""Schedules that somebody has switched on or off stay so, whatever prefect.yaml says of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

Times = dict[tuple["UUID", str], bool]  # deployment and times to whether they are on


@contextmanager
def kept_schedules(api: str) -> Iterator[None]:
    """Within, deployments may be applied anew; their schedules that keep their times are on or off as before."""
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(api) as client:
        before = _times(client)
        yield
        for deployment in client.read_deployments():
            for schedule in deployment.schedules:
                active = before.get((deployment.id, schedule.schedule.model_dump_json()), schedule.active)
                if active != schedule.active:
                    client.update_deployment_schedule(deployment.id, schedule.id, active=active)


def _times(client: SyncPrefectClient) -> Times:
    return {
        (deployment.id, schedule.schedule.model_dump_json()): bool(schedule.active)
        for deployment in client.read_deployments()
        for schedule in deployment.schedules
    }
