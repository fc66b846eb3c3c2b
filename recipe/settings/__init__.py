"""What a run is: params.yaml read, checked and frozen; a wrong key or value is one clear sentence."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args
from unicodedata import normalize

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from recipe.errors import SettingsError
from recipe.settings.defaults import completed
from recipe.settings.fanout import Fanout
from recipe.settings.kinds import BUILTIN, FOLDER, in_words, kind_names
from recipe.settings.metrics import metric_names
from recipe.settings.monitor import Monitor
from recipe.settings.paths import REGISTERED
from recipe.settings.practice_settings import Declared, declared, section
from recipe.settings.retrain import Retrain
from recipe.settings.strict import Strict
from recipe.settings.tune import Searched
from recipe.settings.watch import Watch
from recipe.settings.yaml12 import read_yaml

PARAMS = "params.yaml"
PLACE = re.compile(r"[a-z][a-z0-9+.-]*://.+|/.+")
PACKED_SUFFIXES = (".gz", ".bz2", ".xz")
WAYS = ("number", "category", "date")
DATE = re.compile(r"(?=.*%)(?:[^%]|%[aAbBdfHIjmMpSyYzZ%])+")  # with directives that pandas reads
NUMBER = re.compile(r"1(?:[ ,']?234\.5|[ .']234,5)")  # NUMBER_STYLES of recipe/dataset/preparation.py
VERSION = re.compile(r"models:/+[^/@:]+/\d{1,9}")
DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?|mps")


def load_settings(workspace: Path) -> "Settings":
    """The settings in the workspace's params.yaml.

    Raises:
        SettingsError: the file is missing, is no YAML, or holds a key or value that does not fit.
    """
    path = workspace / PARAMS
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing: write it with `recipe run`.") from None
    except yaml.YAMLError as error:
        raise SettingsError(
            f"{path} is not valid YAML ({str(error).splitlines()[0]}): mend it or rerun `recipe run`."
        ) from error
    return parse_settings(content, origin=str(path))


def parse_settings(content: Any, origin: str = "the settings") -> "Settings":
    """`content`, a mapping as composed from conf/, as checked settings.

    Raises:
        SettingsError: names the first key that does not fit, and the nearest right one.
    """
    if not isinstance(content, Mapping):
        raise SettingsError(f"{origin} holds no settings: compose them with `recipe run`.")
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        wrong = error
    if any(one["type"] == "missing" for one in wrong.errors()):
        try:
            return Settings.model_validate(completed(content))
        except ValidationError as error:
            wrong = error
    raise SettingsError(_sentence(wrong, origin))


class Part(BaseModel):
    """A `_target_` and the settings that it is called with; without a target it is left out."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)
    target: str | None = Field(default=None, alias="_target_")

    @model_validator(mode="after")
    def _gives_its_settings_to_something(self) -> Self:
        if self.target is None and self.model_extra:
            raise ValueError(f"nothing would take {', '.join(self.model_extra)}: name what does by its _target_")
        return self

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Split(Strict):
    by: Literal["chance", "time"] = "chance"
    column: str | None = None
    validation: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    seed: int = 0

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self

    @model_validator(mode="after")
    def _has_a_use_for_the_column(self) -> Self:
        if self.column is not None and self.by != "time":
            raise ValueError("column is what a split by time goes by: set data.split.by=time as well, or leave it out")
        return self

    @field_validator("column", mode="before")
    @classmethod
    def _is_spelt_as_files_are(cls, name: Any) -> Any:
        return _as_read(name) if isinstance(name, str) else name


class Quarantine(Strict):
    max_share: float = Field(ge=0, le=1)


class Image(Strict):
    size: tuple[PositiveInt, PositiveInt] | None = None
    channels: Literal[1, 3] | None = None


