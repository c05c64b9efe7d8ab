"""`snakemake convergence`: planned when it is asked for, and no part of the rest."""

from factory import Factory


def test_it_is_planned_by_its_name_alone(tmp_path):
    factory = Factory(tmp_path)
    said = factory.must_run("--dry-run", "convergence")
    for rule in ("measure_convergence", "plot_convergence", "convergence"):
        assert f"rule {rule}:" in said
    assert "build_catalog" not in said
    assert not {rule for rule in factory.planned() if "convergence" in rule}


def test_an_absent_database_is_told_when_a_study_is_asked_for(tmp_path):
    factory = Factory(tmp_path)
    factory.config["convergence"] = {"materials": [{"source": "absent/c2db.db"}]}
    done = factory.run("--dry-run", "convergence")
    assert done.returncode != 0
    assert "convergence.materials.0.source is 'absent/c2db.db'" in done.stdout
    assert factory.run("--dry-run").returncode == 0
