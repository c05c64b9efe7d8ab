"""What is generated from the models: the JSON schema, the key table, the default configuration.

``python -m exitwave.config.reference`` writes all three; a test says when they have drifted.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from exitwave.config.root import Config
from exitwave.config.sections.comparisons import Comparison
from exitwave.config.sections.convergence import Convergence
from exitwave.config.sections.datasets import Dataset, Materials, SplitByElements, SplitBySamples
from exitwave.config.sections.ensembles import Ensemble
from exitwave.config.sections.epochs import Epochs
from exitwave.config.sections.evaluations import Evaluation
from exitwave.config.sections.figures import Figure
from exitwave.config.sections.microscope import Microscope
from exitwave.config.sections.multislice import Multislice
from exitwave.config.sections.networks import Network
from exitwave.config.sections.structure import Structure

COMMON: dict[str, type[BaseModel]] = {
    "structure": Structure,
    "multislice": Multislice,
    "microscope": Microscope,
    "epochs": Epochs,
}
NAMED: dict[str, type[BaseModel]] = {
    "datasets": Dataset,
    "networks": Network,
    "evaluations": Evaluation,
    "ensembles": Ensemble,
    "comparisons": Comparison,
    "figures": Figure,
}
SINGLE: dict[str, type[BaseModel]] = {"convergence": Convergence}
SECTIONS: dict[str, type[BaseModel]] = {
    **COMMON,
    "datasets.NAME": Dataset,
    "datasets.NAME.materials": Materials,
    "datasets.NAME.split (by: elements)": SplitByElements,
    "datasets.NAME.split (by: samples)": SplitBySamples,
    "networks.NAME": Network,
    "evaluations.NAME": Evaluation,
    "ensembles.NAME": Ensemble,
    "comparisons.NAME": Comparison,
    "figures.NAME": Figure,
    **SINGLE,
}
MARKERS = ("<!-- keys: generated from src/exitwave/config/sections/ -->", "<!-- end of keys -->")

_HEADER = """\
# Every key with its default: the paper's value, or ours if the paper is silent. This file is
# read first by every run; what you pass with --configfile overrides it. Copy the keys you want
# to change into a file of your own, such as config/demo.yaml, rather than changing them here.
# Generated from src/exitwave/config/sections/ by `make config-reference`.
"""


def json_schema() -> str:
    """Return the JSON schema of a configuration, for editors and validators."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def key_table() -> str:
    """Return the Markdown tables of all keys, one for each section."""
    lines = [
        MARKERS[0],
        "",
        f"`seed` (default `1`): {Config.model_fields['seed'].description}",
        "",
    ]
    for title, model in SECTIONS.items():
        summary = (model.__doc__ or "").strip().splitlines()[0]
        lines += [f"### `{title}`", "", summary, "", "| key | default | meaning |", "|---|---|---|"]
        for name, field in fields_of(model).items():
            if name in COMMON and model is Dataset:
                default = "-"
            elif field.is_required():
                default = "required"
            else:
                default = f"`{_inline(_default(field))}`"
            meaning = " ".join((field.description or "").split()).replace("|", "\\|")
            lines.append(f"| `{name}` | {default} | {meaning} |")
        lines.append("")
    return "\n".join([*lines, MARKERS[1]])


def default_yaml() -> str:
    """Return ``config/config.yaml``: the defaults, each key under its meaning."""
    lines = [*_HEADER.splitlines(), "", *_comment(Config.model_fields["seed"], ""), "seed: 1", ""]
    for section, model in (COMMON | SINGLE).items():
        lines += [f"# {(model.__doc__ or '').strip()}", f"{section}:"]
        lines += [*_keys(model, "  "), ""]
    for section, model in NAMED.items():
        lines += [f"# {Config.model_fields[section].description}", f"{section}: {{}}"]
        lines += [f"# {line}".rstrip() for line in ["  NAME:", *_keys(model, "    ")]]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a section: what it names, before what determines a result."""
    fields = model.model_fields
    own = {name: fields[name] for name in model.__annotations__ if name in fields}
    return own | fields


def _keys(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, field in fields_of(model).items():
        if model is Dataset and name in COMMON:
            yield f"{indent}# {name}: any keys of the common section, for this data set alone"
            continue
        yield from _comment(field, indent)
        default = _default(field)
        if isinstance(default, BaseModel):
            yield f"{indent}{name}:"
            yield from _keys(type(default), indent + "  ")
        else:
            value = "  # required" if field.is_required() else f" {_inline(default)}"
            yield f"{indent}{name}:{value}"


def _comment(field: FieldInfo, indent: str) -> list[str]:
    text = " ".join((field.description or "").split())
    return textwrap.wrap(text, 96, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _inline(value: Any) -> str:
    if isinstance(value, tuple):
        value = list(value)
    value = TypeAdapter(Any).dump_python(value, mode="json")
    if isinstance(value, float):
        # YAML reads 1e-05 as text; and 0.6666666666666666 helps nobody but the machine.
        return f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) < 1e-3 else repr(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def write_all(root: Path) -> None:
    """Write the schema, the default configuration and the key table into a checkout."""
    (root / "workflow/schemas").mkdir(parents=True, exist_ok=True)
    (root / "workflow/schemas/config.schema.json").write_text(json_schema())
    (root / "config/config.yaml").write_text(default_yaml())
    readme = root / "config/README.md"
    before, _, rest = readme.read_text().partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2]
    readme.write_text(before + key_table() + after)


if __name__ == "__main__":
    write_all(Path.cwd())
