"""`mlflow models serve` for a model, as someone who has MLflow and not this project would start it."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flows.serve import HOST, free_port

SERVER_SECONDS = 120  # on a busy machine; a quiet one takes 6


@contextmanager
def scoring(model: str, elsewhere: Path, **variables: str) -> Iterator[str]:
    """The address that takes inputs for `model`, a folder or models:/NAME@ALIAS, on a free port.

    The server works in `elsewhere`, where it cannot import this project; it and its children are gone afterwards.
    """
    port = free_port()
    command = [sys.executable, "-I", "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    log = elsewhere / "server.log"
    with open(log, "w", encoding="utf-8") as output:
        server = subprocess.Popen(
            command,
            cwd=elsewhere,
            env=bare_environment() | variables,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_up(f"http://{HOST}:{port}/ping", server, log)
        yield f"http://{HOST}:{port}/invocations"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def post(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status and the answer of a scoring server to `body`."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def as_record(pixels: np.ndarray) -> dict[str, str]:
    """An image (H, W) as a scoring server takes it: a PNG file in base64."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return {"image": base64.b64encode(data.getvalue()).decode()}


def bare_environment() -> dict[str, str]:
    """The user's environment without what lets a process import this project from its folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "OMP_NUM_THREADS": "1"}


def _wait_until_up(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not come up:\n{log.read_text(encoding='utf-8')}")
