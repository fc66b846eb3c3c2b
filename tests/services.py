"""Services of other projects that tests start on this machine, for themselves alone: PostgreSQL, S3, Ray."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.serve import HOST, free_port
from recipe.runtime.processes import stop_session
from recipe.runtime.reachability import require_answer

START_SECONDS = 60.0
USER, PASSWORD = "recipe", "p@ss word"  # which no address could hold as it is
RAY_PORTS = range(20000, 32000)  # below those that the system hands out, above those that Ray gives its workers


def require_packages(*names: str) -> None:
    """Skip where one of the optional packages is missing."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"the package {name} is missing: pip install --no-deps -r requirements-scale.lock")


@dataclass(frozen=True)
class PostgreSql:
    """A cluster of databases on a port of its own; `variables` hold the password, as libpq reads it."""

    port: int
    programs: Path

    variables: Mapping[str, str]

    def address(self, database: str, driver: str) -> str:
        return f"postgresql+{driver}://{USER}@{HOST}:{self.port}/{database}"

    def create(self, database: str) -> None:
        self._tool("createdb", database)

    def ask(self, database: str, query: str) -> str:
        return self._tool("psql", "-tA", "-c", query, database)

    def _tool(self, name: str, *words: str) -> str:
        command = [str(self.programs / name), "-h", HOST, "-p", str(self.port), "-U", USER, *words]
        done = subprocess.run(command, env={**os.environ, **self.variables}, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@contextmanager
def postgresql() -> Iterator[PostgreSql]:
    """A new PostgreSQL that asks for a password and listens on localhost alone."""
    programs = _postgresql_programs()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="recipe-postgresql-") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        _give_to_postgres(folder)
        made = folder / "cluster"
        options = ["-D", str(made), "-U", USER, "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-E", "UTF8"]
        subprocess.run(_as_postgres(str(programs / "initdb"), *options), check=True, capture_output=True, cwd=folder)
        settings = [f"listen_addresses={HOST}", f"port={port}", f"unix_socket_directories={folder}", "fsync=off"]
        words = [word for setting in settings for word in ("-c", setting)]
        with _running(_as_postgres(str(programs / "postgres"), "-D", str(made), *words), folder, port):
            yield PostgreSql(port, programs, {"PGPASSWORD": PASSWORD})


def _postgresql_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    return found[-1].parent if found else Path(str(on_path)).parent


def _as_postgres(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.getuid() == 0 else list(command)


def _give_to_postgres(folder: Path) -> None:
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)


@contextmanager
def s3(bucket: str) -> Iterator[Mapping[str, str]]:
    """An S3 server in memory with an empty bucket; gives the variables by which clients find it."""
    require_packages("moto", "boto3")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="recipe-s3-") as folder:
        command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
        with _running(command, Path(folder), port):
            import boto3

            keys = {
                "AWS_ACCESS_KEY_ID": "a-user",
                "AWS_SECRET_ACCESS_KEY": "a-secret",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            session = boto3.Session(*keys.values())
            session.client("s3", endpoint_url=f"http://{HOST}:{port}").create_bucket(Bucket=bucket)
            yield {**keys, "MLFLOW_S3_ENDPOINT_URL": f"http://{HOST}:{port}"}


@dataclass(frozen=True)
class Ray:
    """The head of a Ray cluster, by its address and the variables that let a client in."""

    address: str
    variables: Mapping[str, str]
    process: subprocess.Popen[bytes]


@contextmanager
def ray(cpus: int, search: Path, gpus: int = 0) -> Iterator[Ray]:
    """A Ray cluster of one machine, this one, with `search` as the PYTHONPATH of its workers."""
    require_packages("ray")
    port = next(port for port in RAY_PORTS if free_port(port) == port)
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": 32 * "a", "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--temp-dir={folder}"]
        command += [f"--node-ip-address={HOST}", f"--port={port}", f"--num-cpus={cpus}", f"--num-gpus={gpus}"]
        command += ["--include-dashboard=false", "--object-store-memory=100000000"]
        with _running(command, Path(folder), port, PYTHONPATH=str(search), **variables) as process:
            yield Ray(f"{HOST}:{port}", variables, process)


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """`command` in a session of its own once it listens on `port`; all of it ends with the block."""
    log = folder / "output.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.2)
        yield process
    finally:
        stop_session(process, patience=5.0)


def _listens(port: int) -> bool:
    try:
        require_answer(HOST, port)
    except OSError:
        return False
    return True
