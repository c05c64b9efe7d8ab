"""What is exported of a data set, store by store: epochs, or shards of exit waves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.files.checks import content_digest
from exitwave.files.reader import StoreReader
from exitwave.files.schemas import DIGEST, Schema, Values, Variable
from exitwave.samples import EPOCH, EXIT_WAVES
from exitwave.tasks.progress import counted
from exitwave.workflow import layout


@dataclass(frozen=True)
class Portion:
    """The samples of one store.

    Attributes
    ----------
    name : str
        Place of the store in the data set without its ending, such as
        ``epochs/3_images/training/00``; no two portions of a data set have the same.
    path : Path
        The store.
    schema : Schema
        Variables of its samples, without the digest.
    sizes : mapping of str to int
        Size of each dimension, that of ragged ones such as ``atom`` over all samples.
    attributes : mapping of str to str
        The store's global attributes: spec, conventions, versions.
    """

    name: str
    path: Path
    schema: Schema
    sizes: Mapping[str, int]
    attributes: Mapping[str, str]

    @classmethod
    def of(cls, dataset: Path, path: Path, schema: Schema) -> Portion:
        """Return the portion of a data set that lies in a store; only its head is read."""
        with StoreReader(path, schema) as reader:
            name = path.relative_to(dataset).with_suffix("").as_posix()
            return cls(name, path, reader.schema, reader.sizes, reader.attributes)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Everything that a sample of `samples` holds."""
        return (*self.schema.variables, DIGEST)

    @property
    def digest(self) -> str:
        """The digest of all samples, as `exitwave digest` prints it."""
        return content_digest(self.path)

    def column(self, name: str) -> NDArray[Any]:
        """Return a variable with one entry for each sample."""
        with StoreReader(self.path, self.schema) as reader:
            return reader.column(name)

    def samples(self, places: Sequence[int] | None = None) -> Iterator[Values]:
        """Yield samples one at a time, by default all in the order of the store.

        Each is compared with its digest, and holds an entry for each of `variables`: arrays without
        the dimension ``sample``.
        """
        with StoreReader(self.path, self.schema) as reader:
            digests = reader.column(DIGEST.name)
            places = range(len(reader)) if places is None else places
            counted_samples = counted(reader.read_all(places), self.name, len(places))
            for place, sample in zip(places, counted_samples, strict=True):
                yield {**sample, DIGEST.name: str(digests[place])}


def epochs(
    dataset: Path, splits: Sequence[str] = layout.SPLITS, images: Sequence[int] = ()
) -> list[Portion]:
    """Return the epochs of a data set.

    Parameters
    ----------
    dataset : Path
        Folder of the data set in the results.
    splits : sequence of str
        ``training``, ``validation`` or both.
    images : sequence of int
        Lengths of the focal series; by default all that were rendered.

    Raises
    ------
    ExitwaveError
        Where there are none, or one of a series of epochs is missing.
    """
    pattern = layout.EPOCH.removeprefix("{dataset}/")
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in sorted(dataset.glob(layout.as_glob(pattern))):
        length, split = path.parts[-3:-1]
        if split in splits and (not images or length in {f"{count}_images" for count in images}):
            groups[length, split].append(path)
    if not groups:
        raise ExitwaveError(
            f"There are no such epochs in {dataset} (splits: {', '.join(splits)}; images: "
            f"{', '.join(map(str, images)) or 'any'}); give the folder of a finished data set, "
            "such as results/monolayers, and splits and images that it has."
        )
    for paths in groups.values():
        _require_all(paths, [f"{number:02d}" for number in range(len(paths))])
    return [Portion.of(dataset, path, EPOCH) for paths in groups.values() for path in paths]


def _require_all(paths: Sequence[Path], names: Sequence[str]) -> None:
    if missing := sorted(set(names) - {path.stem for path in paths}):
        raise ExitwaveError(
            f"The epoch {paths[0].with_stem(missing[0])} is missing, though later ones are there; "
            "run snakemake to make it."
        )


def exit_waves(dataset: Path) -> list[Portion]:
    """Return the shards of exit waves of a data set.

    Raises
    ------
    ExitwaveError
        Where it has no catalog, or a shard of the catalog was not simulated.
    """
    shards = layout.shard_names(dataset.parent / layout.catalog(dataset.name))
    if not shards:
        raise ExitwaveError(
            f"There is no catalog in {dataset}, so it has no exit waves of its own; give the "
            "folder of the data set that its `exit_waves_from` names."
        )
    paths = [dataset.parent / layout.exit_wave_store(dataset.name, shard) for shard in shards]
    return [Portion.of(dataset, path, EXIT_WAVES) for path in paths]
