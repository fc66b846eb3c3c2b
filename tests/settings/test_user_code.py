"""The user's own code behind a `_target_`, followed through its imports."""

from pathlib import Path

import pytest

from recipe.settings.user_code import own_modules, source_of


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    files = {
        "nets.py": "import numpy, torch.nn\nfrom recipe.models import Mlp\nfrom layers import Block",
        "layers.py": "def build():\n    import late\n    from space.inner import one",
        "late.py": "import json",
        "space/inner.py": "one = 1",
        "mine/__init__.py": "from . import sibling",
        "mine/sibling.py": "from .deep import thing\nimport beside",
        "mine/deep/__init__.py": "thing = 1",
        "beside.py": "import nets  # a circle is no trouble",
        "unrelated.py": "import mine",
        "broken.py": "def (:",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def followed(workspace: Path, *targets: str | None) -> set[str]:
    return {path.relative_to(workspace).as_posix() for path in own_modules(targets, workspace).values()}


def test_the_file_or_package_of_a_target_is_the_users_own_unless_it_is_installed(workspace: Path) -> None:
    assert source_of("nets.MyNet", workspace) == "nets.py"
    assert source_of("mine.sibling.Net", workspace) == "mine"
    assert source_of("torch.nn.Linear", workspace) is None
    assert source_of("recipe.models.Cnn", workspace) is None
    assert source_of(None, workspace) is None


def test_imports_are_followed_wherever_they_stand(workspace: Path) -> None:
    assert followed(workspace, "nets.MyNet", None) == {"nets.py", "layers.py", "late.py", "space"}


def test_a_package_counts_as_one_and_what_it_imports_from_outside_is_followed(workspace: Path) -> None:
    assert followed(workspace, "mine.Net") == {"mine", "beside.py", "nets.py", "layers.py", "late.py", "space"}


def test_files_on_the_path_of_python_are_followed(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(workspace))
        assert set(own_modules(["nets.MyNet"], elsewhere)) == {"nets", "layers", "late", "space"}


def test_nothing_is_run_and_a_file_that_is_no_python_imports_nothing(workspace: Path) -> None:
    (workspace / "nets.py").write_text("import broken\nraise SystemExit")
    assert followed(workspace, "nets.MyNet") == {"nets.py", "broken.py"}


def test_without_code_of_ones_own_there_is_none(workspace: Path) -> None:
    assert own_modules(["recipe.models.Cnn", "torch.optim.Adam", None], workspace) == {}
