"""`recipe annotate`: labels are taken on a page that nobody else can reach, and no kill loses one."""

import base64
import http.client
import io
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from PIL import Image
from sklearn.datasets import load_diabetes

from recipe.annotation.answers import read_answers
from recipe.cli import BAD_INPUT, run_command
from recipe.dataset.stored import load_dataset
from recipe.settings import load_settings
from tests.annotation.conftest import Page, Serve, prepared_table, served
from tests.hostile.cells import CELLS
from tests.workspaces import ROOT

ANNOTATIONS = "data/annotations.csv"


def test_an_example_is_shown_without_its_label_and_an_answer_is_kept_at_once(serve: Serve, workspace: Path) -> None:
    page = serve("--sample", "30", "--who", "ben")
    status, state = page.ask("/state")
    assert status == 200 and (state["total"], state["answered"], state["next"]) == (30, 0, 0)
    assert state["classes"] == [str(digit) for digit in range(10)]
    _, example = page.ask("/example?place=0")
    assert set(example) == {"place", "given", "picture"}
    picture = Image.open(io.BytesIO(base64.b64decode(example["picture"].partition(",")[2])))
    assert min(picture.size) >= 8 * 4 and picture.format == "PNG"
    assert page.ask("/answer", {"place": 0, "label": "7", "seconds": 1.25}) == (200, {"next": 1, "answered": 1})
    [kept] = read_answers(workspace / ANNOTATIONS, "")
    assert (kept.who, kept.label, kept.seconds, kept.turn) == ("ben", "7", 1.2, 1)
    assert load_dataset(workspace, load_settings(workspace)).manifest.set_index("id").loc[kept.id, "split"] == "test"
    assert page.ask("/answer", {"place": 0, "label": "", "seconds": 0}) == (200, {"next": 1, "answered": 0})
    assert read_answers(workspace / ANNOTATIONS, "") == []
    assert "0 of 30 labelled" in page.interrupt()


def test_a_killed_page_goes_on_where_it_was_and_a_second_pass_is_kept_apart(serve: Serve, workspace: Path) -> None:
    page = serve("--sample", "12")
    for place in range(7):
        assert page.ask("/answer", {"place": place, "label": str(place), "seconds": 1})[0] == 200
    page.process.kill()
    page.process.wait()
    again = serve("--sample", "12")
    assert (again.ask("/state")[1]["answered"], again.ask("/state")[1]["next"]) == (7, 7)
    assert again.ask("/example?place=3")[1]["given"] == "3"
    second = serve("--sample", "12", "--again")
    assert second.ask("/state")[1]["answered"] == 0 and second.ask("/example?place=3")[1]["given"] == ""
    second.ask("/answer", {"place": 0, "label": "9", "seconds": 1})
    ben = serve("--sample", "12", "--who", "ben")
    assert ben.ask("/example?place=3")[1]["picture"] == again.ask("/example?place=3")[1]["picture"]
    turns = [one.turn for one in read_answers(workspace / ANNOTATIONS, "")]
    assert turns == [1] * 7 + [2]


def test_what_was_acknowledged_outlives_a_kill_in_the_midst_of_labelling(serve: Serve, workspace: Path) -> None:
    page, acknowledged = serve("--sample", "269"), 0
    killer = Timer(0.5, page.process.kill)
    killer.start()
    with suppress(OSError, http.client.HTTPException):
        for place in range(269):
            page.ask("/answer", {"place": place, "label": "7", "seconds": 1})
            acknowledged += 1
    killer.join()
    assert acknowledged <= len(read_answers(workspace / ANNOTATIONS, "")) <= acknowledged + 1


def test_nobody_without_the_address_and_no_other_site_reads_or_writes(serve: Serve, workspace: Path) -> None:
    page = serve("--sample", "5")
    host = urlsplit(page.url).netloc
    label = {"place": 0, "label": "7", "seconds": 1}
    refused = [
        {"X_Token": "guessed"},
        {"X_Token": "é"},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{host.partition(':')[2]}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ]
    for headers in refused:
        assert page.ask("/state", **headers)[0] == 403, headers
        assert page.ask("/answer", label, **headers)[0] == 403, headers
    with pytest.raises(OSError, match="403"):
        urlopen(f"http://{host}/?token=")
    assert read_answers(workspace / ANNOTATIONS, "") == []
    assert page.ask("/answer", label, Origin=f"http://{host}")[0] == 200
    with urlopen(page.url) as answer:
        policy, text = answer.headers["Content-Security-Policy"], answer.read().decode()
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
    assert nonce is not None and f'<script nonce="{nonce[1]}">' in text and "default-src 'none'" in policy


