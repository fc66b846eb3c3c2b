"""The command `recipe`: composes settings, starts stages and flows as processes, shows what came of it.

Exit codes: 0 all gates open, 1 a gate closed or production has changed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from recipe.commands.grammar import make_parser
from recipe.errors import RecipeError, SettingsError, WorkspaceError
from recipe.runtime.processes import handed_on, interrupted_by_signals, run_to_end
from recipe.runtime.workspace import RUN_LOCK, find_workspace, locked

if TYPE_CHECKING:
    from argparse import Namespace

    from recipe.evidence import Verdict
    from recipe.report.findings import RunResult

OPEN, CLOSED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
PAGE = "index.html"
ASKED = "_ARGCOMPLETE"  # set by the shell that asks what may follow, when TAB is pressed


def main() -> None:
    """The console script."""
    if ASKED in os.environ:
        from recipe.commands.completion import answer

        answer(make_parser())
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Carry out the command line `arguments`; gives the exit code."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    commands = {
        "init": _init,
        "run": _run,
        "flow": _flow,
        "check": _check,
        "advise": _advise,
        "retrain": _retrain,
        "receive": _receive,
        "decide": _decide,
        "annotate": _annotate,
        "promote": _promote,
        "rollback": _rollback,
        "history": _history,
        "report": _report,
        "predict": _predict,
        "why": _why,
        "monitor": _monitor,
    }
    try:
        parsed, rest = make_parser().parse_known_args(arguments)
        _refuse_options(rest)
        if rest and "words" not in parsed:
            raise SettingsError(f"`recipe {parsed.command}` takes no '{rest[0]}': `recipe {parsed.command} --help`.")
        if parsed.command != "init":
            _require_installed_code()
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


def _require_installed_code() -> None:
    """Refuse a workspace that was made with another version of the library; outside of one nothing is asked."""
    from recipe.versioning.installed import require_installed_code

    try:
        workspace = find_workspace()
    except WorkspaceError:
        return
    require_installed_code(workspace)


def _init(arguments: Namespace, words: Sequence[str]) -> int:
    from recipe.scaffold.make import changes, make_workspace, summary

    folder = Path(arguments.folder).absolute()
    if arguments.upgrade:
        patch = "".join(changes(folder))
        print(patch, end="")
        if not patch:
            print(f"{folder} is as the installed version would make it.", file=sys.stderr)
        return OPEN
    print("\n".join(summary(make_workspace(folder))))
    return OPEN


def _run(arguments: Namespace, overrides: Sequence[str]) -> int:
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
    result = present_result(workspace)
    _print_result(result, workspace / "reports" / PAGE, "warn")  # what fails, its gate tells
    taken = (result.run.get("taken"), *result.run.get("notes", ()))
    for told in (*(note for note in notes(workspace) if note not in taken), *closed):
        print(f"\n{told}", file=sys.stderr)
    return CLOSED if closed else OPEN


def _flow(arguments: Namespace, overrides: Sequence[str]) -> int:
    from recipe.pipeline.reproduce import stages_until
    from recipe.settings.composition import compose

    workspace = find_workspace()
    stages_until(arguments.until)  # what is wrong is told before a server starts
    compose(workspace, overrides)
    until = ["--until", arguments.until] if arguments.until else []
    return _under_prefect(workspace, "flows.recipe", *overrides, *until)


def _retrain(arguments: Namespace, overrides: Sequence[str]) -> int:
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


def _check(arguments: Namespace, words: Sequence[str]) -> int:
    from recipe.pipeline.check import check

    workspace = find_workspace()
    overrides = [word for word in words if "=" in word or word.startswith("~")]
    names = [word for word in words if word not in overrides]
    result, out = check(workspace, names, overrides, Path(arguments.out).absolute() if arguments.out else None)
    _print_result(result, out / PAGE, "warn", "fail")
    return CLOSED if result.verdict == "fail" else OPEN


def _advise(arguments: Namespace, words: Sequence[str]) -> int:
    from rich.console import Console

    from recipe.pipeline.check import advise
    from recipe.report.terminal import budget_tables

    workspace = find_workspace()
    finding, out = advise(workspace, words, Path(arguments.out).absolute() if arguments.out else None)
    console = Console()
    for part in budget_tables(finding, out):
        console.print(part)
    console.print(f"\nreport: {out / PAGE}", soft_wrap=True, highlight=False)
    return OPEN


def _receive(arguments: Namespace, words: Sequence[str]) -> int:
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


def _decide(arguments: Namespace, words: Sequence[str]) -> int:
    from recipe.corrections.merge import merge
    from recipe.settings import load_settings

    workspace = find_workspace()
    merged = merge(workspace, load_settings(workspace), Path(arguments.file).absolute())
    if merged.conflicts:
        from dataclasses import astuple

        from rich.console import Console

        from recipe.report.terminal import text_table

        Console().print(text_table(("id", "path", "what stands", "what is new"), map(astuple, merged.conflicts)))
        print(f"\nNothing was taken into {merged.file}: delete one line of each two, here or there, and start again.")
        return CLOSED
    stood = f"; {merged.known} stood there already" if merged.known else ""
    print(f"Took {merged.added} into {merged.file}{stood}. Carry out what is in there with `recipe run`.")
    return OPEN


def _annotate(arguments: Namespace, words: Sequence[str]) -> int:
    import webbrowser

    from recipe.annotation.prepared import prepared_dataset
    from recipe.annotation.server import Server
    from recipe.annotation.session import begin

    workspace = find_workspace()
    dataset = prepared_dataset(workspace, words)
    who = arguments.who or os.environ.get("USER", "me")
    path = workspace / dataset.settings.data.annotations
    session = begin(dataset, path, who, arguments.split, arguments.sample, turn=2 if arguments.again else 1)
    with Server(session, arguments.port) as server:
        print(
            f"{server.url}\nOpen it in a browser on this machine; Ctrl-C ends it, and every label is kept.", flush=True
        )
        if sys.stdout.isatty() and (sys.platform == "darwin" or os.environ.get("DISPLAY")):
            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    done = session.progress()["answered"]
    print(f"{done} of {len(session.rows)} labelled. Compare with `recipe check baseline/human`.")
    return OPEN


def _promote(arguments: Namespace, words: Sequence[str]) -> int:
    from recipe.promotion.history import promote_by_hand

    print(promote_by_hand(find_workspace(), arguments.version, arguments.why))
    return OPEN


def _rollback(arguments: Namespace, words: Sequence[str]) -> int:
    from recipe.promotion.history import roll_back_by_hand

    print(roll_back_by_hand(find_workspace(), arguments.why))
    return OPEN


def _history(arguments: Namespace, words: Sequence[str]) -> int:
    from recipe.promotion.history import history, history_lines

    print("\n".join(history_lines(history(find_workspace()), shutil.get_terminal_size().columns)))
    return OPEN


def _report(arguments: Namespace, words: Sequence[str]) -> int:
    from recipe.report.build import rebuild_report

    print(rebuild_report(find_workspace()))
    return OPEN


def _predict(arguments: Namespace, words: Sequence[str]) -> int:
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


def _why(arguments: Namespace, words: Sequence[str]) -> int:
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


def _monitor(arguments: Namespace, words: Sequence[str]) -> int:
    from recipe.monitoring.monitor import monitor

    workspace = find_workspace()
    out = Path(arguments.out).absolute() if arguments.out else workspace / "reports" / "monitor"
    result = monitor(workspace, Path(arguments.batch), out)
    _print_result(result, out / PAGE, "warn", "fail")
    return CLOSED if result.verdict == "fail" else OPEN


def _print_result(result: RunResult, page: Path, *told: Verdict) -> None:
    """What was taken of the data, a table of the findings, those with a verdict among `told` whole, and the page."""
    from rich.console import Console

    from recipe.report.terminal import summary_table, taken, told_whole

    console = Console()
    console.print(*taken(result.run), sep="\n")
    if result.findings:
        console.print(summary_table(result.findings, console.width))
    for part in told_whole(result.findings, *told):
        console.print(part)
    console.print(f"\nreport: {page}", soft_wrap=True, highlight=False)


def _refuse_options(words: Sequence[str]) -> None:
    for word in words:
        if word.startswith("-"):
            raise SettingsError(f"There is no option '{word}': `recipe --help` lists them.")


if __name__ == "__main__":
    main()
