"""`snakemake --profile slurm` on a real Slurm: content as on one machine, whatever happens to jobs.

All in one file, so that one process runs them, one after the other.
"""

import copy
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass

import psutil
import pytest
import yaml
from cluster import CPU_NODES, MEGABYTES, run
from factory import EXITWAVE, ROOT, TINY, Factory, exitwave

from exitwave.files.checks import content_digest

SITE = {
    "cpu_partition": "cpu",
    "gpu_partition": "gpu",
    "status_command": "squeue",
    # There is but one machine behind the nodes.
    "set-threads": {"simulate_exit_waves": 1, "render_epoch": 1, "train_network": 2},
    # Slurm pretends the GPU.
    "set-resources": {
        "simulate_exit_waves": {"runtime": "5 * attempt"},
        "render_epoch": {"runtime": "5 * attempt"},
        # Slurm pretends the GPU, TensorFlow would not find it.
        "train_network": {
            "runtime": "5 * attempt",
            "gpu": 0,
            "gres": "gpu:1",
            "slurm_partition": "gpu",
        },
    },
}
# The executor looks 40 s after the submission for the first time.
POLITE = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")
EPOCH = "results/tiny/epochs/2_images/training/00.nc"


@dataclass
class SlurmFactory(Factory):
    """A working folder whose jobs go to Slurm."""

    site: dict = None

    def command(self, *options, checkout=ROOT):
        return super().command("--profile", str(ROOT / "profiles/slurm"), *POLITE, *options)

    def run(self, *options, timeout=300, checkout=ROOT):
        return super().run(*options, timeout=timeout, checkout=checkout)

    def environment(self, checkout):
        path = self.folder / "site.yaml"
        site = SITE | (self.site or {})
        site["set-resources"] = {
            rule: resources | site["set-resources"].get(rule, {})
            for rule, resources in SITE["set-resources"].items()
        }
        path.write_text(yaml.safe_dump(site))
        environment = super().environment(checkout) | {
            "EXITWAVE_SLURM_SITE": str(path),
            "DASK_JOBQUEUE__SLURM__INTERFACE": interface(),
        }
        # The cluster is found by its links in /etc/slurm.
        return {key: value for key, value in environment.items() if not key.startswith("SLURM_")}

    def digests(self):
        """Content of all stores and of the network's predictions, by name."""
        stores = sorted(self.results.glob("tiny/*_waves/*.nc")) + sorted(
            self.results.glob("tiny/epochs/*/*/*.nc")
        )
        found = {str(path.relative_to(self.results)): content_digest(path) for path in stores}
        for path in self.results.glob("evaluations/*/*/samples.csv"):
            found[str(path.relative_to(self.results))] = path.read_text()
        return found


def interface():
    """A network interface that others can reach, where there is one."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(
            each.family == socket.AF_INET and not each.address.startswith("127.")
            for each in addresses
        ):
            return name
    return "lo"


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The same configuration on one machine, without Slurm."""
    made = Factory(tmp_path_factory.mktemp("local"), configuration())
    made.must_run("--set-threads", "simulate_exit_waves=2", "render_epoch=2")
    return SlurmFactory.digests(made)


@pytest.fixture
def factory(cluster, tmp_path):
    yield SlurmFactory(tmp_path, configuration())
    cluster.empty()


def configuration():
    config = copy.deepcopy(TINY)
    # Long enough to be met in the middle.
    config["datasets"]["tiny"]["structure"]["flake_radius_angstrom"] = [4.0, 4.5]
    return config


