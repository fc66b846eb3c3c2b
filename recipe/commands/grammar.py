"""The commands of `recipe`, with their arguments, and examples of each in its `--help`."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from recipe.errors import SettingsError

Examples = Sequence[tuple[str, str]]  # what to type, and what that does

EXAMPLES: Mapping[str, Examples] = {
    "init": (
        ("recipe init clinic", "a workspace in a new folder"),
        ("recipe init", "in this one, beside what is here"),
        ("recipe init --upgrade", "what the installed version would have otherwise, as a patch for git apply"),
    ),
    "run": (
        ("recipe run", "the default data set through the whole recipe"),
        ("recipe run data=digits budget=quick", "a first look, in a minute"),
        ("recipe run data=image_folder data.path=photos", "your images, a folder a class"),
        ("recipe run data=table data.path=rows.csv data.label=price", "your table"),
        ("recipe run model._target_=nets.MyNet model.width=32", "your model"),
        ("recipe run --until baseline", "the stages up to baseline"),
    ),
    "flow": (
        ("recipe flow", "the default data set, as a run in Prefect"),
        ("recipe flow data=digits budget=quick", "a first look"),
        ("recipe flow data=digits --until baseline", "the stages up to baseline"),
    ),
    "retrain": (
        ("recipe retrain", "if deliveries were taken in since the last training"),
        ("recipe retrain --force", "even if none was"),
        ("recipe retrain --force budget=thorough", "with one setting changed"),
    ),
    "check": (
        ("recipe check baseline model._target_=nets.MyNet", "the practices of one stage, with your model"),
        ("recipe check baseline/gradients data=digits", "one practice"),
        ("recipe check", "the stages data and baseline"),
        ("recipe check data data.delivery=monday.csv", "a delivery, before it is taken in"),
    ),
    "advise": (
        ("recipe advise", "what the last run's error is made of, and what would lower it"),
        ("recipe advise --out reports/monday", "with a report of its own"),
        ("recipe advise data.delivery=monday.csv", "and how much more is missed of new examples"),
    ),
    "receive": (
        ("recipe receive", "every whole delivery in data/incoming"),
        ("recipe receive monday.csv", "one that lies elsewhere"),
        ("recipe receive monday.csv --despite-drift", "one that differs from the data set, and should"),
    ),
    "decide": (
        ("recipe decide decisions.csv", "what was marked on the page of the data, from its export"),
        ("recipe decide anna.csv", "a colleague's decisions beside your own; what conflicts is shown"),
    ),
    "annotate": (
        ("recipe annotate --sample 100", "100 test examples without their labels, to measure what a person reaches"),
        ("recipe annotate --sample 100 --who ben", "the same ones, by somebody else"),
        ("recipe annotate --sample 100 --again", "the same ones once more, to see how steady one is"),
    ),
    "promote": (
        ('recipe promote 3 --why "approved by the clinic"', "version 3 from now on"),
        ("recipe promote challenger", "the model that was trained last"),
    ),
    "rollback": (('recipe rollback --why "wrong prices since Monday"', "the model before this one again"),),
    "history": (("recipe history", "which model was in use when, and why"),),
    "report": (("recipe report", "the page to read, built again"),),
    "predict": (
        ("recipe predict models/final photo.png", "predictions for one image"),
        ("recipe predict models/final rows.csv --out predictions.csv", "for a table, into a file"),
    ),
    "why": (
        ("recipe why 3 4", "what made version 4 differ from version 3"),
        ("recipe why champion 4 --seeds 5", "and how much chance does, by five more trainings"),
    ),
    "monitor": (
        ("recipe monitor production/monday.csv", "a batch from production against the training data"),
        ("recipe monitor production/photos --out reports/photos", "images, with a report of their own"),
    ),
}
COMPLETION = """\
TAB completes commands, settings and their values after
  eval "$(register-python-argcomplete recipe)"                in bash or zsh
  register-python-argcomplete --shell fish recipe | source    in fish
