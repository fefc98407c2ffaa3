"""Writing files so that nobody ever sees half of one."""

import os
import tempfile
from pathlib import Path

from .errors import ReportError


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
