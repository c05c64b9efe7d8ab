"""Settings of a data set of a few flakes so small that each stage takes seconds."""

TINY_DATASET = {
    "structure": {"box_angstrom": 12.8, "flake_radius_angstrom": [3.0, 4.0]},
    "multislice": {"sampling_angstrom": 0.2, "slice_thickness_angstrom": 1.0},
    "microscope": {
        "sampling_angstrom": [0.39, 0.41],
        "spherical_aberration_micrometre": [-1, 1],
    },
}
