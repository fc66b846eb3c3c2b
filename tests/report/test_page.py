import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recipe import drawing
from recipe.dataset.test_ledger import LEDGER, record_reading
from recipe.evidence import at_most
from recipe.report.build import rebuild_report
from recipe.report.findings import STAGES
from tests.report.workspaces import change, found, measure, new_workspace, with_gallery, with_table

HOSTILE = "<script>alert('x')</script> & \"co\""


class Outline(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return new_workspace(tmp_path)


def test_the_page_stands_alone_with_its_pictures_inside(workspace: Path) -> None:
    measure(workspace, "baseline", with_gallery(workspace, found("baseline/predictions", "11 mistakes are sure.")))
    page = Outline(rebuild_report(workspace))
    (picture,) = page.all("img")
    assert (picture["src"] or "").startswith("data:image/png;base64,iVBOR")
    assert picture["alt"] == "Worst mistakes. 11 mistakes are sure."
    assert int(picture["width"] or 0) > int(picture["height"] or 0) > 0
    loaded = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "srcset")]
    assert all((address or "").startswith("data:") for address in loaded)
    assert not re.search(r"url\(|@import", rebuild_report(workspace).read_text(encoding="utf-8"))


def test_a_caption_says_what_is_to_be_seen(workspace: Path) -> None:
    path = workspace / "reports" / "data" / "figures" / "data.distributions.columns.png"
    path.parent.mkdir(parents=True)
    figure = drawing.curves({"a": drawing.Curve([1, 2], [3, 4])}, "epoch", "loss in $", "The first → last <steps>")
    path.write_bytes(drawing.to_png(figure))
    relative = path.relative_to(workspace / "reports").as_posix()
    measure(workspace, "data", found("data/distributions", "Seen.", figures={"columns": relative}))
    page = Outline(rebuild_report(workspace))
    (picture,) = page.all("img")
    assert picture["alt"] == "The first → last <steps>. Loss in $ against epoch. Seen."
    assert "The first → last <steps>. Loss in $ against epoch" in page.text


def test_labels_and_file_names_of_users_are_shown_and_not_obeyed(workspace: Path) -> None:
    finding = found("data/unreadable", f"{HOSTILE} does not decode.")
    measure(workspace, "data", with_table(workspace, finding, ["id,path", f"1,{HOSTILE.replace(chr(34), '')}"]))
    page = Outline(rebuild_report(workspace))
    assert f"{HOSTILE} does not decode." in page.text
    assert len(page.all("script")) == 1  # the page's own


def test_a_picture_outside_the_reports_is_not_shown(workspace: Path) -> None:
    finding = with_gallery(workspace, found("baseline/predictions"))
    secret = workspace / "secret.png"
    secret.write_bytes((workspace / "reports" / finding.figures["worst_mistakes"]).read_bytes())
    measure(workspace, "baseline", found("baseline/predictions", figures={"secret": "../secret.png"}))
    assert Outline(rebuild_report(workspace)).all("img") == []


def test_a_closed_gate_is_told_first_with_its_remedy(workspace: Path) -> None:
    finding = found("data/leakage", "3 images are in two splits.", advice="Split anew.", requirements=(at_most(3, 0),))
    measure(workspace, "data", finding)
    page = Outline(rebuild_report(workspace)).text
    assert page.index("Stopped at data: leakage does not hold.") < page.index("What stopped the run")
    assert page.index("Remedy: Split anew.") < page.index("data/leakage holds.")


def test_advice_is_given_only_where_a_practice_does_not_hold(workspace: Path) -> None:
    measure(
        workspace,
        "data",
        found("data/blank", advice="Take the blank ones out.", requirements=(at_most(0, 0),)),
        found("data/imbalance", advice="Weigh the classes.", requirements=(at_most(12, 10, "warn"),)),
    )
    page = Outline(rebuild_report(workspace)).text
    assert "Weigh the classes." in page
    assert "Take the blank ones out." not in page


