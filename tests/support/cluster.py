"""A real Slurm on this machine: three nodes without and one with a pretended GPU, all on loopback.

Needs the Debian packages slurm-wlm and munge, and to be root. The client commands must find the
configuration at its usual place, because Snakemake's job step drops all variables of Slurm; so
/etc/slurm holds links into the folder of the cluster while it runs, and only one can run at a time.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

CPU_NODES, GPU_NODES = ("c1", "c2", "c3"), ("g1",)
NODES = CPU_NODES + GPU_NODES
# More than there are: the nodes are the same machine.
CORES, MEGABYTES = 16, 64000
ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
DAEMONS = ("munged", "slurmctld", "slurmd")


def missing():
    """What keeps a cluster from being started here, or nothing."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    absent = [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=path) is None]
    if absent:
        return f"{', '.join(absent)} cannot be found (Debian: slurm-wlm, munge)"
    if os.geteuid():
        return "the daemons must be started by root"
    real = [str(ETC / name) for name in FILES if (ETC / name).exists() and not _is_link(name)]
    return f"{', '.join(real)} belongs to another cluster" if real else ""


def _is_link(name):
    return (ETC / name).is_symlink()


@dataclass
class Cluster:
    """A running cluster."""

    folder: Path

    def start(self):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        # An environment without these would speak to another cluster.
        for name in [name for name in os.environ if name.startswith("SLURM_")]:
            del os.environ[name]
        for name in ("etc", "run", "log", "state", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(1024))
        (self.folder / "munge.key").chmod(0o600)
        for name, text in self._configuration().items():
            (self.folder / "etc" / name).write_text(text)
            ETC.mkdir(exist_ok=True)
            (ETC / name).unlink(missing_ok=True)
            (ETC / name).symlink_to(self.folder / "etc" / name)
        munge = [
            f"--{key}-file={self.folder / name}"
            for key, name in (
                ("key", "munge.key"),
                ("pid", "run/munged.pid"),
                ("log", "log/munged.log"),
                ("seed", "state/munge.seed"),
            )
        ]
        self._daemon("munged", "--force", f"--socket={self.folder}/run/munge.socket", *munge)
        self._wait(lambda: (self.folder / "run/munge.socket").exists())
        self.start_controller()
        for node in NODES:
            self._daemon("slurmd", "-N", node)
        self._wait(lambda: self.states() == dict.fromkeys(NODES, "idle"))

    def start_controller(self):
        self._daemon("slurmctld")
        self._wait(lambda: not run("scontrol", "ping").returncode)

    def stop_controller(self):
        _end(self.folder / "run/slurmctld.pid")

    def stop(self):
        with contextlib.suppress(AssertionError):
            self.empty()
        # Nodes first, who speak to the controller, then munge, without which nobody speaks.
        for path in sorted((self.folder / "run").glob("*.pid"), reverse=True):
            _end(path)
        for name in FILES:
            if _is_link(name) and (ETC / name).readlink().parent.parent == self.folder:
                (ETC / name).unlink()

    def empty(self):
        """Cancel what is left and bring all nodes back."""
        if self.jobs():
            run("scancel", *self.jobs())
        self._wait(lambda: not self.jobs())
        for node in NODES:
            self.resume(node)

    def jobs(self, *options):
        """Numbers of the jobs that wait or run."""
        return run("squeue", "--noheader", "--format=%A", *options).stdout.split()

    def states(self):
        lines = run("sinfo", "--noheader", "--Node", "--format=%N %t").stdout.splitlines()
        return dict(line.split() for line in lines)

    def set_down(self, node):
        done = run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        assert not done.returncode, done.stderr

    def resume(self, node):
        run("scontrol", "update", f"nodename={node}", "state=resume")

    def _daemon(self, *command):
        done = run(*command)
        assert not done.returncode, done.stderr + self._logs()

    def _wait(self, until, seconds=30):
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, self._logs()
            time.sleep(0.1)

    def _logs(self):
        return "\n".join(path.read_text()[-2000:] for path in (self.folder / "log").iterdir())

    def _configuration(self):
        host, folder = socket.gethostname().partition(".")[0], self.folder
        ports = _free_ports(1 + len(NODES))
        settings = {
            "ClusterName": "tests",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": ports[0],
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={folder}/run/munge.socket",
            "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
            "StateSaveLocation": folder / "state",
            "SlurmdSpoolDir": folder / "spool/%n",
            "SlurmctldPidFile": folder / "run/slurmctld.pid",
            "SlurmdPidFile": folder / "run/slurmd.%n.pid",
            "SlurmctldLogFile": folder / "log/slurmctld.log",
            "SlurmdLogFile": folder / "log/slurmd.%n.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "SlurmdParameters": "config_overrides",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "GresTypes": "gpu",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "sched_interval=1,bf_interval=1,batch_sched_delay=0",
            # Memory is looked at every second, and what asks for too little is killed.
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            "JobAcctGatherParams": "OverMemoryKill",
            "AccountingStorageType": "accounting_storage/none",
            "KillWait": 1,
            "MinJobAge": 900,
            "ReturnToService": 2,
        }
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CORES} "
            f"Boards=1 SocketsPerBoard=1 CoresPerSocket={CORES} ThreadsPerCore=1 "
            f"RealMemory={MEGABYTES} State=UNKNOWN{' Gres=gpu:1' if node in GPU_NODES else ''}"
            for node, port in zip(NODES, ports[1:], strict=True)
        )
        limits = "DefaultTime=10 MaxTime=60 DefMemPerCPU=200 State=UP"
        partitions = (
            f"PartitionName=cpu Nodes={','.join(CPU_NODES)} Default=YES {limits}\n"
            f"PartitionName=gpu Nodes={','.join(GPU_NODES)} {limits}\n"
        )
        lines = "\n".join(f"{key}={value}" for key, value in settings.items())
        return {
            "slurm.conf": f"{lines}\n{nodes}\n{partitions}",
            # Any device will do as a GPU that nothing uses.
            "gres.conf": "".join(
                f"NodeName={node} Name=gpu File=/dev/null\n" for node in GPU_NODES
            ),
            "cgroup.conf": "CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n",
        }


def _end(path):
    """End the daemon of a file with its number."""
    with contextlib.suppress(psutil.Error, ValueError, OSError):
        daemon = psutil.Process(int(path.read_text()))
        daemon.terminate()
        psutil.wait_procs([daemon], timeout=10)


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]


def run(*command, timeout=60):
    """Run a command and return what it said."""
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)
