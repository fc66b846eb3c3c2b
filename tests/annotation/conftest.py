"""`recipe annotate` as a person starts it, and its page as a browser asks for it."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from recipe.dataset.ingestion import ingest
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from tests.faults.data import composed
from tests.workspaces import RECIPE, environment, make_workspace

ENDS_WITHIN = 20  # seconds after Ctrl-C


@dataclass(frozen=True)
class Page:
    """A page that is served: its address, and the process behind it."""

    url: str
    process: subprocess.Popen[str]

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]

    def ask(self, path: str, sent: object = None, **headers: str) -> tuple[int, Any]:
        """The status and the content of the answer to a GET, or to a POST of what is `sent`."""
        where = urlsplit(self.url)
        body = None if sent is None else sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        named = {"X-Token": self.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = urllib.request.Request(f"http://{where.netloc}{path}", body, named)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def interrupt(self) -> str:
        """Ctrl-C; gives what the command said last."""
        self.process.send_signal(signal.SIGINT)
        told, _ = self.process.communicate(timeout=ENDS_WITHIN)
        assert self.process.returncode == 0
        return told


Serve = Callable[..., Page]


@contextmanager
def served(workspace: Path, *words: str) -> Iterator[Page]:
    process = subprocess.Popen(
        [*RECIPE, "annotate", *words],
        cwd=workspace,
        env=environment(workspace) | {"USER": "anna"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), process.stderr.read()
        yield Page(url, process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def serve(workspace: Path) -> Iterator[Serve]:
    """Starts `recipe annotate WORDS` in the workspace, or another."""
    with ExitStack() as stack:
        yield lambda *words, where=workspace: stack.enter_context(served(where, *words))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that holds the digits prepared."""
    workspace = make_workspace(tmp_path_factory.mktemp("annotate") / "workspace")
    compose_params(workspace, ["data=digits"])
    ingest(workspace, composed("data=digits"))
    return workspace


@pytest.fixture
def workspace(prepared: Path) -> Path:
    (prepared / "data" / "annotations.csv").write_text("id,who,label,seconds,at,pass\n")
    return prepared


def prepared_table(folder: Path, content: str, *overrides: str) -> Path:
    """A workspace that holds a table prepared."""
    workspace = make_workspace(folder / "workspace")
    (workspace / "data").mkdir(exist_ok=True)
    (workspace / "data" / "rows.csv").write_text(content, encoding="utf-8")
    with chdir(workspace):
        compose_params(workspace, ["data=table", "data.path=data/rows.csv", *overrides])
    ingest(workspace, load_settings(workspace))
    return workspace
