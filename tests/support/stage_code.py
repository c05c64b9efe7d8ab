"""Which code determines the results of each stage, and whether it is the code last looked at.

`make stage-code` records it in ``stage_code.json``.
"""

import ast
import hashlib
import json
import sys
from pathlib import Path

from exitwave.workflow.specs import ALGORITHM_VERSIONS

SOURCE = Path(__file__).parents[2] / "src/exitwave"
RECORD = Path(__file__).with_suffix(".json")
# The AST of other Pythons may look different.
PYTHON = (3, 11)

# A stage is its module and all that this imports, but for what moves results about without
# altering them: where and how they are written, which process computes them, how that is told.
CARRIERS = (
    "config",
    "errors",
    "files",
    "networks.training.checkpoints",
    "provenance",
    "registry",
    "summaries",
    "tasks",
    "workflow",
)
MODULES = {"plot": "figure"}


def stage_modules(stage: str) -> dict[str, str]:
    """Return the digest of each module that determines a stage's results."""
    found: dict[str, str] = {}
    waiting = [f"stages.{MODULES.get(stage, stage)}"]
    while waiting:
        name = waiting.pop()
        if name in found or any(f"{name}.".startswith(f"{carrier}.") for carrier in CARRIERS):
            continue
        tree = ast.parse(_path(name).read_text())
        waiting += [*_imported(tree), *_kinds(name, tree)]
        found[name] = hashlib.blake2b(_code(tree).encode(), digest_size=8).hexdigest()
    return dict(sorted(found.items()))


def _path(name: str) -> Path:
    path = SOURCE / name.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _kinds(name: str, tree: ast.AST) -> list[str]:
    """The modules that a registry imports by their names; the package of a registry makes one."""
    if _path(name).name != "__init__.py" or "exitwave.registry" not in _modules(tree):
        return []
    return [
        f"{name}.{path.stem}"
        for path in _path(name).parent.glob("*.py")
        if not path.stem.startswith("_")
    ]


def _modules(tree: ast.AST) -> list[str | None]:
    return [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]


def _imported(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "exitwave":
            inside = node.module.removeprefix("exitwave").lstrip(".")
            names += [inside, *(f"{inside}.{alias.name}".lstrip(".") for alias in node.names)]
    return [name for name in names if name and _path(name).exists()]


def _code(tree: ast.AST) -> str:
    """The code without comments and docstrings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:]
    return ast.dump(tree)


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def present() -> dict[str, dict[str, object]]:
    """Return version and modules of every stage."""
    return {
        stage: {"version": version, "modules": stage_modules(stage)}
        for stage, version in ALGORITHM_VERSIONS.items()
    }


def recorded() -> dict[str, dict[str, object]]:
    """Return what was recorded last."""
    return json.loads(RECORD.read_text())


def complaints(before: dict, now: dict) -> list[str]:
    """Return a sentence for each stage whose code is not the one that was recorded."""
    sentences = []
    for stage, entry in now.items():
        old = before.get(stage, {"version": None, "modules": {}})
        names = {*old["modules"], *entry["modules"]}
        changed = sorted(n for n in names if old["modules"].get(n) != entry["modules"].get(n))
        same = old["version"] == entry["version"]
        if changed and same and not set(changed) & set(old["modules"]):
            sentences.append(
                f"The stage '{stage}' has new modules ({', '.join(changed)}), and none that it had "
                "before changed, so its results did not: run `make stage-code` and commit its "
                "record."
            )
        elif changed and same:
            sentences.append(
                f"The code of the stage '{stage}' changed ({', '.join(changed)}) but not its "
                f"algorithm version {entry['version']}: if any result can differ, raise "
                f"ALGORITHM_VERSIONS['{stage}'] in src/exitwave/workflow/specs.py, or users keep "
                "results of the old code; then run `make stage-code` and commit its record."
            )
        elif changed or not same:
            sentences.append(
                f"The stage '{stage}' has a new algorithm version {entry['version']}; run "
                "`make stage-code` and commit its record."
            )
    return sentences


if __name__ == "__main__":
    if sys.version_info[:2] != PYTHON:
        sys.exit(f"Record the stages' code with Python {'.'.join(map(str, PYTHON))}.")
    RECORD.write_text(json.dumps(present(), indent=1) + "\n")