def waiting_for(condition, process=None, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert process is None or process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def test_the_whole_factory_gives_what_one_machine_gives(factory, local):
    said = factory.must_run()
    assert factory.digests() == local
    assert (factory.results / "report.html").stat().st_size > 100_000
    # The catalog, the figures and the report stay on the submitting node.
    submitted = set(re.findall(r"^rule (\w+):", said, re.MULTILINE))
    assert submitted >= {"simulate_exit_waves", "render_epoch", "train_network", "evaluate_network"}
    assert not [rule for rule in submitted if rule.startswith(("build", "plot", "report"))]
    partitions = run("sacct").stdout or run("scontrol", "show", "jobs", "--oneliner").stdout
    assert "Partition=gpu" in partitions
    assert "gres/gpu=1" in partitions or "gres:gpu:1" in partitions
    logs = list(factory.folder.glob(".snakemake/slurm_logs/*/*/*.log"))
    assert len(logs) == said.count("has been submitted")
    # What was asked and what was needed, and how far all is.
    told = exitwave("efficiency", "--results", str(factory.results))
    assert told.returncode == 0, told.stderr
    assert "simulate_exit_waves" in told.stdout
    status = exitwave("status", "--results", str(factory.results))
    assert "3 done" in status.stdout


def test_worker_jobs_compute_the_same_and_answer_only_those_with_the_certificate(factory, local):
    factory.site = {"set-resources": {"simulate_exit_waves": {"worker_jobs": 1}}}
    with factory.start(EPOCH) as running:
        listeners = set()
        while running.poll() is None:
            if ports := dask_listeners():
                listeners |= ports
                break
            time.sleep(0.1)
        for address in listeners:
            speaks_tls_with_certificate_only(*address)
        assert running.wait(timeout=240) == 0, factory.said_by_the_started.read_text()[-4000:]
    assert listeners
    made = factory.digests()
    assert made
    assert made.items() <= local.items()
    workers = list(factory.folder.glob(".snakemake/slurm_logs/workers/*.err"))
    assert len(workers) == 3
    assert any("Registered to" in path.read_text() for path in workers)
    assert not list(factory.folder.glob(".snakemake/tls_*"))


def dask_listeners():
    """Addresses at which the processes of running simulations listen."""
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if "exitwave simulate" in command or "distributed.cli.dask_worker" in command:
            try:
                sockets = process.net_connections(kind="tcp")
            except psutil.Error:
                continue
            found |= {each.laddr for each in sockets if each.status == psutil.CONN_LISTEN}
    return found


def speaks_tls_with_certificate_only(host, port):
    """Whoever comes without the certificate gets no answer, with TLS or without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for wrapped in (False, True):
        try:
            with (
                socket.create_connection((host, port), timeout=10) as plain,
                context.wrap_socket(plain) if wrapped else plain as connection,
            ):
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = connection.recv(100)
        except (ssl.SSLError, ConnectionError, TimeoutError):
            answer = b""
        # The pages about the cluster are off; what is left of their server, for this machine alone,
        # knows none.
        if answer.startswith(b"HTTP/"):
            assert host == "127.0.0.1"
            assert answer.split()[1] in (b"302", b"404")
        else:
            assert answer == b"" or answer[:1] == b"\x15", answer  # an alert of TLS


def test_memory_time_node_and_a_stranger_end_jobs_and_the_run_is_complete(factory, local, cluster):
    factory.site = {
        "set-resources": {
            # Less than Python and Snakemake need; with the second attempt enough.
            "render_epoch": {"mem_mb": "150 * attempt ** 4"},
            # A node for each.
            "simulate_exit_waves": {"runtime": "attempt", "mem_mb": MEGABYTES // 2 + 1},
        }
    }
    with factory.start(EPOCH) as running:
        # They are held, since the first may be done before the last begins.
        held = {}
        jobs = waiting_for(lambda: shards_held(cluster, held), running)
        # One is cancelled, one gets no further until its time is over, one loses its node.
        cancelled, _, lost = sorted(jobs)
        run("scancel", cancelled)
        node = jobs[lost]
        cluster.set_down(node)
        waiting_for(lambda: lost not in cluster.jobs(), running)
        cluster.resume(node)
        status = running.wait(timeout=360)
    said = factory.said_by_the_started.read_text()
    assert status == 0, said[-4000:]
    made = factory.digests()
    assert made.items() <= local.items()
    assert {"tiny/exit_waves/000.nc", "tiny/exit_waves/001.nc", "tiny/exit_waves/002.nc"} < {*made}
    for word in ("CANCELLED", "TIMEOUT", "NODE_FAIL"):
        assert f"SLURM status is: '{word}'" in said, word
    # Slurm kills what needs more than it asked for, and has no word of its own for it.
    assert said.count("Error in rule render_epoch") == 1


def shards_held(cluster, held):
    """Hold each shard's job once it computes; its node by its number, once there are three."""
    for job in cluster.jobs("--states=running"):
        shown = run("scontrol", "show", "job", "--oneliner", job).stdout
        if job not in held and "simulate_exit_waves" in shown:
            for process in psutil.process_iter(["cmdline", "environ"]):
                if (process.info["environ"] or {}).get("SLURM_JOB_ID") == job and any(
                    part.endswith("/exitwave") for part in process.info["cmdline"] or []
                ):
                    hold_still(process)
                    held[job] = re.search(r"NodeList=(\w+)", shown)[1]
    return held if {*held.values()} == {*CPU_NODES} else None


def hold_still(process):
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(signal.SIGSTOP)


def test_ctrl_c_empties_the_queue_and_after_a_kill_nothing_is_computed_twice(
    factory, local, cluster
):
    with factory.start(EPOCH) as running:
        waiting_for(lambda: cluster.jobs("--states=running"), running)
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(timeout=60) != 0
    waiting_for(lambda: not cluster.jobs(), seconds=20)
    with factory.start(EPOCH) as running:
        waiting_for(lambda: list(factory.results.glob("tiny/exit_waves/*.nc")), running)
        running.kill()
    finished = {path: path.stat().st_ino for path in stores(factory)}
    # Jobs outlive their Snakemake, and its lock stays.
    factory.must_run("--unlock")
    factory.must_run(EPOCH)
    assert factory.digests().items() <= local.items()
    # A shard whose end the killed Snakemake did not see is looked through, and nothing computed.
    for path, number in finished.items():
        summary = json.loads(path.with_suffix(".json").read_text())
        assert path.stat().st_ino == number or summary["computed"] == 0


def stores(factory):
    return sorted(factory.results.glob("tiny/exit_waves/*.nc"))


@pytest.mark.parametrize(
    ("site", "sentence"),
    [
        (
            {"cpu_partition": "night"},
            "There is no 'night', to which render_epoch and simulate_exit_waves would go",
        ),
        ({"status_command": "sacct"}, "sacct, by which jobs are followed, fails"),
        (
            {"set-resources": {"simulate_exit_waves": {"mem_mb": 10_000_000}}},
            "asks the partition cpu for 10000000 MB (mem_mb), of at most 64000",
        ),
        (
            {"set-resources": {"render_epoch": {"runtime": 120}}},
            "asks the partition cpu for 120 min (runtime), of at most 60",
        ),
        (
            {"set-resources": {"simulate_exit_waves": {"constraint": "no_such_feature"}}},
            "Invalid feature specification",
        ),
    ],
)
def test_what_slurm_would_refuse_is_said_at_once(factory, site, sentence):
    factory.site = site
    start = time.monotonic()
    done = factory.run(EPOCH, "--retries", "0")
    assert time.monotonic() - start < 30
    assert done.returncode != 0
    assert sentence in done.stdout
    assert "Traceback" not in done.stdout


def test_doctor_finds_what_would_keep_a_run_from_ending(factory):
    factory.site = {
        "cpu_partition": "night",
        "status_command": "sacct",
        "set-resources": {"train_network": {"runtime": 2000}},
    }
    doctor = [str(EXITWAVE), "doctor", "--profile", "slurm"]
    done = subprocess.run(
        doctor, cwd=factory.folder, env=factory.environment(ROOT), capture_output=True, text=True
    )
    assert done.returncode == 1
    # Long lines are broken.
    said = " ".join(done.stdout.split())
    assert "There is no 'night', to which" in said
    assert "train_network asks the partition gpu for 2000 min (runtime), of at most 60." in said
    assert "sacct, by which jobs are followed, fails" in said
    assert "Set `status_command: squeue` in" in said


def test_a_controller_that_does_not_answer_is_said_at_once(factory, cluster):
    cluster.stop_controller()
    start = time.monotonic()
    try:
        done = factory.run(EPOCH, timeout=120)
        seconds = time.monotonic() - start
    finally:
        cluster.start_controller()
    assert "The controller of Slurm does not answer" in done.stdout
    assert done.returncode != 0
    assert seconds < 30


def test_the_papers_plan_is_there_in_seconds(factory, tmp_path):
    path = tmp_path / "paper.yaml"
    text = (ROOT / "config/paper.yaml").read_text()
    # The database is not part of the project: the built-in table stands for it.
    path.write_text(re.sub(r"source: .*\.db", "source: monolayers", text))
    factory.site = {"cpu_partition": "cpu"}
    start = os.times()
    done = factory.run("--configfile", str(path), "--dry-run", "--quiet", "rules")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^train_network +\d", done.stdout, re.MULTILINE)
    plan = exitwave("plan", "--configfile", str(path), "--results", str(tmp_path / "results"))
    assert "core-hours" in plan.stdout
    assert "GB" in plan.stdout
    spent = os.times()
    seconds = spent.children_user + spent.children_system
    assert seconds - start.children_user - start.children_system < 20
