"""measure.py DIRECTORY COMMAND…: runs it and writes its peak memory and the bytes it read to a file in DIRECTORY."""

import json
import os
import pathlib
import resource
import subprocess
import sys


def bytes_read():
    """By this process and the children it has waited for; a read through MPI-IO counts as any other."""
    fields = dict(line.split(": ") for line in pathlib.Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


before = bytes_read()
status = subprocess.run(sys.argv[2:]).returncode
usage = {"bytes_read": bytes_read() - before,
         "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}
pathlib.Path(sys.argv[1], f"{os.getpid()}.json").write_text(json.dumps(usage))
sys.exit(status)
