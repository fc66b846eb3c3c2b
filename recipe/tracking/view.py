"""A view of MLflow's table that shows the pipeline's runs alone, with what one tells them apart by.

MLflow keeps views that people save as tags of the experiment, and lists them under Views; the page opens with one where
the address names it. The form is that of MLflow 3.17 (mlflow/server/js, experiment-page saved views).
"""

import json

KEY = "runs"  # in the address: #/experiments/1/runs?viewStateShareKey=runs
TAG = f"mlflow.sharedViewState.{KEY}"
TITLE = "Runs of the pipeline"
FILTER = "tags.`recipe.stage` = 'pipeline'"
NAME, CREATED = "attributes.`Run Name`", "runDateAndNestInfo"  # the two columns that are always there
NAME_WIDTH, CREATED_WIDTH, WIDTH = 380, 130, 110  # pixels: a name holds data, model, figure and what was not met


def view(metric: str, since: int) -> str:
    """The tag's value: runs by `metric`, its interval, seconds and verdict; `since` is in milliseconds since 1970."""
    metrics = [f"metrics.`{name}`" for name in (metric, f"{metric}_low", f"{metric}_high", "seconds")]
    columns = [*metrics, "tags.`recipe.verdict`", "attributes.`Dataset`"]
    state = {
        "searchFilter": FILTER,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [NAME, CREATED, *columns],
        "columnWidths": {**dict.fromkeys(columns, WIDTH), NAME: NAME_WIDTH, CREATED: CREATED_WIDTH},
    }
    return json.dumps({"name": TITLE, "createdAt": since, "updatedAt": since, "state": json.dumps(state)})
