"""Writing files so that nobody ever sees half of one."""

import os
import tempfile
from pathlib import Path

from .errors import ReportError


def refuse_to_replace_other(path, begin, kind):
    """Throws ReportError where there is a file with another begin, in capitals or not: names are mistyped."""
    path = Path(path)
    if not path.parent.is_dir():
        raise ReportError(f"--output {path}: expected a directory {path.parent} to write into, found none")
    if path.is_dir():
        raise ReportError(f"--output {path}: expected the name of a file, found a directory")
    if not path.exists() or path.is_file() and (path.stat().st_size == 0 or begins_with(path, begin)):
        return
    raise ReportError(f"--output {path}: expected a new file, or {kind} to replace, found another file; "
                      "choose another name, or remove it first")


def begins_with(path, begin):
    with path.open("rb") as file:
        return file.read(len(begin)).lower() == begin


def write_atomically(path, content):
    """Bytes under a temporary name in the same directory, synced, then renamed. Throws ReportError."""
    path = Path(path)
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise ReportError(f"{path}: cannot be written: {error.strerror}") from error
