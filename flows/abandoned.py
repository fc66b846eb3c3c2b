"""What a killed `make serve` leaves: processes that still serve, and runs that the server takes for running."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from recipe.runtime.processes import STOP_SECONDS
from recipe.runtime.workspace import private_folder, write_json

FOLDER = "serve"  # in .recipe/, with the servers' logs
SAME_SECONDS = 1.0  # two processes of one number are further apart
ENGINE = "prefect.engine"  # the module that a worker starts for each run
LEFT = ("PENDING", "RUNNING", "CANCELLING")  # the states that a run cannot leave without its process
CRASHED = "The servers were killed while it ran: start it again, and it goes on where it stopped."


def remember(workspace: Path, name: str, number: int) -> None:
    """Note that the process `number` serves as `name`."""
    with suppress(psutil.NoSuchProcess):
        began = psutil.Process(number).create_time()
        write_json(private_folder(workspace) / FOLDER / f"{name}.json", {"pid": number, "began": began})


def stop_servers(workspace: Path) -> None:
    """End the servers of a `make serve` that is gone, and the runs whose worker is.

    They would serve the same database beside new ones, and work where nobody hears of it.
    """
    notes = sorted((private_folder(workspace) / FOLDER).glob("*.json"))
    left = [process for process in map(_process_of, notes) if process is not None]
    for process in [*left, *_runs_without_worker(workspace)]:
        with suppress(psutil.Error):
            _stop([process, *process.children(recursive=True)])
    for note in notes:
        note.unlink(missing_ok=True)


def _runs_without_worker(workspace: Path) -> Iterator[psutil.Process]:
    """The processes that carry out runs for this workspace's own server."""
    home = str(private_folder(workspace) / "prefect")
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if ENGINE in process.cmdline() and process.environ().get("PREFECT_HOME") == home:
                yield process


def _process_of(note: Path) -> psutil.Process | None:
    """The process that `note` names; one that has got its number since began at another time."""
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        process = psutil.Process(int(content["pid"]))
        return process if abs(process.create_time() - float(content["began"])) < SAME_SECONDS else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def _stop(processes: Sequence[psutil.Process]) -> None:
    """Ask `processes` to end, and kill what is left after a while."""
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(processes, STOP_SECONDS)[1]:
        with suppress(psutil.Error):
            process.kill()


def free_runs(api: str, pool: str) -> int:
    """Mark as crashed what the server takes for running in `pool`, before any worker is there; gives how many.

    A run in such a state holds its deployment's one place, and the next would wait for ever.
    """
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
    from prefect.states import Crashed

    wanted = FlowRunFilter.model_validate({"state": {"type": {"any_": list(LEFT)}}})
    here = WorkPoolFilter.model_validate({"name": {"any_": [pool]}})
    freed = 0
    with SyncPrefectClient(api) as client:
        while runs := client.read_flow_runs(flow_run_filter=wanted, work_pool_filter=here):
            for run in runs:
                client.set_flow_run_state(run.id, Crashed(message=CRASHED), force=True)
            freed += len(runs)
    return freed