class Data(Strict):
    name: str
    kind: str
    path: str
    delivery: str | None = None
    decisions: str = "data/decisions.csv"
    annotations: str = "data/annotations.csv"
    task: Literal["auto", "classification", "regression"] = "auto"
    label: str = "label"
    target: Literal["log"] | None = None
    split_column: str = "split"
    group_column: str = "group"
    ignore: tuple[str, ...] = ()
    missing: tuple[str, ...] | None = None
    read_as: dict[str, str] = Field(default_factory=dict)
    split: Split
    quarantine: Quarantine
    transform: Part = Part()
    image: Image = Image()
    memory_limit_mb: int = Field(gt=0)

    @field_validator("missing", mode="before")
    @classmethod
    def _numbers_are_words_too(cls, words: Any) -> Any:
        return [str(word) for word in words] if isinstance(words, (list, tuple)) else words

    @field_validator("read_as")
    @classmethod
    def _are_ways_to_read(cls, ways: dict[str, str]) -> dict[str, str]:
        for column, how in ways.items():
            if how not in WAYS and not DATE.fullmatch(how) and not NUMBER.fullmatch(how):
                raise ValueError(f"'{column}' is read as number, category or date, as 1.234,5 or as %d/%m/%Y")
        return ways

    @field_validator("label", "split_column", "group_column", "ignore", "read_as", mode="before")
    @classmethod
    def _are_spelt_as_files_are(cls, names: Any) -> Any:
        """Names of columns in the form of Unicode that they are read in."""
        if isinstance(names, str):
            return _as_read(names)
        if isinstance(names, Mapping):
            return {normalize("NFC", str(name)): how for name, how in names.items()}
        return [normalize("NFC", str(name)) for name in names] if isinstance(names, (list, tuple)) else names

    @model_validator(mode="after")
    def _is_not_split_by_what_it_learns(self) -> Self:
        if self.split.column == self.label:
            raise ValueError(f"data.split.column={self.label} is the label: name a column of dates, or leave it out")
        return self

    @field_validator("kind", mode="before")
    @classmethod
    def _is_a_kind(cls, kind: Any) -> Any:
        known = (BUILTIN, *kind_names())
        if kind not in known:
            raise ValueError(f"it should be {in_words(known)}")
        return kind

    @model_validator(mode="before")
    @classmethod
    def _named_after_its_path(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and content.get("name") is None and content.get("path"):
            path = Path(str(content["path"]))
            return {**content, "name": path.name if str(content.get("kind")).endswith(FOLDER) else _stem(path)}
        return content


def _as_read(name: str) -> str:
    """The name of a column in the form of Unicode that it is read in."""
    return normalize("NFC", name).strip()


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix in PACKED_SUFFIXES else path.stem


class Budget(Strict):
    name: str
    epochs: int = Field(ge=1)
    steps: int = Field(ge=1)
    most_steps: int = Field(default=3000, ge=1)
    seeds: int = Field(ge=2)
    trials: int = Field(ge=2)
    members: int = Field(ge=2)
    folds: int | None = Field(default=None, ge=2)
    examples: int | None = Field(default=None, ge=100)


class Tracking(Strict):
    uri: str | None = None
    artifacts: str | None = None

    @field_validator("artifacts")
    @classmethod
    def _holds_from_anywhere(cls, artifacts: str | None) -> str | None:
        if artifacts is not None and not PLACE.fullmatch(artifacts):
            raise ValueError("it is a place such as s3://bucket/mlflow, or a folder by its whole path")
        return artifacts


class Sources(Strict):
    """`sources`: the user's own files behind each part, and in eight places what those import."""

    model: str
    loss: str
    optimizer: str
    transform: str
    augment: str
    scheduler: str
    pretrained: str = "recipe/training/weights.py"
    imported_1: str
    imported_2: str
    imported_3: str
    imported_4: str
    imported_5: str
    imported_6: str
    imported_7: str
    imported_8: str


MEASURING, LIMITS = declared()
STAGES = ("ingest", "data", "baseline", "overfit", "regularize", "tune", "squeeze")
JOINED = {"tune": Searched}  # what a stage has beside its practices

_MEASURING = {stage: section(stage, MEASURING[stage], JOINED.get(stage, Strict)) for stage in STAGES}
_LIMITS = {stage: section(stage, LIMITS[stage]) for stage in (*STAGES, "delivery")}
_Stages: Any = section("Stages", _MEASURING, Declared)
_Thresholds: Any = section("Thresholds", _LIMITS, Declared)


class Stages(_Stages):
    """`stages`: how each practice of each stage measures, by attributes, such as `baseline.loss_at_init.seeds`."""

    NAME: ClassVar[str] = "stages"


class Thresholds(_Thresholds):
    """`thresholds`: per stage, practice and limit."""

    NAME: ClassVar[str] = "thresholds"

    def of(self, stage: str) -> dict[str, dict[str, float]]:
        """The limits of one stage: practice name to limit name to number."""
        limits: dict[str, dict[str, float]] = getattr(self, stage).model_dump()
        return limits


class Settings(Strict):
    """Everything that a run depends on, as conf/ composes it."""

    seed: int = Field(ge=0)
    device: str
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"] = "32-true"
    batch_size: int = Field(ge=1)
    data: Data
    model: Part
    loss: Part
    optimizer: Part
    augment: Part
    scheduler: Part = Part()
    pretrained: str | None = None
    budget: Budget
    fanout: Fanout
    metrics: tuple[str, ...] | None = None
    tracking: Tracking
    sources: Sources
    watch: Watch = Watch()
    stages: Stages
    thresholds: Thresholds
    retrain: Retrain = Retrain()
    monitor: Monitor = Monitor()

    @field_validator("metrics", mode="before")
    @classmethod
    def _are_metrics(cls, given: Any) -> Any:
        return metric_names(given)

    @field_validator("pretrained")
    @classmethod
    def _is_always_the_same(cls, pretrained: str | None) -> str | None:
        if pretrained is not None and pretrained.startswith(REGISTERED) and not VERSION.fullmatch(pretrained):
            raise ValueError("a registered model is named by its version, models:/NAME/VERSION, which stays as it is")
        return pretrained

    @model_validator(mode="after")
    def _folds_know_no_time(self) -> Self:
        if self.budget.folds and self.data.split.by == "time":
            raise ValueError("budget.folds would train on what comes after what it validates on, by data.split.by=time")
        return self

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        if not DEVICE.fullmatch(device):
            raise ValueError("it is one of auto, cpu, cuda, cuda:1 (the second of several) and mps")
        return device


def nearest(word: str, words: list[str]) -> str:
    """` (did you mean 'x'?)` with the word most like `word`, or nothing when none is like it; its case is no matter."""
    known = {one.casefold(): one for one in words}
    matches = difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.5)
    return f" (did you mean '{known[matches[0]]}'?)" if matches else ""


