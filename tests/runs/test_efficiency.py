"""Asked against used, from benchmarks as Snakemake writes them."""

import pytest

from exitwave.errors import ExitwaveError
from exitwave.runs.efficiency import efficiency_text, measured_use

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
MORE = "\tjobid\trule_name\twildcards\tparams\tthreads\tcpu_usage\tresources\tinput_size_mb"


def write(results, name, seconds, memory, cpu, asked=None):
    path = results / f"benchmarks/simulate/{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    row = f"{seconds}\t0:00:00\t{memory}\t1\t1\t1\t1\t1\t1\t{cpu}"
    if asked is None:
        path.write_text(f"{HEAD}\n{row}\n")
        return
    threads, resources = asked
    more = f"\t0\tsimulate_exit_waves\t{{}}\t{{}}\t{threads}\t1\t{resources}\t{{}}"
    path.write_text(f"{HEAD}{MORE}\n{row}{more}\n")


def test_what_was_asked_and_used_and_would_do(tmp_path):
    results = tmp_path / "results"
    (tmp_path / ".snakemake/slurm_logs/rule_simulate_exit_waves").mkdir(parents=True)
    asked = (16, {"mem_mb": 20000, "runtime": 240, "tmpdir": "/tmp"})
    write(results, "a.000", 600.0, 9000.0, 9000.0, asked)
    write(results, "a.001", 1200.0, 10000.0, 4800.0, asked)
    write(results, "a.002", 0.01, "NA", "NA", asked)
    (use,) = measured_use(results)
    assert use.cores_used == pytest.approx(13800 / 1800, rel=1e-4)
    assert use.longest_minutes == 20
    assert use.most_megabytes == 10000
    assert use.asked("minutes") == 240
    # 1.3 times and Snakemake's own 300 MB; twice the time.
    assert use.suggested() == {"mem_mb": 13300, "runtime": 40}
    text = efficiency_text(results)
    assert "  simulate_exit_waves: {mem_mb: 13300 * attempt, runtime: 40 * attempt}" in text
    assert "# simulate_exit_waves kept 7.7 of 16 cores busy" in text


def test_on_one_machine_only_the_use_is_known(tmp_path):
    write(tmp_path, "a.000", 60.0, 500.0, 110.0)
    (tmp_path / "benchmarks/simulate/torn.tsv").write_text(HEAD + "\n3.0")
    text = efficiency_text(tmp_path)
    (row,) = [line.split() for line in text.splitlines() if line.startswith("simulate")]
    assert row[:5] == ["simulate", "1", "-", "1.8", "-"]
    assert "runs on Slurm alone" in text


def test_no_benchmarks(tmp_path):
    with pytest.raises(ExitwaveError, match="run snakemake first"):
        efficiency_text(tmp_path)
