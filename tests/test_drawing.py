import io
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from sklearn.datasets import load_digits

from recipe.drawing import Curve, bars, curves, gallery, heatmap, intervals, new_grid, plain, spread, to_png

HOSTILE = "price in $x_{ and \\frac{1} 猫"


def steps(count: int = 40) -> Curve:
    x = np.arange(1, count + 1)
    return Curve(x, 1 / x, 0.8 / x, 1.2 / x)


FIGURES = {
    "curves": lambda: curves(
        {HOSTILE: steps(), "validation": steps(5)}, "step", "loss", HOSTILE, {"chance": 0.5}, True, True
    ),
    "many curves": lambda: curves({f"seed {seed}": steps() for seed in range(20)}, "step", "loss"),
    "intervals": lambda: intervals(
        {HOSTILE: (0.9, 0.8, 0.95), "linear": (0.7, 0.6, 0.8)}, "accuracy", "", {"chance": 0.1}
    ),
    "bars": lambda: bars([HOSTILE, "b"], {"train": [3, 4], "test": [1, 2]}, "examples", "class"),
    "gallery": lambda: gallery(load_digits().images[:20, None] / 16, [HOSTILE] * 20, "Worst"),
    "heatmap": lambda: heatmap(np.eye(3), [HOSTILE, "b", "c"], ["a", "b", "c"], "predicted", "given"),
    "large heatmap": lambda: heatmap(np.eye(60), [f"class {n}" for n in range(60)], [f"class {n}" for n in range(60)]),
    "grid": lambda: new_grid(2, 3)[0],
}


