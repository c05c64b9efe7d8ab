"""The picture of a reconstructed wave."""

from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.image import imread

from exitwave.figures import reconstruction as module
from exitwave.figures.reconstruction import plot_reconstruction
from exitwave.figures.style import drawing, read_captions, save_figure

PIXEL = 0.1
# Values of columns of two kinds, and their places [pixel].
KINDS = {1.05 + 0.6j: [(12, 12), (12, 36), (36, 24)], 0.95 + 0.4j: [(24, 12), (24, 36)]}


def columns(size=(48, 60)):
    """A wave with atomic columns of two kinds."""
    y, x = np.mgrid[: size[0], : size[1]]
    wave = np.ones(size, dtype=np.complex64)
    for value, places in KINDS.items():
        for row, column in places:
            wave += (value - 1) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8)
    return wave


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, to be looked at."""
    figures = []

    def keep_and_save(figure, *args):
        save_figure(figure, *args)
        figures.append(figure)

    monkeypatch.setattr(module, "save_figure", keep_and_save)
    return figures


def draw(folder, wave, images=3, heading="", disagreement=None):
    series = np.repeat(np.abs(wave)[..., np.newaxis] ** 2, images, axis=-1).astype(np.float32)
    titles = [f"Image {place + 1}: Δf = −1{place}0 Å" for place in range(images)]
    with drawing():
        plot_reconstruction(wave, series, titles, PIXEL, folder / "wave", heading, disagreement)


def titled(figure, begin):
    (axes,) = [axes for axes in figure.axes if axes.get_title().startswith(begin)]
    return axes


def test_the_argand_plot_has_the_values_of_the_columns_and_vacuum(tmp_path, drawn):
    draw(tmp_path, columns())
    plane = titled(drawn[0], "Values at 5 peaks")
    points = plane.lines[0].get_xydata() @ [1, 1j]
    for value, places in KINDS.items():
        assert np.count_nonzero(np.abs(points - value) < 0.02) == len(places)
    assert any(np.array_equal(line.get_xydata(), [[1.0, 0.0]]) for line in plane.lines)
    (vacuum,) = plane.texts
    assert vacuum.get_text() == "vacuum"
    for limits, values in ((plane.get_xlim(), points.real), (plane.get_ylim(), points.imag)):
        assert limits[0] < min(values) <= max(values) < limits[1]


@pytest.mark.parametrize(("images", "size"), [(1, (48, 140)), (3, (48, 60)), (7, (120, 48))])
def test_nothing_is_cut_off_and_no_panel_lies_on_another(images, size, tmp_path, drawn):
    wave = columns(size)
    draw(tmp_path, wave, images, "Outside of what the network was trained for", np.abs(wave) - 1)
    (figure,) = drawn
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.02
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for place, one in enumerate(boxes):
        for other in boxes[:place]:
            shared = [
                min(one.x1, other.x1) - max(one.x0, other.x0),
                min(one.y1, other.y1) - max(one.y0, other.y0),
            ]
            assert min(shared) < 2  # [pixel of the screen]
    assert imread(tmp_path / "wave.png").std() > 0.05
    ElementTree.parse(tmp_path / "wave.svg")


def test_the_caption_says_what_is_drawn_and_how_far_to_trust_it(tmp_path):
    wave = columns()
    draw(tmp_path, wave)
    plain = read_captions(tmp_path)["wave"].text
    assert "|Ψ − 1|" in plain
    assert "standard deviation" not in plain
    draw(tmp_path, wave, 3, "The registration did not come to rest", np.abs(wave) - 1)
    marked = read_captions(tmp_path)["wave"].text
    assert marked.endswith("The registration did not come to rest.")
    assert "standard deviation" in marked


def test_the_word_vacuum_stays_off_the_axis(tmp_path, drawn):
    wave = columns()
    draw(tmp_path, (1 + np.abs(wave - 1)).astype(np.complex64))
    plane = titled(drawn[0], "Values")
    assert plane.texts[0].get_window_extent().x0 > plane.get_window_extent().x0


def test_vacuum_alone_is_drawn_too(tmp_path, drawn):
    draw(tmp_path, np.ones((48, 48), np.complex64))
    assert titled(drawn[0], "Values at 0 peaks").get_xlim() == pytest.approx((0.44, 1.56))


def test_points_of_thousands_of_peaks_make_no_large_file(tmp_path):
    noise = np.random.default_rng(1).normal(size=(2, 300, 300))
    draw(tmp_path, (1 + 0.1 * (noise[0] + 1j * noise[1])).astype(np.complex64))
    assert (tmp_path / "wave.svg").read_text().count("<use") < 1000
    assert not plt.get_fignums()