def test_every_stage_is_on_the_strip_and_says_what_became_of_it(workspace: Path) -> None:
    measure(workspace, "ingest")
    measure(workspace, "data", found("data/blank"))
    text = Outline(rebuild_report(workspace)).text
    assert text.count("not reached") == len(STAGES) - 2
    assert "Every gate up to data is open." in text


def test_a_finished_run_leads_with_its_test_figure_beside_the_baselines(workspace: Path) -> None:
    rows = [
        "predictor,metric,figure,low,high",
        "ensemble of 3,accuracy,0.98888,0.968,0.996",
        "linear,accuracy,0.9519,0.925,0.971",
        "linear,F1,0.94,0.92,0.96",
    ]
    final = found("squeeze/final_test", measured=0.98888, interval=(0.968, 0.996))
    measure(workspace, "squeeze", with_table(workspace, final, rows))
    record_reading(workspace, "squeeze/final_test", "5f1", 1360, 0.98888, "digits", "a net")
    text = Outline(rebuild_report(workspace)).text
    assert "On the test set accuracy 98.9 % [96.8, 99.6] on 1,360 test examples" in text
    assert "linear 95.2 % [92.5, 97.1]" in text
    assert "94.0" not in text
    assert "Every gate is open." in text


def rows_of_a_final_test(boosting: str, linear: str) -> list[str]:
    """The table of a final test with these leads of the ensemble, each with its interval."""
    return [
        "predictor,metric,figure,low,high,difference,difference_low,difference_high",
        "ensemble of 3,accuracy,0.9,0.88,0.92,0.0,0.0,0.0",
        "single net,accuracy,0.95,0.93,0.97,-0.05,-0.07,-0.03",
        f"linear,accuracy,0.92,0.90,0.94,{linear}",
        f"boosting,accuracy,0.94,0.92,0.96,{boosting}",
    ]


@pytest.mark.parametrize(
    ("boosting", "linear", "first"),
    [
        ("-0.04,-0.06,-0.02", "-0.02,-0.04,0.0", "Gradient boosting is better than the net on the test set, beyond"),
        ("-0.04,-0.06,-0.02", "-0.05,-0.06,-0.01", "A linear model is better than the net on the test set, beyond"),
        ("-0.01,-0.03,0.01", "0.02,0.01,0.03", "Every gate is open"),
        ("0.04,0.02,0.06", "0.02,0.01,0.03", "Every gate is open"),
    ],
)
def test_a_baseline_that_is_better_than_the_net_comes_first(
    workspace: Path, boosting: str, linear: str, first: str
) -> None:
    final = found("squeeze/final_test", measured=0.9, interval=(0.88, 0.92), requirements=(at_most(1, 0, "warn"),))
    measure(workspace, "squeeze", with_table(workspace, final, rows_of_a_final_test(boosting, linear)))
    page = Outline(rebuild_report(workspace)).text
    heads = re.findall(r"<h1>(.*?)</h1>", (workspace / "reports" / "index.html").read_text())
    assert len(heads) == 1 and heads[0].startswith(first)
    assert "Every gate is open" in page


def test_boosting_that_is_ahead_so_far_comes_first_and_what_stopped_the_run_before_it(workspace: Path) -> None:
    ahead = found("baseline/boosting", "The trees are better.", measured=0.9, requirements=(at_most(1, 0, "warn"),))
    measure(workspace, "baseline", ahead)
    page = Outline(rebuild_report(workspace)).text
    told = "Gradient boosting is better than the net on the validation split so far, beyond chance."
    assert page.index(told) < page.index("Every gate up to baseline is open")
    measure(workspace, "baseline", ahead, found("baseline/gradients", requirements=(at_most(1, 0),)))
    page = Outline(rebuild_report(workspace)).text
    assert page.index("Stopped at baseline: gradients does not hold.") < page.index(told)


def test_a_finished_run_whose_table_is_gone_still_leads_with_its_figure(workspace: Path) -> None:
    measure(workspace, "squeeze", found("squeeze/final_test", measured=0.98888, interval=(0.968, 0.996)))
    assert "On the test set 0.9889 0.9680 to 0.9960" in Outline(rebuild_report(workspace)).text