"""


def make_parser() -> argparse.ArgumentParser:
    """What reads a command line; it refuses one that it cannot read with a SettingsError.

    The namespace that it gives has the name of the command in `command`, and the overrides, names or paths of a command
    that takes any number of them in `words`.
    """
    top = [*EXAMPLES["run"], *(examples[0] for command, examples in EXAMPLES.items() if command != "run")]
    parser = _Parser(
        prog="recipe",
        allow_abbrev=False,
        description="Take a data set and a PyTorch model through the recipe for training neural networks.",
        epilog=f"{_listed(top)}\n`recipe COMMAND --help` has more.\n\n{COMPLETION}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_workspace(commands)
    _add_training(commands)
    _add_new_data(commands)
    _add_annotations(commands)
    _add_models(commands)
    return parser


def _add_workspace(commands: Any) -> None:
    init = _add(commands, "init", "make a workspace: settings, stages and flows of your own; nothing is overwritten")
    init.add_argument("folder", nargs="?", default=".", metavar="DIR", help="where (default: this folder)")
    init.add_argument(
        "--upgrade", action="store_true", help="change nothing, and print what the installed version would, as a patch"
    )


def _add_training(commands: Any) -> None:
    run = _add(commands, "run", "take the data and the model through the stages; what has not changed is skipped")
    run.add_argument("words", nargs="*", metavar="OVERRIDE", help="settings, such as data=digits or seed=1")
    run.add_argument("--until", metavar="STAGE", help="the last stage to run")
    flow = _add(commands, "flow", "the same as a run in Prefect, whose page shows how far it is")
    flow.add_argument("words", nargs="*", metavar="OVERRIDE", help="settings, such as data=digits or seed=1")
    flow.add_argument("--until", metavar="STAGE", help="the last stage to run")
    retrain = _add(commands, "retrain", "train on what is new, and compare the model with the champion, the one in use")
    retrain.add_argument("words", nargs="*", metavar="OVERRIDE", help="what is to be other than in params.yaml")
    retrain.add_argument("--force", action="store_true", help="even when nothing is new")
    check = _add(commands, "check", "try single practices or stages, and change nothing else")
    check.add_argument(
        "words",
        nargs="*",
        metavar="STAGE|PRACTICE|OVERRIDE",
        help="what to check (default: data and baseline), and settings",
    )
    check.add_argument("--out", metavar="DIR", help="where the findings go (default: reports/check/)")
    advise = _add(commands, "advise", "tell where the error comes from, and what would lower it by how much")
    advise.add_argument(
        "words", nargs="*", metavar="OVERRIDE", help="settings, where they are not those of the last run"
    )
    advise.add_argument("--out", metavar="DIR", help="where the findings go (default: reports/advice/)")
    _add(commands, "report", "build the report page and say where it is")


def _add_new_data(commands: Any) -> None:
    receive = _add(commands, "receive", "take deliveries of new data in, each once, or set them aside with the reasons")
    receive.add_argument("words", nargs="*", metavar="PATH", help="a delivery; default: what is whole in data/incoming")
    receive.add_argument(
        "--despite-drift", action="store_true", help="take it in though it is distributed otherwise than the data set"
    )
    monitor = _add(commands, "monitor", "compare a batch from production with the training data")
    monitor.add_argument("batch", metavar="FILE|FOLDER", help="a table, or a folder of images; with labels or without")
    monitor.add_argument("--out", metavar="DIR", help="where the findings go (default: reports/monitor/)")


def _add_annotations(commands: Any) -> None:
    decide = _add(commands, "decide", "take decisions on single examples in: relabel, drop, keep, group")
    decide.add_argument("file", metavar="FILE", help="CSV with the columns id, action, value and why")
    annotate = _add(
        commands, "annotate", "label examples by hand on a page of this machine, without seeing their labels"
    )
    annotate.add_argument(
        "words", nargs="*", metavar="OVERRIDE", help="settings, where they are not those of the last run"
    )
    annotate.add_argument(
        "--sample", type=int, metavar="N", help="so many, of each class some; default: the whole split"
    )
    annotate.add_argument(
        "--who", metavar="TEXT", help="whose labels they are (default: the name you are logged in by)"
    )
    annotate.add_argument("--split", metavar="SPLIT", default="test", help="train, validation or test (the default)")
    annotate.add_argument("--again", action="store_true", help="a second pass over what one has labelled")
    annotate.add_argument("--port", type=int, metavar="N", default=0, help="where the page is (default: a free one)")


def _add_models(commands: Any) -> None:
    promote = _add(commands, "promote", "put a version of the model into use: make it the champion")
    promote.add_argument("version", metavar="VERSION", help="its number, or challenger")
    rollback = _add(commands, "rollback", "put the version that was in use before this one back")
    for command in (promote, rollback):
        command.add_argument("--why", metavar="TEXT", default="", help="the reason, for `recipe history`")
    _add(commands, "history", "tell which version was in use when, and why")
    predict = _add(commands, "predict", "predict from images or tables, as CSV")
    predict.add_argument("model", metavar="MODEL", help="a folder such as models/final, or a registered model's name")
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help="image files or folders, CSV or Parquet tables")
    predict.add_argument("--out", metavar="FILE", help="where the predictions go (default: the terminal)")
    why = _add(commands, "why", "tell what made one run differ from another")
    for name in ("A", "B"):
        why.add_argument(name.lower(), metavar=name, help="a run: 3, champion, NAME/3, or how its id in MLflow begins")
    why.add_argument(
        "--seeds", type=int, default=0, metavar="N", help="make B from so many more seeds, to see what chance does"
    )


def _add(commands: Any, name: str, does: str) -> argparse.ArgumentParser:
    """The parser of a command, which begins as all of them do."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        allow_abbrev=False,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=_listed(EXAMPLES[name]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _listed(examples: Examples) -> str:
    width = max(len(typed) for typed, _ in examples)
    return "".join(["examples:\n", *(f"  {typed:{width}}  {does}\n" for typed, does in examples)])


class _Parser(argparse.ArgumentParser):
    """A parser that refuses in one sentence, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message[0].upper()}{message[1:]}; `{self.prog} --help` says how to call it.")
