"""What the numbers were measured on: processor, cores, caches, versions."""

import os
import pathlib
import platform
import re
import subprocess


def output_of(*command):
    try:
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout


def cores_from_lscpu(text, allowed_cpus):
    """Physical cores among the CPUs that may be used, from `lscpu -p=CPU,CORE,SOCKET`."""
    lines = [tuple(map(int, line.split(","))) for line in text.splitlines() if re.fullmatch(r"\d+,\d+,\d+", line)]
    return len({(core, socket) for cpu, core, socket in lines if cpu in allowed_cpus})


def cpu_limit(text):
    """Whole cores that a control group allows, from its cpu.max ("max 100000", "150000 100000"); None: no limit."""
    quota, _, period = text.strip().partition(" ")
    return max(int(quota) // int(period), 1) if quota.isdigit() and period.isdigit() else None


def core_count():
    """Cores that a process of each can keep busy."""
    allowed = os.sched_getaffinity(0)
    cores = cores_from_lscpu(output_of("lscpu", "-p=CPU,CORE,SOCKET"), allowed) or len(allowed)
    limit_file = pathlib.Path("/sys/fs/cgroup/cpu.max")
    limit = cpu_limit(limit_file.read_text()) if limit_file.exists() else None
    return min(cores, limit) if limit else cores


def lscpu_fields():
    pairs = (line.split(":", 1) for line in output_of("lscpu").splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def describe(cores, program):
    """program: the lockstep executable"""
    import h5py
    import jax
    import numpy
    import torch

    cpu = lscpu_fields()
    family = "/".join(cpu.get(key, "?") for key in ("CPU family", "Model", "Stepping"))
    caches = ", ".join(f"{key.removesuffix(' cache')} {cpu[key]}" for key in
                       ("L1d cache", "L2 cache", "L3 cache") if key in cpu)
    flags = cpu.get("Flags", "").split()
    return {
        "cpu": f"{cpu.get('Model name', platform.processor() or 'unknown')} (family/model/stepping {family})",
        "cores": cores,
        "logical_cpus": os.cpu_count(),
        "caches": caches,
        "vector_instructions": next((isa for isa in ("avx512f", "avx2", "asimd") if isa in flags), "unknown"),
        "system": platform.platform(),
        "versions": {
            "lockstep": output_of(program, "--version").strip().removeprefix("lockstep "),
            "Open MPI": output_of("mpirun", "--version").split("\n")[0].rsplit(" ", 1)[-1],
            "Python": platform.python_version(), "torch": torch.__version__, "jax": jax.__version__,
            "numpy": numpy.__version__, "h5py": h5py.__version__,
        },
    }


def load_average():
    return os.getloadavg()[0]
