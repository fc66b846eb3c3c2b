"""YAML as DVC and Hydra read it: 1e-05 is a number (YAML 1.2), which PyYAML by itself (YAML 1.1) takes for a word."""

import re
from typing import Any

from yaml import CSafeLoader, load

EXPONENT = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")  # YAML 1.2.2, section 10.3.2


class _Loader(CSafeLoader):
    """The fast safe loader, which knows numbers with an exponent as well."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def read_yaml(text: str) -> Any:
    """What `text` holds.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    return load(text, Loader=_Loader)  # noqa: S506 - the loader above is a safe one