def drawn_texts(figure: Figure) -> dict[str, Bbox]:
    """The texts of a figure, those that are drawn alone, and where each stands."""
    figure.draw_without_rendering()
    hidden: set[int] = set()
    for chart in figure.axes:
        for axis in (chart.xaxis, chart.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not (chart.axison and low <= tick.get_loc() <= high):
                    hidden |= {id(tick.label1), id(tick.label2)}
    found = [one for one in figure.findobj(Text) if isinstance(one, Text) and one.get_text() and one.get_visible()]
    return {
        f"{one.get_text()} ({n})": Text.get_window_extent(one) for n, one in enumerate(found) if id(one) not in hidden
    }


def assert_readable(figure: Figure) -> None:
    """No text lies on another, and none leaves the figure."""
    texts = list(drawn_texts(figure).items())
    for position, (name, box) in enumerate(texts):
        assert figure.bbox.padded(1).contains(box.x0, box.y0) and figure.bbox.padded(1).contains(box.x1, box.y1), name
        for other, there in texts[position + 1 :]:
            shared = Bbox.intersection(box, there)
            assert shared is None or min(shared.width, shared.height) < 1, f"{name} lies on {other}"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_whatever_a_user_calls_his_classes(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = np.asarray(Image.open(io.BytesIO(to_png(FIGURES[name]()))).convert("L"))
    assert image.min() < 100 and image.max() == 255  # ink on white


@pytest.mark.parametrize(
    "levels",
    [{"expected": 2.3026, "class frequencies": 2.3006}, {"a": 2.3, "a constant guess": 2.3, "c": 2.3001}, {"end": 2.4}],
)
def test_names_of_reference_lines_lie_on_nothing(levels: dict[str, float]) -> None:
    upright = intervals({"at the start": (2.312, 2.294, 2.33)}, "loss", "Loss before the first step", levels)
    level = curves({"loss": Curve([1, 2, 3], [3, 2, 1])}, "epoch", "loss", "Memorising", levels, marks=levels)
    for figure in (upright, level):
        assert_readable(figure)
        chart: Axes = figure.axes[0]
        inside = chart.get_window_extent()
        boxes = [Text.get_window_extent(note) for note in chart.texts]  # without what leads to the line
        assert len(boxes) >= len(levels)
        assert all(box.y0 > inside.y1 or box.x0 > inside.x1 for box in boxes)  # on no curve either


def test_labels_that_would_collide_are_moved_apart_and_the_others_stay() -> None:
    assert spread([1.0, 5.0], [2.0, 2.0], 0, 10) == [1.0, 5.0]
    assert spread([5.0, 4.0], [2.0, 2.0], 0, 10) == [6.0, 4.0]
    assert spread([9.9, 9.8, 0.0], [2.0, 2.0, 2.0], 0, 10) == [9.0, 7.0, 1.0]


def marks_along(chart: Axes, along: str) -> list[str]:
    """The numbers along a side of a chart that are within its limits, as they are written."""
    side = chart.xaxis if along == "x" else chart.yaxis
    chart.figure.draw_without_rendering()
    low, high = sorted(side.get_view_interval())
    return [tick.label1.get_text() for tick in side.get_major_ticks() if low <= tick.get_loc() <= high]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "values",
    [(1.49, 1.52, 1.61), (0.99987, 0.99999), (0.14, 0.93), (0.012, 0.4), (0.001, 2.3), (5e-8, 9e-8), (1e5, 3e5)],
)
def test_numbers_along_an_axis_are_told_apart_and_are_no_offsets(values: tuple[float, ...], log: bool) -> None:
    figure = curves({"loss": Curve(np.arange(len(values)), values)}, "epoch", "loss", log_y=log)
    marks = marks_along(figure.axes[0], "y")
    assert len(marks) >= 2 and len(set(marks)) == len(marks)
    assert figure.axes[0].yaxis.get_offset_text().get_text() == ""
    if not any("$" in mark for mark in marks):  # powers of ten
        seen = [float(mark.replace("−", "-").replace(",", "")) for mark in marks]
        low, high = sorted(figure.axes[0].get_ylim())
        assert all(low <= number * (1 + 1e-9) and number <= high * (1 + 1e-9) for number in seen)


def test_what_counts_is_marked_at_whole_numbers() -> None:
    epochs = curves({"loss": Curve(range(1, 11), np.linspace(1, 2, 10))}, "epoch", "loss")
    assert all(mark.isdigit() for mark in marks_along(epochs.axes[0], "x"))
    shares = curves({"loss": Curve(np.linspace(0, 1, 10), np.linspace(1, 2, 10))}, "share", "loss")
    assert "0.2" in marks_along(shares.axes[0], "x")


def test_names_along_an_axis_stay_names() -> None:
    _, charts = new_grid(1, 1)
    charts[0, 0].plot(["none", "half"], [1.0, 2.0])
    assert marks_along(charts[0, 0], "x") == ["none", "half"]


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert to_png(FIGURES["curves"]()) == to_png(FIGURES["curves"]())


def test_a_gallery_shows_each_image_under_its_title() -> None:
    images = (load_digits().images[:10, None] * 15).astype(np.uint8)
    figure = gallery(images, [f"digit {number}" for number in range(10)], columns=4)
    shown = [chart for chart in figure.axes if chart.images]
    assert [chart.get_title() for chart in shown] == [f"digit {number}" for number in range(10)]
    np.testing.assert_array_equal(shown[3].images[0].get_array().squeeze(), images[3, 0])


@pytest.mark.parametrize("count", [0, 1, 6, 60, 300])
def test_rows_are_named_readably_however_many_there_are(count: int) -> None:
    names = [f"encoder.layers.{n}.self_attention.in_proj_weight" for n in range(count)]
    figure = intervals({name: (2.0, 1.0, 3.0 + n) for n, name in enumerate(names)}, "size", "Layers", log_x=True)
    assert_readable(figure)
    shown = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert len(shown) == count if count < 100 else len(shown) > 50
    assert len(set(shown)) == len(shown)
    assert all(tick.get_fontsize() >= 7 for tick in figure.axes[0].get_yticklabels())
    assert figure.get_figheight() < 12


def test_a_logarithmic_scale_of_nothing_positive_stays_as_it_is() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_png(intervals({"dead": (0.0, 0.0, 0.0)}, "size", log_x=True))


@pytest.mark.parametrize("count", [1, 3, 20])
def test_captions_of_a_gallery_keep_to_their_pictures(count: int) -> None:
    long = ["actions → mimetypes", "a class of a very long name indeed → categories (×9)", HOSTILE, "W" * 40, "5"]
    captions = (long * 4)[:count]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = gallery(load_digits().images[:count, None] / 16, captions, "The surest mistakes: given → predicted")
        assert_readable(figure)
    shown = [chart.get_title() for chart in figure.axes if chart.images]
    assert shown[0] == "actions →\nmimetypes"
    if count > 1:
        assert shown[1].startswith("a class") and shown[1].endswith("(×9)") and "…" in shown[1]


def test_a_small_heatmap_says_its_numbers_and_a_large_one_has_a_scale() -> None:
    small = heatmap([[0.25, 1.0], [0.5, 0.0]], ["a", "b"], ["a", "b"], number_format=".2f")
    assert [text.get_text() for text in small.axes[0].texts] == ["0.25", "1.00", "0.50", "0.00"]
    large: Figure = FIGURES["large heatmap"]()
    assert len(large.axes[0].texts) == 0
    assert len(large.axes) == 2


def test_a_line_shows_through_one_above_it_and_what_is_ideal_has_no_dots() -> None:
    same = Curve([0.9, 0.95, 1.0], [0.8, 0.9, 1.0])
    figure = curves({"before": same, "after": same, "ideal": replace(same, ideal=True)}, "confidence", "accuracy")
    before, after, ideal = figure.axes[0].lines
    assert before.get_linestyle() == "-" and after.get_linestyle() != "-"
    assert before.get_markersize() > after.get_markersize()
    assert before.get_marker() == after.get_marker() == "o"
    assert ideal.get_marker() == "None" and ideal.get_zorder() < before.get_zorder()


def test_a_band_lies_between_its_bounds() -> None:
    figure = curves({"train": steps(3)}, "step", "loss")
    (band,) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(1.2)
    assert heights.min() == pytest.approx(0.8 / 3)


def test_long_labels_are_shortened_in_the_middle_and_dollars_stay_dollars() -> None:
    assert plain("a  b\nc") == "a b c"
    assert plain("$5") == r"\$5"
    assert len(plain("x" * 500)) == 72


def test_pyplot_with_its_global_state_is_never_loaded() -> None:
    draw = "import sys, recipe.drawing as drawing; drawing.to_png(drawing.bars(['a'], {'n': [1]}, 'examples'))"
    code = f"{draw}; print('matplotlib.pyplot' in sys.modules)"
    repository = Path(__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
