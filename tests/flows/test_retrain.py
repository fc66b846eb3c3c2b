"""Deliveries dropped into data/incoming lead to a retrained model and a decision, with no hand in between."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
import yaml

from recipe.composition import compose_params
from recipe.deliveries.record import outcomes
from recipe.provenance import tracked_version
from recipe.report.findings import read
from recipe.succession import history
from tests.deliveries.conftest import incoming, ready, shuffled_digits, write_images
from tests.flows.conftest import Served, copy_of_project, run, serving, wait_for

LOOK_SECONDS = 15
# The whole recipe in the least time: what is proved here is who starts what, and what comes of it.
FAST = ("budget=quick", "budget.epochs=1", "budget.steps=300", "budget.trials=2", "stages.overfit.adam.steps=50")
RETRAINED_SECONDS = 900.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Servers for a workspace whose data set grows, looked at every few seconds."""
    workspace = copy_of_project(tmp_path_factory.mktemp("growing"))
    write_images(workspace / "data" / "photos", range(600))
    compose_params(workspace, ["data=image_folder", f"data.path={workspace}/data/photos", *FAST])
    described = yaml.safe_load((workspace / "prefect.yaml").read_text())
    for deployment in described["deployments"]:
        if deployment["name"] == "incoming":
            deployment["schedules"] = [{"interval": LOOK_SECONDS, "active": True}]
    (workspace / "prefect.yaml").write_text(yaml.safe_dump(described))
    first = run("-m", "flows.retrain", workspace=workspace)
    assert first.returncode == 0, first.stdout
    with serving(workspace) as (process, said):
        api = wait_for(said, r"Prefect\s+(\S+)[\s\S]*Ctrl-C", process)[1] + "/api"
        yield Served(workspace, process, said, api)


def eventually(holds: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(1)


@pytest.mark.acceptance
def test_three_deliveries_make_one_version_one_quarantine_one_retraining_and_a_decision(served: Served) -> None:
    workspace = served.workspace
    before = tracked_version(workspace / "data" / "photos")
    write_images(incoming(workspace, "good"), range(600, 1200))
    write_images(incoming(workspace, "half-known"), range(1000, 1400))
    labels = (shuffled_digits()[1][1400:1600] + 3) % 10
    write_images(incoming(workspace, "bad"), range(1400, 1600), labels)
    for name in ("good", "half-known", "bad"):
        ready(incoming(workspace, name))

    def done() -> bool:
        return len(outcomes(workspace)) >= 4

    eventually(done, 300, lambda: served.prefect("flow-run", "ls").stdout)
    [first, *delivered] = outcomes(workspace)
    assert first.kind == "first version"
    by_name = {outcome.name: outcome for outcome in delivered}
    assert (by_name["good"].kind, by_name["good"].new) == ("accepted", 600)
    assert (by_name["half-known"].kind, by_name["half-known"].new, by_name["half-known"].known) == (
        "accepted",
        200,
        200,
    )
    assert (by_name["bad"].kind, by_name["bad"].new) == ("rejected", 0)
    assert len(list((workspace / "data" / "quarantine").iterdir())) == 1
    assert tracked_version(workspace / "data" / "photos") not in (before, None)

    retrained = workspace / ".recipe" / "retrained.json"
    told = retrained.read_text()
    eventually(
        lambda: retrained.read_text() != told, RETRAINED_SECONDS, lambda: served.prefect("flow-run", "ls").stdout
    )
    chapters = history(workspace)
    assert [chapter.version for chapter in chapters] == ["1", "2"]
    assert chapters[0].decision == "first"
    assert chapters[1].decision in ("promoted, in place of 1", "kept out")
    assert "test examples" in chapters[1].why
    assert chapters[1].data_version == tracked_version(workspace / "data" / "photos")[:8]
    assert read(workspace / "reports").run["verdict"] != "fail"
    readers = [json.loads(line)["reader"] for line in (workspace / ".recipe" / "test_ledger.jsonl").open()]
    assert readers.count("retrain/challenge") == 1