def test_a_skipped_practice_says_why_and_shows_no_figure(workspace: Path) -> None:
    reason = "No annotations of the test set are given."
    measure(workspace, "baseline", found("baseline/human", reason, skipped=True))
    page = Outline(rebuild_report(workspace))
    assert reason in page.text
    assert page.all("dd") == []


def test_long_tables_show_their_first_rows_and_link_to_the_rest(workspace: Path) -> None:
    rows = ["split,class,ratio", *(f"train,{number},{1 + number / 100:.6f}" for number in range(30))]
    measure(workspace, "data", with_table(workspace, found("data/imbalance"), rows))
    page = Outline(rebuild_report(workspace))
    assert "8 of 30 rows" in page.text
    assert "1.0700" in page.text
    assert {"href": "tables/data.imbalance.csv"} in page.all("a")


def test_the_page_tells_who_read_the_test_set_and_what_was_left_out(workspace: Path) -> None:
    measure(workspace, "ingest")
    quarantine = workspace / "reports" / "ingest" / "tables" / "data.quarantine.csv"
    quarantine.parent.mkdir()
    quarantine.write_text('id,path,reason\n1,a.png,"cut\noff"\n', encoding="utf-8")
    (workspace / ".recipe").mkdir(exist_ok=True)
    record_reading(workspace, "squeeze/final_test", "5f1", 360, 0.98888, "digits", "a net")
    with open(workspace / LEDGER, "a", encoding="utf-8") as ledger:
        ledger.write('{"when": "cut')
    text = Outline(rebuild_report(workspace)).text
    assert "1 example was left out" in text
    assert "The test labels of digits have been read once. when" in text
    assert "squeeze/final_test digits 360 0.9889" in text


def test_the_page_counts_the_readings_of_its_own_data_set(workspace: Path) -> None:
    measure(workspace, "ingest")
    for data, model in (("wine", "a"), ("digits", "a"), ("tango", "a"), ("gnome", "a"), ("digits", "a")):
        record_reading(workspace, "squeeze/final_test", f"state of {data}", 189, 0.968, data, model)
    text = Outline(rebuild_report(workspace)).text
    assert "The test labels of digits have been read once. A reading again of the same" in text
    assert "not counted. 3 readings are of other data sets." in text
    assert "a little less of a test" not in text
    record_reading(workspace, "squeeze/final_test", "state of digits", 189, 0.97, "digits", "b")
    text = Outline(rebuild_report(workspace)).text
    assert "The test labels of digits have been read 2 times. Each reading after the first makes" in text


def test_every_link_within_the_page_leads_somewhere_and_every_heading_follows_its_parent(workspace: Path) -> None:
    measure(workspace, "data", found("data/blank", requirements=(at_most(1, 0, "warn"),)))
    measure(workspace, "baseline", found("baseline/linear", measured=0.9))
    page = Outline(rebuild_report(workspace))
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {(link["href"] or "")[1:] for link in page.all("a") if (link["href"] or "").startswith("#")}
    assert targets <= set(names)
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1 and all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


def test_a_workspace_without_a_run_has_a_page_that_says_so(workspace: Path) -> None:
    assert "Nothing has been measured yet." in Outline(rebuild_report(workspace)).text


def test_the_model_and_the_seed_are_named_on_top(workspace: Path) -> None:
    change(workspace, "seed", 7)
    measure(workspace, "ingest")
    text = Outline(rebuild_report(workspace)).text
    assert "recipe.models.Cnn" in text and "seed 7" in text


def test_what_is_knowledge_has_that_word_and_no_tick(workspace: Path) -> None:
    measure(workspace, "baseline", found("baseline/linear"), found("baseline/simplify", requirements=(at_most(0, 0),)))
    badges = [
        one["class"] for one in Outline(rebuild_report(workspace)).all("span") if "badge" in str(one.get("class"))
    ]
    assert badges == ["badge pass", "badge knowledge", "badge pass"]  # the stage's own comes first
