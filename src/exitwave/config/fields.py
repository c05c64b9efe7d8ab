"""What all sections of the configuration are made of: frozen models and checked ranges.

>>> class Sky(Section):
...     cloud_share: Limits = (0.0, 1.0)
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

# pydantic puts the kind of a value that may be of several kinds between the keys of its place.
KIND_TAGS = ("elements", "samples", "<number>", "<range>")


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(
            f"the range runs from {limits[0]:g} to {limits[1]:g}; write the lower limit first"
        )
    return limits


def _from_one(value: Any) -> Any:
    """Take a number for a range that holds nothing else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (value, value) if is_number else value


def _positive(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] <= 0:
        raise ValueError(f"the range starts at {limits[0]:g}; it must start above 0")
    return limits


def _not_negative(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] < 0:
        raise ValueError(f"the range starts at {limits[0]:g}; it must not start below 0")
    return limits


def _kind(value: Any) -> str:
    return "<range>" if isinstance(value, (list, tuple)) else "<number>"


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Limits = Annotated[
    tuple[float, float],
    BeforeValidator(_from_one, tuple[float, float] | float),
    AfterValidator(_ordered),
]
PositiveLimits = Annotated[Limits, AfterValidator(_positive)]
NonNegativeLimits = Annotated[Limits, AfterValidator(_not_negative)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=1)]
Counts = Annotated[
    tuple[_Count, _Count],
    BeforeValidator(_from_one, tuple[_Count, _Count] | _Count),
    AfterValidator(_ordered),
]
_Energy = Annotated[float, Field(gt=0, le=3000)]
EnergyOrLimits = Annotated[
    Annotated[_Energy, Tag("<number>")]
    | Annotated[tuple[_Energy, _Energy], AfterValidator(_ordered), Tag("<range>")],
    Discriminator(_kind),
]


@dataclass(frozen=True, eq=False)
class OneOf:
    """Demands that a text is among the names of a mapping, which says what each of them is."""

    names: Mapping[str, object]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._require, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"enum": list(self.names), **handler(schema)}

    def _require(self, name: str) -> str:
        if name in self.names:
            return name
        nearest = difflib.get_close_matches(name, self.names, n=1)
        hint = f"did you mean '{nearest[0]}'? Known are" if nearest else "choose one of"
        raise ValueError(f"'{name}' is not known here; {hint} {', '.join(self.names)}")


class Section(BaseModel):
    """Base of all sections: frozen, and no key is accepted that is not declared."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    def part(self, kind: type[AnySection]) -> AnySection:
        """Return the values that a base of this section declares, and no others."""
        return kind.model_construct(**{name: getattr(self, name) for name in kind.model_fields})


AnySection = TypeVar("AnySection", bound=Section)


def explained(meanings: Mapping[str, str]) -> str:
    """Return names and what they mean, for the description of a key."""
    return "; ".join(f"`{name}`, {meaning}" for name, meaning in meanings.items()) + "."


def added_later(default: Any, **constraints: Any) -> Any:
    """Return the field of a key that earlier versions did not have.

    At its default it is in no spec, so no finished result is made again because of it. The
    default must mean what the program did before.
    """
    return Field(default, exclude_if=lambda value: value == default, **constraints)
