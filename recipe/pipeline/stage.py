"""The frame that every stage runs in: settings, practices one after another, and what they find as files."""

from __future__ import annotations

import argparse
import gc
import math
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn

from recipe.errors import RecipeError, SettingsError, redacted
from recipe.evidence import Finding, Practice, at_most, to_json
from recipe.report.spreadsheet import table_csv
from recipe.runtime import progress
from recipe.runtime.live import shown_while_running
from recipe.runtime.machine import Series, gpu_names, sampled
from recipe.runtime.machine_record import MachineRecord, keep_record
from recipe.runtime.stage_process import CLOSED, DONE, TRACEBACK, first_line, is_told, run_process
from recipe.runtime.workspace import find_workspace, fingerprint, git_commit, private_folder, write_json, write_whole
from recipe.settings import Settings, load_settings, nearest
from recipe.settings.identity import identity
from recipe.training.records import curves_csv, training_records
from recipe.versioning.installed import require_installed_code

if TYPE_CHECKING:
    import pandas as pd

PASSING = (RecipeError, OSError, MemoryError, BrokenExecutor)  # bad input, or a machine that is out of something


@dataclass
class Stage:
    """A stage at work: where it writes, what it was told, and what it has found so far.

    `only`: the practices to run, by id; empty for all. `home`: the workspace whose ledgers are read and written, where
    this one is a scratch beside it; by default this one. `counts`: numbers for `dvc metrics` beside the findings'.
    `raised`: the practices that could not be measured.
    """

    name: str
    workspace: Path
    settings: Settings
    only: tuple[str, ...] = ()
    home: Path = Path()
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    raised: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if self.home == Path():
            self.home = self.workspace

    @property
    def reports(self) -> Path:
        return self.workspace / "reports" / self.name

    @property
    def measured(self) -> Path:
        return self.reports / "measured.json"

    def run(
        self,
        practices: Sequence[Practice],
        subject: Any,
        onwards: Mapping[str, Callable[[Any], Any]] = {},
        subjects: Mapping[str, Callable[[Any], Any]] = {},
    ) -> Any:
        """Carry out `practices` on `subject` in their order and save what each draws and lists.

        Args:
            onwards: by a practice's id, what makes the subject of those after it out of its own.
            subjects: by the id of a practice that looks at more than the others, what makes its own out of theirs.

        Returns:
            The subject of the last.

        Raises:
            SettingsError: `only` names a practice that is not among them.
        """
        self._require_known(practices)
        due = [one for one in practices if not self.only or one.id in self.only]
        for number, practice in enumerate(due):
            progress.practice(practice.id, number, len(due))
            began = time.perf_counter()
            try:
                asked = subjects[practice.id](subject) if practice.id in subjects else subject
                finding = self._saved(practice(asked))
                subject = onwards[practice.id](subject) if practice.id in onwards else subject
            except Exception as error:
                finding = self._unmeasured(practice, error)
                self.raised.append(practice.id)
            self.findings.append(replace(finding, seconds=round(time.perf_counter() - began, 3)))
        progress.practice("", len(due), len(due))
        return subject

    def write(self) -> None:
        """The stage's outputs; measured.json, which the gate reads, comes last, when all it names is there."""
        records = training_records()
        write_json(self.reports / "trainings.json", records)
        if records:
            write_whole(self.workspace / "plots" / f"{self.name}.csv", curves_csv(records))
        write_json(self.workspace / "metrics" / f"{self.name}.json", self.metrics())
        findings = [to_json(replace(finding, seconds=0.0, timed="")) for finding in self.findings]
        write_json(self.measured, {"stage": self.name, "findings": findings})

    def record(self, load: Series) -> MachineRecord:
        """What this machine did for what the stage has found."""
        return MachineRecord(
            seconds=round(time.perf_counter() - self.started, 3),
            ended=time.time(),
            settings=fingerprint(identity(self.settings)),
            commit=git_commit(self.home),
            gpus=gpu_names(),
            practices={finding.practice: finding.seconds for finding in self.findings},
            timed={finding.practice: finding.timed for finding in self.findings if finding.timed},
            raised=self.raised,
            load=dict(load),
        )

    def metrics(self) -> dict[str, float]:
        """What was measured, for `dvc metrics`: practice to number, with the ends of its interval.

        JSON knows no number that is not finite, so such a one is left out; the finding says what happened.
        """
        metrics: dict[str, float] = dict(self.counts)
        for finding in self.findings:
            name = finding.practice.partition("/")[2]
            if finding.measured is not None:
                metrics[name] = finding.measured
            if finding.interval is not None:
                metrics[f"{name}_low"], metrics[f"{name}_high"] = finding.interval
        return {name: value for name, value in metrics.items() if math.isfinite(value)}

    def _unmeasured(self, practice: Practice, error: Exception) -> Finding:
        """What raised on the data or the model at hand closes the gate; the other practices still have their say.

        Raises:
            The error itself, where it says what to mend or where trying again may help.
        """
        if isinstance(error, PASSING) or type(error).__name__ == "OutOfMemoryError":
            error.add_note(practice.id)
            raise error
        record = private_folder(self.workspace) / TRACEBACK
        write_whole(record, redacted("".join(traceback.format_exception(error))))
        return Finding(
            summary=f"It could not be measured: {type(error).__name__}: {first_line(error)}.",
            advice=f"What went wrong before it, if anything did, says more; the traceback is in {record}.",
            requirements=(at_most(math.nan, 0.0),),  # a number that is none holds to nothing
            practice=practice.id,
            hypothesis=practice.hypothesis,
        )

    def _require_known(self, practices: Sequence[Practice]) -> None:
        known = [practice.id for practice in practices]
        for name in self.only:
            if name not in known:
                near = nearest(name, known)
                raise SettingsError(f"There is no practice '{name}'{near}: name one of {', '.join(known)}.")

    def _saved(self, finding: Finding) -> Finding:
        """`finding` with its figures and table on disk, and named relative to reports/."""
        if finding.table is not None:
            finding = replace(finding, table=self._with_decisions(self._with_paths(finding.table)))
        return saved(finding, self.reports.parent, self.name)

    def _with_paths(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table`, where it names examples by id alone, with where each lies in the user's data."""
        from recipe.dataset.stored import MANIFEST, PREPARED

        manifest = self.workspace / PREPARED / MANIFEST
        if "id" not in table.columns or "path" in table.columns or not manifest.is_file():
            return table
        import pandas as pd

        paths = pd.read_parquet(manifest, columns=["id", "path"]).set_index("id")["path"]
        table = table.copy()
        table.insert(1, "path", table["id"].map(paths))
        return table

    def _with_decisions(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table`, where it names examples, with what a person decided on each; what is kept is flagged no more.

        The one place where all tables are told; a practice leaves what is kept out of its figures by `Dataset.kept`.
        """
        from recipe.dataset.manifest import DECIDED
        from recipe.dataset.stored import MANIFEST, PREPARED

        manifest = self.workspace / PREPARED / MANIFEST
        names = [name for name in ("id", "id_a", "id_b") if name in table.columns]
        if not names or not manifest.is_file():
            return table
        import pandas as pd
        import pyarrow.parquet as parquet

        if DECIDED not in parquet.read_schema(manifest).names:
            return table
        decided = pd.read_parquet(manifest, columns=["id", DECIDED]).set_index("id")[DECIDED]
        table = table.assign(**{name.replace("id", DECIDED): table[name].map(decided) for name in names})
        if "flagged" in table and "id" in table:
            table["flagged"] = table["flagged"].astype(bool) & (table[DECIDED] != "keep")
        return table


def saved(finding: Finding, folder: Path, below: str = "", table_name: str = "") -> Finding:
    """`finding` with its figures and table on disk, and named relative to `folder`.

    Args:
        below: the folder in there that they go to.
        table_name: of the table's file; by default the practice's name.
    """
    label, place = finding.practice.replace("/", "."), PurePosixPath(below)
    figures: dict[str, str] = {}
    for name, figure in finding.figures.items():
        picture = _drawn(figure)
        if picture is not None:
            figures[name] = (place / "figures" / f"{label}.{name}.png").as_posix()
            write_whole(folder / figures[name], picture)
    table = None
    if finding.table is not None:
        table = (place / "tables" / (table_name or f"{label}.csv")).as_posix()
        write_whole(folder / table, _csv(finding.table))
    return replace(finding, figures=figures, table=table)


def main(name: str, work: Callable[[Stage], None]) -> NoReturn:
    """Run a stage as a process: `work` measures; exit 0 once measured, 2 on bad input, 130 when interrupted.

    Where a practice raised, the stage's own gate is asked at once, which closes, and the exit is 1: DVC keeps nothing
    of it as done, and the next run measures again.
    """
    arguments = _parser(name).parse_args()
    gc.freeze()  # what the imports made stays: no garbage collection, that at the end neither, goes through it
    gc.enable()

    def measure(workspace: Path) -> int:
        require_installed_code(find_workspace())
        home = arguments.home or workspace
        stage = Stage(name, workspace, load_settings(workspace), tuple(arguments.practices), home)
        note = private_folder(workspace) / progress.PLACE if is_told() else None
        shown = shown_while_running(workspace, name) if arguments.home is None else nullcontext()
        with progress.displayed(name, note), shown, sampled() as load:
            work(stage)
        stage.write()
        keep_record(workspace, stage.measured, stage.record(load))
        return CLOSED if stage.raised else DONE

    status = run_process(f"The stage {name}", measure, arguments.workspace)
    if status == CLOSED and arguments.home is None:
        # in a process of its own: a stage's results depend on no code of the report, so it imports none
        subprocess.run([sys.executable, "-m", "recipe.pipeline.gate", name], check=False)
    sys.exit(status)


def _drawn(figure: Any) -> bytes | None:
    """`figure` as PNG; None where its numbers cannot be drawn, such as a logarithm of none above zero."""
    from recipe.drawing import to_png

    try:
        return to_png(figure)
    except (ValueError, OverflowError):
        return None


def _csv(table: pd.DataFrame) -> str:
    """`table` as others read it: booleans in lower case, empty cells empty."""
    import pandas as pd

    table = table.copy()
    for column in table.columns:
        if pd.api.types.is_bool_dtype(table[column]):
            table[column] = table[column].map({True: "true", False: "false"})
    return table_csv(table)


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m tasks.{name}", description=f"The stage {name}.")
    parser.add_argument("practices", nargs="*", help="only these practices, by id")
    parser.add_argument("--workspace", type=Path, help="where params.yaml is and outputs go")
    parser.add_argument("--home", type=Path, help="whose ledgers are used; by default the workspace's own")
    return parser
