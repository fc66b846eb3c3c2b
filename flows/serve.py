"""Everything a person needs in a browser: Prefect's server and a worker with the deployments, and MLflow's UI.

`python -m flows.serve` (or `make serve`) starts them on 127.0.0.1, prints where they are, and stops them all on Ctrl-C.
Their state is kept in `.recipe/prefect` of the workspace; nothing of the user's own Prefect is touched.
"""

import logging
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from flows.abandoned import free_runs, remember, stop_servers
from flows.links import REPORTS
from flows.schedules import kept_schedules
from recipe.errors import RecipeError, redacted
from recipe.pipeline.reproduce import stage_environment
from recipe.runtime.processes import STOP_SECONDS, STOPS, interrupted_by_signals, stop_session
from recipe.runtime.workspace import find_workspace, locked, private_folder
from recipe.settings import load_settings
from recipe.tracking.connection import tracking_uri

HOST = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT, WORKER_PORT = 4200, 5000, 8080  # each tool's own default, taken where it is free
REPORTS_PORT = 8000  # the default of Python's http.server
POOL, SERVE_LOCK = "local", "serve.lock"
# A workspace has room for one run, which the others wait for; a look at data/incoming, and one that waits to be
# approved by a person, need a place beside it.
RUNS_AT_ONCE = 5
START_SECONDS = 180.0  # a first start makes the databases: up to a minute on a busy machine of two cores
POLL_SECONDS = 0.5
PATIENCE = STOP_SECONDS + 10.0  # a worker hands the stop on to a stage, which has its own time to end
LINES_SHOWN = 15  # of the output of a server that ended by itself


class ServerEndedError(Exception):
    """A server that ended by itself, or never answered; its sentence says which."""


@dataclass(frozen=True)
class Server:
    """A process that serves until it is stopped, and the file that holds its output."""

    name: str
    process: subprocess.Popen[str]
    log: Path


def serve(workspace: Path, console: Console) -> None:
    """Start everything, print where it is, and wait until interrupted; nothing is left running, however it ends.

    Raises:
        ServerEndedError: one of the servers ended by itself.
        RecipeError: the settings or the workspace do not allow it.
    """
    stop_servers(workspace)
    api = f"http://{HOST}:{free_port(PREFECT_PORT)}"
    reports = f"http://{HOST}:{free_port(REPORTS_PORT)}"
    health = f"http://{HOST}:{free_port(WORKER_PORT)}/health"
    tracking = tracking_uri(workspace, load_settings(workspace))
    environment = _environment(workspace, api, health) | {REPORTS: reports}
    servers: list[Server] = []

    def start(name: str, *command: str, **own: str) -> None:
        servers.append(_start(workspace, {**environment, **own}, name, command))
        remember(workspace, name, servers[-1].process.pid)

    try:
        with interrupted_by_signals():
            with console.status("Starting the servers"):
                start("prefect", "prefect", "server", "start")
                start("reports", *_reports_command(workspace, reports))
                if tracking.startswith("http"):
                    mlflow = tracking
                else:
                    port = free_port(MLFLOW_PORT)
                    mlflow = f"http://{HOST}:{port}"
                    # By the environment: it may hold a password, and everybody can read a command line.
                    start("mlflow", *_mlflow_command(port), MLFLOW_BACKEND_STORE_URI=tracking)
                _wait(servers, "prefect", lambda: answers(f"{api}/api/health"))
                make_pool(f"{api}/api")
                free_runs(f"{api}/api", POOL)
                with kept_schedules(f"{api}/api"):
                    _deploy(workspace, environment)
                start("worker", "prefect", "worker", "start", "--pool", POOL, "--name", POOL, "--with-healthcheck")
                _wait(servers, "worker", lambda: answers(health))
                _wait(servers, "mlflow", lambda: answers(mlflow))
            console.print(_addresses(api, redacted(mlflow), reports), soft_wrap=True, highlight=False)
            _wait(servers, "", lambda: False, seconds=None)
    except KeyboardInterrupt:
        console.print("Stopping")
    finally:
        with _undisturbed():  # a second Ctrl-C leaves no orphans
            for server in reversed(servers):  # the worker first: it still tells the server how its runs ended
                stop_session(server.process, PATIENCE, again=PATIENCE)


def free_port(preferred: int = 0) -> int:
    """`preferred` where nothing listens on it, else any free port."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, preferred))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    """Whether a server answers at `address`, without error."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def make_pool(api: str) -> None:
    """The work pool that the deployments name, with room for a few runs; one that is there stays as it is."""
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    logging.getLogger("httpx").setLevel(logging.WARNING)
    with SyncPrefectClient(api) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process", concurrency_limit=RUNS_AT_ONCE))
        except ObjectAlreadyExists:
            return


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Within, nothing but SIGKILL stops the process."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment(workspace: Path, api: str, health: str) -> dict[str, str]:
    port, worker_port = (address.rsplit(":", 1)[1].partition("/")[0] for address in (api, health))
    return {
        **stage_environment(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its evaluation jobs, which keep processes of their own
        "PREFECT_API_URL": f"{api}/api",
        "PREFECT_HOME": str(private_folder(workspace) / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": port,
        "PREFECT_WORKER_WEBSERVER_HOST": HOST,
        "PREFECT_WORKER_WEBSERVER_PORT": worker_port,
    }


def _start(workspace: Path, environment: dict[str, str], name: str, command: tuple[str, ...]) -> Server:
    log = private_folder(workspace) / "serve" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    return Server(name, process, log)


def _mlflow_command(port: int) -> tuple[str, ...]:
    return ("mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1")


def _reports_command(workspace: Path, address: str) -> tuple[str, ...]:
    """Python's own server of files, of the reports alone, so that links in Prefect's page open."""
    port = address.rpartition(":")[2]
    return "http.server", port, "--bind", HOST, "--directory", str(workspace / "reports")


def _deploy(workspace: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise ServerEndedError(f"The deployments of prefect.yaml were not taken:\n{_end_of(done.stdout + done.stderr)}")


def _wait(servers: list[Server], name: str, ready: Callable[[], bool], seconds: float | None = START_SECONDS) -> None:
    """Until `ready`, while all `servers` live; `seconds` None waits for ever."""
    started = time.monotonic()
    while not ready():
        for server in servers:
            if server.process.poll() is not None:
                raise ServerEndedError(f"{server.name} ended by itself, so the others were stopped.\n{_told(server)}")
        if seconds is not None and time.monotonic() - started > seconds:
            late = next(server for server in servers if server.name == name)
            raise ServerEndedError(f"{name} has not answered in {seconds:.0f} s.\n{_told(late)}")
        time.sleep(POLL_SECONDS)  # servers of others: that they answer can only be asked


def _told(server: Server) -> str:
    output = _end_of(server.log.read_text(encoding="utf-8", errors="replace"))
    return f"{output}\nIts whole output: {server.log}"


def _end_of(output: str) -> str:
    return "\n".join(output.splitlines()[-LINES_SHOWN:])


def _addresses(api: str, mlflow: str, reports: str) -> str:
    return (
        f"Prefect   {api}\n"
        f"MLflow    {mlflow}\n"
        f"reports   {reports}\n"
        f"a run     PREFECT_API_URL={api}/api prefect deployment run recipe/default --watch\n"
        "Ctrl-C stops them all."
    )


def main() -> int:
    """Serve from the command line; 0 once interrupted, 1 when a server ended by itself, 2 when none can start."""
    console = Console()
    try:
        workspace = find_workspace()
        with locked(workspace, name=SERVE_LOCK):
            serve(workspace, console)
    except ServerEndedError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    except RecipeError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
