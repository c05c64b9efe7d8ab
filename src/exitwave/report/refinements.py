"""What the report says of series that were refined by their own images."""

from __future__ import annotations

from pathlib import Path

from exitwave.files.documents import read_document
from exitwave.report.blocks import Cell, Numbering, Section, Table, anchor, whole
from exitwave.summaries.scores import RefinementSummary
from exitwave.workflow import layout

_WAVES = {
    "network": "network",
    "refined": "refined, aberrations unknown",
    "floor": "floor: refined, microscope known",
}
_WITHIN = {"defocus": ("defocus", "Å"), "cs": ("Cs", "µm"), "c12": ("C12", "Å")}


def refinement_section(evaluation: str, folder: Path, numbering: Numbering) -> Section:
    """Show what refining some series of an evaluation brought: waves, aberrations, verdicts."""
    summary = read_document(folder / "summary.json", RefinementSummary)
    text = (
        f"{whole(summary.samples)} of the series, at even distances by dose, were refined: "
        "starting from the network's wave, wave and microscope were fitted to the images alone, "
        "dose and camera being given. The same with the microscope known is the floor: what these "
        f"images and this network allow. {_percent(summary.consistent)} of the refined waves are "
        "consistent with their images by the network's calibration. "
    )
    if summary.failed:
        text += f"{whole(summary.failed)} more could not be refined. "
    rows: tuple[tuple[Cell | str, ...], ...] = tuple(
        (
            title,
            *(
                Cell(_median(summary, f"{wave}_{column}", form), strong=wave == "refined")
                for column, form in (
                    ("rmse_real", "{:.4f}"),
                    ("rmse_imag", "{:.4f}"),
                    ("rmse", "{:.4f}"),
                    ("relative_error", "{:.3g}"),
                )
            ),
        )
        for wave, title in _WAVES.items()
    )
    found: tuple[tuple[Cell | str, ...], ...] = tuple(
        (
            f"{title} within {summary.within[name]:g} {unit}",
            Cell(_percent(summary.found[name]), strong=True),
        )
        for name, (title, unit) in _WITHIN.items()
    )
    return Section(
        title="Refined by the physics",
        anchor=anchor("refinement", evaluation),
        paragraphs=(text,),
        tables=(
            Table(
                "Medians over the refined series: RMSE of the real and of the imaginary part and "
                "of the complex wave, and relative error (A.1).",
                ("wave", "real", "imaginary", "RMSE", "relative error"),
                rows,
            ),
            Table(
                "Share of the series whose aberrations were found; of C12 the distance also counts "
                "the angle.",
                ("found", "series"),
                (*found, ("all of these", Cell(_percent(summary.all_found), strong=True))),
            ),
        ),
        pictures=numbering.pictures(layout.own_figures(folder)),
    )


def floor_cell(summary: RefinementSummary | None, column: str) -> Cell:
    """Return the floor of an error beside the network's, as a multiple of the network's there."""
    if summary is None:
        return Cell("–")
    floor, network = summary.median(f"floor_{column}"), summary.median(f"network_{column}")
    if floor is None or not network:
        return Cell("–")
    return Cell(f"{floor:.4f}", f"× {floor / network:.2f} on {whole(summary.samples)}")


def _median(summary: RefinementSummary, column: str, form: str) -> str:
    value = summary.median(column)
    return "–" if value is None else form.format(value)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"
