"""The command `recipe`: composes settings, starts stages and flows as processes, shows what came of it.

Exit codes: 0 all gates open, 1 a gate closed or production has changed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from recipe.errors import RecipeError, SettingsError, WorkspaceError
from recipe.runtime.processes import handed_on, interrupted_by_signals, run_to_end
from recipe.runtime.workspace import RUN_LOCK, find_workspace, locked

if TYPE_CHECKING:
    from recipe.evidence import Finding, Verdict

OPEN, CLOSED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
PAGE = "index.html"

EXAMPLES = """examples:
  recipe run                                                 the default data set through the whole recipe
  recipe run data=digits budget=quick                        a first look, in a minute
  recipe run data=image_folder data.path=photos              your images, a folder a class
  recipe run data=table data.path=rows.csv data.label=price  your table
  recipe run model._target_=nets.MyNet model.width=32        your model
  recipe run --until baseline                                the stages up to baseline
  recipe check baseline model._target_=nets.MyNet            one stage's practices, outside the pipeline
  recipe check baseline/gradients data=digits                one practice
  recipe predict models/final photo.png                      predictions from raw inputs
  recipe why 3 4                                             what made version 4 differ from version 3
  recipe monitor production/monday.csv                       a batch from production against the training data
"""


def main() -> None:
    """The console script."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Carry out the command line `arguments`; gives the exit code."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    commands = {
        "run": _run,
        "flow": _flow,
        "check": _check,
        "retrain": _retrain,
        "receive": _receive,
        "promote": _promote,
        "rollback": _rollback,
        "history": _history,
        "report": _report,
        "predict": _predict,
        "why": _why,
        "monitor": _monitor,
    }
    try:
        parsed, rest = _parser().parse_known_args(arguments)
        _refuse_options(rest)
        if rest and "words" not in parsed:
            raise SettingsError(f"`recipe {parsed.command}` takes no '{rest[0]}': `recipe {parsed.command} --help`.")
        with interrupted_by_signals():
            return commands[parsed.command](parsed, [*getattr(parsed, "words", []), *rest])
    except RecipeError as error:
        print(f"recipe: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("recipe: interrupted; what was finished is kept, the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OPEN


def _run(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    from recipe.deliveries.recovery import finish_deliveries
    from recipe.pipeline.reproduce import notes, reproduce
    from recipe.report.build import present_result
    from recipe.settings.composition import compose_params

    workspace = find_workspace()
    with locked(workspace, name=RUN_LOCK):
        finish_deliveries(workspace)
        with locked(workspace):  # a stage that outlived its run keeps the settings it began with
            compose_params(workspace, overrides)
        closed = reproduce(workspace, arguments.until)
    findings = present_result(workspace).findings
    _print_findings(findings, workspace / "reports" / PAGE, "warn")  # what fails, its gate tells
    for told in (*notes(workspace), *closed):
        print(f"\n{told}", file=sys.stderr)
    return CLOSED if closed else OPEN


def _flow(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    from recipe.settings.composition import compose

    workspace = find_workspace()
    compose(workspace, overrides)  # what is wrong is told before a server starts
    return _under_prefect(workspace, "flows.recipe", *overrides)


def _retrain(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    from recipe.settings import load_settings
    from recipe.settings.composition import changed

    workspace = find_workspace()
    if overrides:
        changed(workspace, overrides)
    else:
        load_settings(workspace)
    return _under_prefect(workspace, "flows.retrain", *overrides, *(["--force"] if arguments.force else []))


def _under_prefect(workspace: Path, module: str, *words: str) -> int:
    from recipe.pipeline.reproduce import stage_environment

    environment = stage_environment()
    search = os.pathsep.join([str(workspace), environment["PYTHONPATH"]])
    command = [sys.executable, "-m", module]
    return run_to_end(command, Path.cwd(), {**environment, **handed_on(words), "PYTHONPATH": search})


def _check(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from recipe.pipeline.check import check

    workspace = find_workspace()
    overrides = [word for word in words if "=" in word or word.startswith("~")]
    names = [word for word in words if word not in overrides]
    result, out = check(workspace, names, overrides, Path(arguments.out).absolute() if arguments.out else None)
    _print_findings(result.findings, out / PAGE, "warn", "fail")
    return CLOSED if result.verdict == "fail" else OPEN


def _receive(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from recipe.deliveries.incoming import INCOMING, arrivals
    from recipe.deliveries.receive import receive
    from recipe.deliveries.record import TAKEN
    from recipe.settings import load_settings

    workspace = find_workspace()
    settings = load_settings(workspace)
    refused = False
    for outcome in receive(workspace, settings, [Path(path).absolute() for path in words], arguments.despite_drift):
        refused |= outcome.kind in ("rejected", "drifted")
        print(f"{outcome.name}: {outcome.kind}. {outcome.why}")
        if outcome.kind in TAKEN:
            print(f"  version {outcome.version}: {outcome.new} new, {outcome.known} known, {outcome.aside} set aside")
        for told, place in (("report", outcome.report), ("quarantine", outcome.quarantine)):
            if place:
                print(f"  {told}: {workspace / place}")
    waiting = [one for one in arrivals(workspace, settings.watch.quiet_seconds) if one.waits] if not words else []
    for arrival in waiting:
        print(f"{arrival.path.name} waits: {arrival.waits}.")
    if not words and not waiting:
        print(f"Nothing else waits in {workspace / INCOMING}.")
    return CLOSED if refused else OPEN


def _promote(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from recipe.promotion.history import promote_by_hand

    print(promote_by_hand(find_workspace(), arguments.version, arguments.why))
    return OPEN


def _rollback(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from recipe.promotion.history import roll_back_by_hand

    print(roll_back_by_hand(find_workspace(), arguments.why))
    return OPEN


def _history(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from recipe.promotion.history import history, history_lines

    print("\n".join(history_lines(history(find_workspace()), shutil.get_terminal_size().columns)))
    return OPEN


def _report(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from recipe.report.build import rebuild_report

    print(rebuild_report(find_workspace()))
    return OPEN


def _predict(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from recipe.inference.predict import predict
    from recipe.report.spreadsheet import table_csv

    text = table_csv(predict(arguments.model, [Path(item) for item in arguments.inputs]))
    try:
        if arguments.out:
            Path(arguments.out).write_text(text, encoding="utf-8")
        else:
            sys.stdout.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WorkspaceError(f"Cannot write {arguments.out}: {error.strerror or error}. Name another --out.") from error
    return OPEN


def _why(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from rich.console import Console

    from recipe.attribution.attribute import attribute
    from recipe.attribution.report import headline, remarks, why_table, write_why

    if arguments.seeds < 0:
        raise SettingsError(f"--seeds {arguments.seeds} is less than none: give 0 or more.")
    workspace = find_workspace()
    why = attribute(workspace, arguments.a, arguments.b, arguments.seeds, lambda line: print(line, file=sys.stderr))
    if why is None:
        print(f"{arguments.a} and {arguments.b} do not differ: settings, data, code and seed are the same.")
        return OPEN
    page = write_why(workspace / "reports" / "why", why)
    console = Console()
    console.print(why_table(why))
    for line in ("", headline(why), *remarks(why)):
        console.print(line, markup=False, highlight=False)
    console.print(f"\nreport: {page}", soft_wrap=True, markup=False, highlight=False)
    return OPEN


def _monitor(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from recipe.monitoring.monitor import monitor

    workspace = find_workspace()
    out = Path(arguments.out).absolute() if arguments.out else workspace / "reports" / "monitor"
    result = monitor(workspace, Path(arguments.batch), out)
    _print_findings(result.findings, out / PAGE, "warn", "fail")
    return CLOSED if result.verdict == "fail" else OPEN


def _print_findings(findings: Sequence[Finding], page: Path, *told: Verdict) -> None:
    """The table of `findings`, those with a verdict among `told` at length, and the path of the report's page."""
    from rich.console import Console

    from recipe.report.terminal import summary_table, told_whole

    console = Console()
    console.print(summary_table(findings, console.width))
    for part in told_whole(findings, *told):
        console.print(part)
    console.print(f"\nreport: {page}", soft_wrap=True, highlight=False)


def _refuse_options(words: Sequence[str]) -> None:
    for word in words:
        if word.startswith("-"):
            raise SettingsError(f"There is no option '{word}': `recipe --help` lists them.")


class _Parser(argparse.ArgumentParser):
    """A parser that refuses in one sentence, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message[0].upper()}{message[1:]}; `{self.prog} --help` says how to call it.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="recipe",
        allow_abbrev=False,
        description="Take a data set and a PyTorch model through the recipe for training neural networks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", allow_abbrev=False, help="compose the settings and reproduce the pipeline")
    run.add_argument("words", nargs="*", metavar="OVERRIDE", help="settings, such as data=digits or seed=1")
    run.add_argument("--until", metavar="STAGE", help="the last stage to run")
    flow = commands.add_parser("flow", help="the same under Prefect")
    flow.add_argument("words", nargs="*", metavar="OVERRIDE")
    retrain = commands.add_parser(
        "retrain", allow_abbrev=False, help="train on what is new, and compare the model with the champion"
    )
    retrain.add_argument("words", nargs="*", metavar="OVERRIDE", help="what is to be other than in params.yaml")
    retrain.add_argument("--force", action="store_true", help="even when nothing is new")
    check = commands.add_parser("check", allow_abbrev=False, help="practices alone, outside the pipeline")
    check.add_argument("words", nargs="*", metavar="STAGE|PRACTICE|OVERRIDE")
    check.add_argument("--out", metavar="DIR", help="where the findings go (default: reports/check/)")
    receive = commands.add_parser("receive", allow_abbrev=False, help="take deliveries of new data in, once")
    receive.add_argument("words", nargs="*", metavar="PATH", help="a delivery; default: what is whole in data/incoming")
    receive.add_argument(
        "--despite-drift", action="store_true", help="take it in though it is distributed otherwise than the data set"
    )
    promote = commands.add_parser("promote", allow_abbrev=False, help="make a registered version the champion")
    promote.add_argument("version", metavar="VERSION", help="its number, or challenger")
    rollback = commands.add_parser("rollback", allow_abbrev=False, help="make the champion before this one it again")
    for command in (promote, rollback):
        command.add_argument("--why", metavar="TEXT", default="", help="the reason, for `recipe history`")
    commands.add_parser("history", help="who was the champion when, and why")
    commands.add_parser("report", help="build the report page and name it")
    predict = commands.add_parser("predict", allow_abbrev=False, help="predictions from raw inputs, as CSV")
    predict.add_argument("model", metavar="MODEL", help="a folder such as models/final, or a registered model's name")
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help="image files or folders, CSV or Parquet tables")
    predict.add_argument("--out", metavar="FILE", help="where the predictions go (default: the terminal)")
    why = commands.add_parser("why", allow_abbrev=False, help="what made one run differ from another")
    for name in ("A", "B"):
        why.add_argument(name.lower(), metavar=name, help="a run: 3, champion, NAME/3, or how its id in MLflow begins")
    why.add_argument(
        "--seeds", type=int, default=0, metavar="N", help="make B from so many more seeds, to see what chance does"
    )
    monitor = commands.add_parser(
        "monitor", allow_abbrev=False, help="a batch from production against the training data"
    )
    monitor.add_argument("batch", metavar="FILE|FOLDER", help="a table, or a folder of images; with labels or without")
    monitor.add_argument("--out", metavar="DIR", help="where the findings go (default: reports/monitor/)")
    return parser


if __name__ == "__main__":
    main()
