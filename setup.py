"""What pyproject.toml cannot say: a wheel also holds the files that `recipe init` makes a workspace from."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
TEMPLATE = ("conf", "flows", "tasks", "dvc.yaml", "prefect.yaml", "prefect.toml", ".dvcignore", ".gitignore")


class BuildWithTemplate(build_py):
    """Copies the template beside the library's modules."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # a clone is its own template
            return
        target = Path(self.build_lib) / "recipe" / "template"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in TEMPLATE:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target / name)


setup(cmdclass={"build_py": BuildWithTemplate})
