"""Read a configuration and say in one sentence a line what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from exitwave.config.fields import KIND_TAGS
from exitwave.config.root import COMMON_SECTIONS, Config
from exitwave.errors import ExitwaveError


def parse_config(raw: object, source: str = "the configuration") -> Config:
    """Validate a configuration that was read from YAML.

    Parameters
    ----------
    raw : dict
        The nested mapping.
    source : str
        What to call it in messages.

    Raises
    ------
    ExitwaveError
        With one sentence for each wrong key.
    """
    if not isinstance(raw, dict):
        raise ExitwaveError(f"{source} must be a mapping of sections, but it is a {_kind(raw)}.")
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        # A wrong value of a common section is reported again for each data set that inherits it.
        sentences = list(dict.fromkeys(_sentences(error, raw)))
        # What was given may contain line breaks, and is shown in one line.
        text = " ".join(" ".join(sentences).split())
        raise ExitwaveError(f"{source} is not valid. {text}") from None


def load_config(*paths: Path) -> Config:
    """Read YAML files, the later ones laid over the earlier, and validate the result."""
    merged: dict[str, object] = {}
    for path in paths:
        try:
            raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ExitwaveError(f"The config file {path} does not exist.") from None
        except OSError as error:
            raise ExitwaveError(
                f"The config file {path} cannot be read ({error.strerror}); check its permissions."
            ) from None
        # ValueErrors are bytes that are no text, and dates such as 2021-13-01.
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            text = " ".join(str(error).split())
            raise ExitwaveError(f"The config file {path} is not YAML: {text}.") from None
        if not isinstance(raw, dict):
            raise ExitwaveError(f"The config file {path} must hold a mapping of sections.")
        merged = _merge(merged, raw)
    return parse_config(merged, " + ".join(str(path) for path in paths))


def _merge(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        if isinstance(lower, dict) and isinstance(value, dict):
            value = _merge(lower, value)
        merged[key] = value
    return merged


def _sentences(error: ValidationError, raw: Mapping[str, object]) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False):
        # The tag of a discriminated union stands in the location but not in the file.
        location = [part for part in problem["loc"] if part not in KIND_TAGS]
        if _inherited(location, raw):
            location = location[2:]
        where = ".".join(str(part) for part in location)
        kind = problem["type"]
        if kind == "extra_forbidden":
            hint = _hint(str(location[-1]), _known_keys(location[:-1]))
            sentences.append(f"{where}: this key is not known here; {hint}")
            continue
        text = problem["msg"].removeprefix("Value error, ")
        text = text[0].lower() + text[1:]
        given = problem.get("input")
        if kind == "missing":
            sentences.append(f"{where}: this key is required.")
        elif isinstance(given, (str, int, float, list, tuple)) and kind != "value_error":
            sentences.append(f"{where}: {text} (given: {given!r}).")
        else:
            sentences.append(f"{where}: {text}." if where else f"{text}.")
    return sentences


def _hint(given: str, known: list[str]) -> str:
    if nearest := _nearest(given, known):
        return f"did you mean '{nearest}'?"
    for section in COMMON_SECTIONS:
        if given in _known_keys([section]):
            return f"it belongs into the section '{section}'."
    return f"known here: {', '.join(known)}."


def _nearest(given: str, known: list[str]) -> str | None:
    """The known key most like the given one; units at its end may have been left out."""

    def likeness(key: str) -> float:
        shortened = key[: len(given)]
        return max(difflib.SequenceMatcher(None, given, part).ratio() for part in (key, shortened))

    nearest = max(known, key=likeness, default=None)
    return nearest if nearest is not None and likeness(nearest) >= 0.5 else None


def _inherited(location: list[str | int], raw: Mapping[str, object]) -> bool:
    """Whether the value at a data set's section was taken over from the common section."""
    if len(location) < 4 or location[0] != "datasets":
        return False
    datasets = raw["datasets"]
    dataset = datasets.get(location[1]) if isinstance(datasets, dict) else None
    own = dataset.get(location[2]) if isinstance(dataset, dict) else None
    return not (isinstance(own, dict) and location[3] in own)


def _known_keys(location: Sequence[str | int]) -> list[str]:
    """The keys that the section at a location has."""
    models: list[type[BaseModel]] = [Config]
    for part in location:
        found: list[type[BaseModel]] = []
        for model in models:
            field = model.model_fields.get(str(part))
            if field is None:  # a name in a mapping of named entries
                found.append(model)
            else:
                found += _models_in(field.annotation)
        models = found
    return sorted({key for model in models for key in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
