"""What people use for tables now, tuned on the same rows: linear models, random forest, boosting, an AutoML package.

Each is given training and validation rows together, as ingest prepared them, chooses its settings by five folds of
those, and is tested on the test rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import RandomizedSearchCV

FOLDS = 5
TRIALS = 24  # as many as a search of the recipe has in its longer budgets
PENALTIES = np.logspace(-3, 3, 25)
AUTOML_SECONDS = 30  # on both cores: about as long as the search of the recipe takes on a table
OF_BOOSTING = {
    "learning_rate": loguniform(0.01, 0.3),
    "max_leaf_nodes": randint(4, 64),
    "min_samples_leaf": randint(2, 40),
    "l2_regularization": loguniform(1e-4, 10),
    "max_iter": randint(50, 400),
}
OF_FORESTS = {"max_features": uniform(0.1, 0.9), "min_samples_leaf": randint(1, 10), "n_estimators": randint(200, 600)}


def peers(workspace: Path, seed: int = 0) -> dict[str, float]:
    """The accuracy, or R2, of each on the test rows of the run in `workspace`; nothing where its inputs are images."""
    prepared = workspace / "data" / "prepared"
    splits = pd.read_parquet(prepared / "manifest.parquet")["split"].to_numpy()
    inputs, targets = (np.load(prepared / f"{part}.npy", allow_pickle=False) for part in ("inputs", "targets"))
    if inputs.ndim > 2:
        return {}
    test = splits == "test"
    numbers = targets.ndim > 1
    targets = targets[:, 0] if numbers else targets
    fitted = {name: model.fit(inputs[~test], targets[~test]) for name, model in _tuned(numbers, seed).items()}
    fitted["FLAML"] = _found_by_flaml(inputs[~test], targets[~test], numbers, seed)
    return {name: float(model.score(inputs[test], targets[test])) for name, model in fitted.items()}


def _tuned(numbers: bool, seed: int) -> dict[str, Any]:
    def searched(model: Any, space: dict[str, Any]) -> RandomizedSearchCV:
        return RandomizedSearchCV(model, space, n_iter=TRIALS, cv=FOLDS, random_state=seed, n_jobs=2)

    if numbers:
        return {
            "ridge": RidgeCV(PENALTIES),
            "random forest": searched(RandomForestRegressor(random_state=seed), OF_FORESTS),
            "tuned boosting": searched(HistGradientBoostingRegressor(random_state=seed), OF_BOOSTING),
        }
    return {
        "logistic": LogisticRegressionCV(Cs=10, cv=FOLDS, max_iter=2000),
        "random forest": searched(RandomForestClassifier(random_state=seed), OF_FORESTS),
        "tuned boosting": searched(HistGradientBoostingClassifier(random_state=seed), OF_BOOSTING),
    }


def _found_by_flaml(inputs: Any, targets: Any, numbers: bool, seed: int) -> Any:
    """The best of boosting (LightGBM, XGBoost), forests and linear models that FLAML finds in its time."""
    from flaml import AutoML

    kind = {"task": "regression", "metric": "r2"} if numbers else {"task": "classification", "metric": "accuracy"}
    found = AutoML()
    found.fit(
        inputs,
        targets,
        **kind,
        time_budget=AUTOML_SECONDS,
        eval_method="cv",
        n_splits=FOLDS,
        n_jobs=2,
        seed=seed,
        verbose=0,
    )
    return found
