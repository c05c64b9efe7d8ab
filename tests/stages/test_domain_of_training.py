"""What a training writes down as its domain, and stages that refuse other series."""

import epoch_files
import pytest
from epoch_files import write_epoch
from tiny_training import SETTINGS

from exitwave.config import Network, NetworkSettings, parse_config
from exitwave.errors import ExitwaveError
from exitwave.networks.architectures import build_network
from exitwave.networks.domain import TrainingDomain
from exitwave.networks.trained import load_network, predict_waves, save_network
from exitwave.provenance.attributes import attributes
from exitwave.scoring.validation_samples import require_network_fits
from exitwave.stages.compare import compare_reconstructions
from exitwave.stages.ensemble import judge_ensemble
from exitwave.stages.evaluate import evaluate_network
from exitwave.stages.train import training_domain
from exitwave.workflow.specs import compare_spec, render_spec


def test_it_holds_the_limits_of_the_microscope_and_what_the_samples_are(monkeypatch, tmp_path):
    config = parse_config({"datasets": {"any": {}}, "microscope": {"sampling_angstrom": 0.2}})
    spec = render_spec(config, "any", 3, "training", 0)
    monkeypatch.setattr(epoch_files, "attributes", lambda _: attributes(spec))
    domain = training_domain([write_epoch(tmp_path / f"{number}.nc") for number in range(2)])
    assert domain.images == 3
    assert domain.energy_kev == (50.0, 50.0)
    assert domain.sampling_angstrom == (0.2, 0.2)
    assert domain.defocus_angstrom == (-150.0, 150.0)
    assert domain.defocus_step_angstrom == (49.0, 51.0)
    assert domain.dose_per_square_angstrom == pytest.approx((10**2.5, 1e5))
    assert domain.target_smear_angstrom == (0.15, 0.15)
    assert (domain.formulas, domain.components) == (("X",), ("flake",))


def test_epochs_that_do_not_say_how_they_were_made_give_none(tmp_path):
    assert training_domain([write_epoch(tmp_path / "0.nc")]) is None


def test_a_network_is_not_used_on_other_series(tmp_path):
    epoch = write_epoch(tmp_path / "v.nc")
    settings = Network(**SETTINGS).part(NetworkSettings)
    folder = tmp_path / "tiny"
    domain = TrainingDomain(images=3, energy_kev=(80.0, 80.0), sampling_angstrom=(0.1, 0.1))
    save_network(folder, build_network(settings, 3), settings, {}, domain=domain)
    with pytest.raises(ExitwaveError, match=r"an energy of 80 keV.*pixels of 0.1 Å.*train one"):
        require_network_fits(folder, [epoch])
    # Before anything else of the job is looked at.
    with pytest.raises(ExitwaveError, match="an energy of 80 keV"):
        evaluate_network("", folder, [epoch], tmp_path / "evaluation")
    with pytest.raises(ExitwaveError, match="an energy of 80 keV"):
        judge_ensemble("", [folder, folder], [epoch], tmp_path / "ensemble")
    raw = {"datasets": {"any": {}}, "networks": {"one": {"dataset": "any"}}}
    raw["comparisons"] = {"x": {"network": "one", "dataset": "any", "images": 3}}
    spec = compare_spec(parse_config(raw), "x")
    with pytest.raises(ExitwaveError, match="an energy of 80 keV"):
        compare_reconstructions(spec, folder, [epoch], tmp_path / "comparison")
    image = epoch_files.make_series(1, 16, 3)[0][None]
    with pytest.raises(
        ExitwaveError, match=r"trained at pixels of 0\.1 Å, but here are some of 0\.2"
    ):
        predict_waves(load_network(folder), image, 0.2)
    predict_waves(load_network(folder), image, 0.1)
