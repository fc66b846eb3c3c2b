"""The settings that practices declare in their own modules, read there without importing what a practice works with.

A module in recipe/practices/STAGE holds the classes `Settings` (how the practice measures, `stages.STAGE.NAME`),
`Limits` (what its gate holds it to, `thresholds.STAGE.NAME`) and, where a delivery is examined by it too,
`DeliveryLimits` (`thresholds.delivery.NAME`); each is left out where there is nothing to set. Settings are checked
wherever a command starts, and importing torch for that would take longer than all the rest.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import create_model

from recipe.settings.defaults import conf_defaults, filled
from recipe.settings.strict import Strict

PACKAGE = Path(__file__).parent.parent
PRACTICES = PACKAGE / "practices"
DELIVERED = "DeliveryLimits"
CLASSES = ("Settings", "Limits", DELIVERED)
# Such a class, and the imports of what it may be written with.
DECLARATION = re.compile(
    rf"^class (?:{'|'.join(CLASSES)})\(\w+\):\n(?:(?: {{4}}.*)?\n)+"
    r"|^from (?:pydantic|typing|recipe\.settings\.(?:fanout|strict)) import (?:\([^)]*\)|.+)\n",
    re.MULTILINE,
)

ByPractice = dict[str, dict[str, type[Strict]]]  # within each stage


class Declared(Strict):
    """Sections, one a stage, that hold what its practices declare; `NAME` is what conf/ calls them."""

    NAME: ClassVar[str]

    @classmethod
    def default(cls, **changes: Mapping[str, Any]) -> Self:
        """As conf/ has it, but for `changes`, such as `baseline={"loss_at_init": {"seeds": 3}}`."""
        return cls.model_validate(filled(changes, conf_defaults()[cls.NAME]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by content: classes that were made here can be found by no name."""
        return type(self).model_validate, (self.model_dump(),)


def declared() -> tuple[ByPractice, ByPractice]:
    """What the practices declare: how they measure, and what they are held to."""
    measuring: ByPractice = defaultdict(dict)
    limits: ByPractice = defaultdict(dict)
    for stage, name, classes in _modules():
        for target, key in ((measuring[stage], "Settings"), (limits[stage], "Limits"), (limits["delivery"], DELIVERED)):
            if key in classes:
                target[name] = classes[key]
    return measuring, limits


def section(name: str, parts: Mapping[str, type[Strict]], base: type[Strict] = Strict) -> type[Strict]:
    """A section of the settings with these parts, each of which must be given."""
    fields: dict[str, Any] = {part: (kind, ...) for part, kind in parts.items()}
    return create_model(name, __base__=base, **fields)


def _modules() -> Iterator[tuple[str, str, dict[str, type[Strict]]]]:
    """Stage, name and classes of each practice that declares any."""
    for file in sorted(PRACTICES.glob("*/*.py")):
        if classes := classes_in(file):
            yield file.parent.name, file.stem, classes


def classes_in(file: Path) -> dict[str, type[Strict]]:
    """The settings classes that the module in `file` declares, by name."""
    parts = [match[0] for match in DECLARATION.finditer(file.read_text(encoding="utf-8"))]
    namespace: dict[str, Any] = {"__name__": ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)}
    exec("\n".join(parts), namespace)
    return {name: namespace[name] for name in CLASSES if name in namespace}