@pytest.mark.parametrize(
    "sent",
    [
        b"not json",
        b"[]",
        b"{}",
        json.dumps({"place": 99, "label": "7", "seconds": 1}).encode(),
        json.dumps({"place": 0, "label": "eleven", "seconds": 1}).encode(),
        json.dumps({"place": 0, "label": "7", "seconds": "soon"}).encode(),
        b'{"place": 1e400, "label": "7", "seconds": 1}',
        b"[" * 60_000,
        b"x" * 70_000,
    ],
)
def test_what_no_page_of_ours_sends_is_refused_and_changes_nothing(sent: bytes, serving: Page, workspace: Path) -> None:
    try:
        status, content = serving.ask("/answer", sent)
    except (ConnectionError, http.client.HTTPException, OSError):  # it was too long to be read
        status, content = 400, {"error": ""}
    assert status == 400 and "error" in content
    assert serving.ask("/state")[1]["answered"] == 0
    assert serving.ask("/example?place=-1")[0] == serving.ask("/example")[0] == 400
    assert serving.ask("/nothing")[0] == 404


@pytest.fixture(scope="module")
def serving(prepared: Path) -> Iterator[Page]:
    """One page for many requests."""
    (prepared / ANNOTATIONS).write_text("id,who,label,seconds,at,pass\n")
    with served(prepared, "--sample", "5", "--who", "carl") as page:
        yield page


def test_odd_seconds_do_not_spoil_the_figures(serve: Serve, workspace: Path) -> None:
    page = serve("--sample", "5")
    for place, seconds in enumerate((b"NaN", b"-5", b"1e99")):
        assert page.ask("/answer", b'{"place": %d, "label": "7", "seconds": %s}' % (place, seconds))[0] == 200
    assert [one.seconds for one in read_answers(workspace / ANNOTATIONS, "")] == [0.0, 0.0, 3600.0]


def test_rows_are_shown_as_their_cells_and_a_quantity_is_a_number(serve: Serve, tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    workspace = prepared_table(tmp_path, frame.to_csv(index=False), "data.label=target")
    page = serve("--sample", "20", where=workspace)
    assert page.ask("/state")[1]["classes"] is None
    cells = dict(page.ask("/example?place=0")[1]["cells"])
    assert "target" not in cells and float(cells["age"]) > 18
    assert page.ask("/answer", {"place": 0, "label": "many", "seconds": 1})[0] == 400
    assert page.ask("/answer", {"place": 0, "label": "151.50", "seconds": 1})[0] == 200
    [kept] = read_answers(workspace / ANNOTATIONS, "")
    assert kept.label == "151.5"


def test_hostile_names_reach_the_page_as_text_alone(serve: Serve, tmp_path: Path) -> None:
    words = [cell.replace('"', '""').replace("\n", " ").replace("\r", " ").replace("\0", " ") for cell in CELLS[:12]]
    lines = [f'{place},"{words[place % 12]}","{words[place % 2]}"' for place in range(120)]
    workspace = prepared_table(tmp_path, "\n".join(["number,text,label", *lines]) + "\n")
    page = serve("--sample", "8", where=workspace)
    status, state = page.ask("/state")
    assert status == 200 and len(state["classes"]) == 2
    assert page.ask("/example?place=0")[1]["cells"][1][0] == "text"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sample", "0"], "--sample 0 is less than one example"),
        (["--sample", "many"], "invalid int value"),
        (["--split", "tests"], "no split (did you mean 'test'?)"),
        (["--who", " "], "--who takes a name"),
        (["--port", "99999999"], "--port 99999999 cannot be used"),
        (["data=mnist5k"], "Other data are prepared"),
        (["dota=mnist5k"], "dota"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    words: list[str], told: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace)
    assert run_command(["annotate", *words]) == BAD_INPUT
    error = capsys.readouterr().err
    assert told in error and len(error.splitlines()) == 1


def test_the_page_loads_nothing_from_elsewhere() -> None:
    text = (ROOT / "recipe" / "annotation" / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|eval\(", text)
