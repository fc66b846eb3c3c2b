"""MLflow's client: where it is, whether it answers, and that it neither calls home nor prints."""

import logging
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from recipe.errors import RecipeError
from recipe.runtime.garbage import uncollected
from recipe.runtime.reachability import require_answer
from recipe.runtime.stage_process import first_line
from recipe.runtime.workspace import lasting_workspace
from recipe.settings import Settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SQLITE = "sqlite:///"
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}  # where a URI names none
DRIVERS = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}  # the packages that hold them

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that does not answer must not hold the pipeline up for the minutes of MLflow's default.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class TrackingError(RecipeError):
    """MLflow that does not answer."""


def tracking_uri(workspace: Path, settings: Settings) -> str:
    """Where runs go: the setting, else MLFLOW_TRACKING_URI, else sqlite in the workspace."""
    return settings.tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or workspace_uri(workspace)


def workspace_uri(workspace: Path) -> str:
    """The sqlite database in the workspace, by absolute path: an experiment may run in another folder."""
    return f"{SQLITE}{lasting_workspace(workspace) / 'mlflow.db'}"


def connect(uri: str) -> "MlflowClient":
    """A client of MLflow at `uri` that has answered, and neither calls home nor prints.

    Raises:
        TrackingError: MLflow cannot be reached there, or not be used.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with uncollected():
        import_module("mlflow.tracking")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return _answering_client(uri)


def _answering_client(uri: str) -> "MlflowClient":
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _ask_once(uri)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
        return client
    except ImportError as error:
        package = DRIVERS.get(error.name or "", error.name)
        raise TrackingError(
            f"MLflow at {uri} needs the package '{package}', which is not installed: pip install {package}."
        ) from error
    except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        raise TrackingError(
            f"MLflow at {uri} cannot be used ({first_line(error)}): start what should answer there, or mend "
            "tracking.uri or MLFLOW_TRACKING_URI."
        ) from error


def _ask_once(uri: str) -> None:
    """Fail at once where MLflow would try for minutes: 15 times for a database (mlflow/store/db/utils.py)."""
    from sqlalchemy import create_engine

    place = urlsplit(uri)
    scheme = place.scheme.partition("+")[0]
    if place.hostname and scheme in PORTS:
        require_answer(place.hostname, place.port or PORTS[scheme])
    if "sql" in scheme and scheme != "sqlite":
        with create_engine(uri).connect():
            return
