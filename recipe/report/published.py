"""What was published to MLflow so far, as `.recipe/mlflow_runs.json` remembers it."""

import json
from pathlib import Path

RECORDS = "mlflow_runs.json"


def published_runs(workspace: Path) -> dict[str, dict[str, str]]:
    """The newest run of each stage: the `hash` of what was published, `run_id`, `experiment_id` and `uri`."""
    try:
        records: dict[str, dict[str, str]] = json.loads((workspace / ".recipe" / RECORDS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return records