def _sentence(error: ValidationError, origin: str) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        return f"The setting '{key}' in {origin} does not exist{nearest(location[-1], _fields(location[:-1]))}."
    if first["type"] == "missing":
        return f"The setting '{key}' in {origin} is missing: give it as an override, {key}=..."
    if not key:  # settings that do not go together, each of which fits
        return f"The settings in {origin} do not fit together: {_reason(first, location)}."
    given = _shown(first["input"])
    fit = f"is {given}, which does not fit" if given else "does not fit together"
    return f"The setting '{key}' in {origin} {fit}: {_reason(first, location)}."


def _reason(error: ErrorDetails, location: list[str]) -> str:
    if error["type"] == "model_type":
        return f"it holds {', '.join(_fields(location))}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "it should", 1)
    message = message.replace("Tuple should", "it should", 1).partition(" after validation")[0]
    return message.partition(", unable to parse")[0].replace("a valid tuple", "a list, such as [a,b]")


def _shown(value: Any) -> str:
    """`value` as a person gave it; nothing where it is a whole section."""
    if not isinstance(value, Mapping):
        return repr(value)
    section = any(isinstance(item, Mapping) for item in value.values())
    return "" if section else ", ".join(f"{name}={item}" for name, item in value.items())


def _fields(location: list[str]) -> list[str]:
    model: Any = Settings
    for part in location:  # a mapping of settings by name, such as a search space, has one type for all
        named = getattr(model, "model_fields", None)
        model = named[part].annotation if named else get_args(model)[1]
    return [field.alias or name for name, field in model.model_fields.items()]
