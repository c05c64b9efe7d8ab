"""The examples of docs/portable.md, as far as they go without the vendors' packages."""

import ast
import builtins
import importlib
import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from exitwave.config import NetworkSettings
from exitwave.networks.architectures import build_network
from exitwave.networks.conversion import as_onnx
from exitwave.networks.portable import CONTENT, NAME
from exitwave.networks.trained import load_network, predict_waves

PAGE = (Path(__file__).parents[2] / "docs/portable.md").read_text()
EXAMPLES = dict(re.findall(r"^## (\w+)\n.*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
VENDORS = {"hyperspy", "DigitalMicrograph"}
SETTINGS = NetworkSettings(channels=(4, 6), convolutions=2)


def run_without_vendors(code, values):
    """Run each statement whose names all have a value by then."""
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Import):
            (name,) = statement.names
            if name.name.split(".")[0] not in VENDORS:
                values[name.asname or name.name] = importlib.import_module(name.name)
            continue
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        set_here = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        if {node.id for node in names} <= {*values, *set_here, *vars(builtins)}:
            exec(compile(ast.Module([statement], []), "page", "exec"), values)
    return values


def test_the_page_has_both_examples():
    assert set(EXAMPLES) == {"HyperSpy", "DigitalMicrograph"}
    assert all(len(code.splitlines()) <= 17 for code in EXAMPLES.values())


@pytest.mark.parametrize("program", EXAMPLES)
def test_an_example_gives_the_wave(program, tmp_path):
    model = build_network(SETTINGS, 3)
    content = json.dumps({"network": SETTINGS.model_dump(mode="json")})
    file = tmp_path / "model.onnx"
    file.write_bytes(as_onnx(model, SETTINGS, {CONTENT: content, NAME: "tiny"}))
    frames = np.random.default_rng(1).poisson(50, (3, 70, 100)).astype(np.uint16)
    code, replaced = re.subn(r'"[^"]*mine_onnx/model\.onnx"', repr(str(file)), EXAMPLES[program])
    assert replaced == 1
    found = run_without_vendors(code, {"frames": frames})
    image = np.moveaxis(frames[:, :64, :96], 0, -1)[np.newaxis]
    expected = predict_waves(load_network(file), image, 0.1)[0]
    parts = found["parts"]
    np.testing.assert_allclose(parts[..., 0] + 1j * parts[..., 1], expected, atol=1e-5)
    assert isinstance(found["session"], onnxruntime.InferenceSession)
