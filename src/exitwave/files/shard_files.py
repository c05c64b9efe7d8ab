"""The files of one shard, and how samples survive that move from one shard to another.

Beside the stores lies a folder ``.kept`` with files ``{shard}.{spec}.{manifest}.nc`` and
``.journal``; the last two parts of a name are digests of what the file was made from. A ``.nc`` is
a second name of a finished store (a hard link, no space), for Snakemake deletes an output before it
reruns the job; a ``.journal`` holds the samples of an unfinished one.

With another number of shards, jobs that run side by side on several nodes copy from each other's
former stores. So nothing that the present spec may want is removed before every shard of the
catalog is done; the last job to finish then clears the folder, and removes the stores of shards
that the catalog no longer has.

>>> files = ShardFiles(spec, Path("catalog/shards/000.json"), Path("exit_waves/000.nc"))
>>> [path.name for path in files.sources()]
['000.0f3a….9c41….nc', '002.0f3a….77be….nc']
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from exitwave.files.journal import Journal


class ShardFiles:
    """What lies where for one shard.

    Parameters
    ----------
    spec : str
        Spec of the job.
    manifest : Path
        The shard's manifest; those of the other shards lie beside it.
    output : Path
        The shard's store.

    Attributes
    ----------
    made_from : str
        Digests of spec and manifest, which the summary of a finished store holds.
    journal : Journal
        The finished samples while the store is not.
    """

    def __init__(self, spec: str, manifest: Path, output: Path) -> None:
        self.output = output
        self._spec = _digest(spec.encode())
        self._manifests = manifest.parent
        self._kept = output.parent / ".kept"
        self.made_from = self._origin(manifest)
        self._name = f"{output.stem}.{self.made_from}"
        self.journal = Journal(self._kept / f"{self._name}.journal")

    def _origin(self, manifest: Path) -> str:
        return _origin(self._spec, manifest.read_bytes())

    def _other_manifests(self) -> list[Path]:
        return [
            path
            for path in sorted(self._manifests.glob("[0-9]*.json"))
            if path.stem != self.output.stem
        ]

    def sources(self) -> list[Path]:
        """Return stores, and journals but its own, that may hold samples of this shard.

        What another shard has made from its present manifest is left out: no sample has two
        shards.
        """
        kept = sorted(self._kept.glob(f"*.{self._spec}.*"))
        # Where the file system knows no hard links, the stores themselves are all there is.
        stores = [path for path in sorted(self.output.parent.glob("[0-9]*.nc")) if _is_single(path)]
        kept = [path for path in kept if path != self.journal.path]
        own = [path for path in (*kept, self.output) if self._is_own(path) and path.exists()]
        others = [path for path in (*kept, *stores) if path not in own]
        if others:
            present = {f"{path.stem}.{self._origin(path)}" for path in self._other_manifests()}
            others = [path for path in others if path.stem not in present]
        return own + others

    def _is_own(self, path: Path) -> bool:
        return path == self.output or path.name.startswith(f"{self.output.stem}.{self._spec}.")

    def stays(self, path: Path) -> bool:
        """Say whether a source stays until this shard is done."""
        return path.parent == self._kept or path == self.output

    def keep_store(self) -> None:
        """Give the finished store its second name."""
        self._link(self.output, self._kept / f"{self._name}.nc")

    def _link(self, store: Path, second: Path) -> None:
        self._kept.mkdir(exist_ok=True)
        temporary = self._kept / f".{second.name}.tmp"
        # Some file systems know no hard links; there only what still has its own name is copied.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
            os.link(store, temporary)
            temporary.replace(second)
        # To replace one name of a file by another does nothing.
        temporary.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what no shard can want any more; to be called when this one is done."""
        self.journal.remove()
        for path in self._kept.glob(f"{self.output.stem}.*"):
            if not self._is_own(path):
                path.unlink(missing_ok=True)
        # Jobs begin with the first shards, so one that is not done is found sooner from the end.
        others = self._other_manifests()
        if all(self._is_done(path) for path in reversed(others)):
            origins = {path.stem: self._origin(path) for path in others}
            self._clear_all({**origins, self.output.stem: self.made_from})

    def _is_done(self, manifest: Path) -> bool:
        store = self.output.with_name(f"{manifest.stem}.nc")
        try:
            summary = json.loads(store.with_suffix(".json").read_text(encoding="utf-8"))
            return store.exists() and summary.get("made_from") == self._origin(manifest)
        except (OSError, ValueError):
            return False

    def _clear_all(self, origins: dict[str, str]) -> None:
        stores = self.output.parent
        second = {self._kept / f"{shard}.{origin}.nc": shard for shard, origin in origins.items()}
        for path in self._kept.iterdir():
            if path not in second:
                path.unlink(missing_ok=True)
        # A folder that was copied from elsewhere has two files where there was one.
        for path, shard in second.items():
            if not _is_same_file(path, store := stores / f"{shard}.nc"):
                self._link(store, path)
        # Elsewhere than in the folder of a data set, stores beside this one may be anyone's.
        catalog = stores.parent / "catalog/shards"
        if stores.name == "exit_waves" and self._manifests.resolve() == catalog.resolve():
            for path in stores.glob("[0-9]*.nc"):
                if path.stem not in origins:
                    path.unlink(missing_ok=True)
                    path.with_suffix(".json").unlink(missing_ok=True)


def made_from(spec: str, manifest: bytes) -> str:
    """Return `ShardFiles.made_from` of a shard whose manifest need not lie in a file."""
    return _origin(_digest(spec.encode()), manifest)


def _origin(spec_digest: str, manifest: bytes) -> str:
    return f"{spec_digest}.{_digest(manifest)}"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _is_single(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_nlink == 1
    return False


def _is_same_file(path: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.samefile(other)
    return False
