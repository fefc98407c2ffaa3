"""A model of what a power cut leaves of a recorded sequence of file operations.

What POSIX promises, and no more: the content of a file is safe once it was fsynced; a name (made, renamed, linked or
removed) once its directory was. Until then, each write and each change of a name may have reached the disk or not, in
any order. A write may also be there in part.
"""

import itertools
import os
import pathlib
import re


class Operation:
    def __init__(self, kind, first, second, content):
        self.kind, self.first, self.second, self.content = kind, first, second, content


def read_trace(path):
    """The operations that the shim recorded."""
    data, operations = pathlib.Path(path).read_bytes(), []
    position = 0
    while position < len(data):
        end = data.index(b"\n", position)
        kind, length = data[position:end].split()
        body = data[end + 1:end + 1 + int(length)]
        first, second, content = body.split(b"\0", 2)
        operations.append(Operation(kind.decode(), first.decode(), second.decode(), content))
        position = end + 1 + int(length)
    return operations


class Disk:
    """Names, files and what of them is not yet flushed."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.names = {}        # now: name → file number
        self.safe_names = {}   # flushed
        self.pending = []      # changes of names since: (name, file number or None)
        self.safe = {}         # file number → flushed content
        self.writes = {}       # file number → writes since: (offset, content)
        self.files = 0

    def change(self, name, file):
        if file is None:
            self.names.pop(name, None)
        else:
            self.names[name] = file
        self.pending.append((name, file))

    def inside(self, path):
        return os.path.dirname(path) == self.directory

    def apply(self, operation):
        name = os.path.basename(operation.first)
        if operation.kind == "sync" and operation.first.rstrip("/") == self.directory:
            self.safe_names, self.pending = dict(self.names), []
        if not self.inside(operation.first):
            return
        if operation.kind == "create":
            if name not in self.names:
                self.files += 1
                self.safe[self.files], self.writes[self.files] = b"", []
                self.change(name, self.files)
        elif operation.kind == "write":
            self.writes[self.names[name]].append((int(operation.second), operation.content))
        elif operation.kind == "sync":
            file = self.names[name]
            self.safe[file], self.writes[file] = content(self.safe[file], self.writes[file]), []
        elif operation.kind == "rename":
            file = self.names[name]
            # One change: both names at once, as every journal keeps it.
            self.names.pop(name)
            self.names[os.path.basename(operation.second)] = file
            self.pending.append(((name, os.path.basename(operation.second)), file))
        elif operation.kind == "link":
            self.change(os.path.basename(operation.second), self.names[name])
        elif operation.kind == "unlink":
            if name in self.names:
                self.change(name, None)

    def after_power_cut(self, kept_changes, kept_writes):
        """{name: content} with some of what was pending. `kept_writes`: file → writes that survive."""
        names = dict(self.safe_names)
        for (name, file), kept in zip(self.pending, kept_changes, strict=True):
            if not kept:
                continue
            if isinstance(name, tuple):
                names.pop(name[0], None)
                names[name[1]] = file
            elif file is None:
                names.pop(name, None)
            else:
                names[name] = file
        return {name: content(self.safe[file], kept_writes.get(file, [])) for name, file in names.items()}


def content(before, writes):
    result = bytearray(before)
    for offset, data in writes:
        if len(result) < offset:
            result.extend(bytes(offset - len(result)))
        result[offset:offset + len(data)] = data
    return bytes(result)


def some_of(writes, rng):
    """Each write whole, torn or not at all."""
    kept = []
    for offset, data in writes:
        fate = rng.randrange(4)
        if fate == 0:
            continue
        if fate == 1:  # a torn one
            data = data[:rng.randrange(len(data) + 1)]
        elif fate == 2:  # the length is there before the content
            there = rng.randrange(len(data) + 1)
            data = data[:there] + bytes(len(data) - there)
        kept.append((offset, data))
    return kept


def announced_steps(operations):
    """Of the checkpoints that log.txt names: they are promised."""
    log = b"".join(operation.content for operation in operations
                   if operation.kind == "write" and operation.first.endswith("/log.txt"))
    return [int(step) for step in re.findall(rb"checkpoint step-(\d+)\.h5", log)]


def crash_states(trace, run_dir, count, rng):
    """`count` states of the checkpoints' directory: ({name: content}, step that must not be lost, description). All
    subsets of names where they are few; otherwise, and for writes, random ones."""
    operations = read_trace(trace)
    moments = []  # after each operation: the disk's state, by replaying
    directory = pathlib.Path(run_dir) / "checkpoints"
    for moment in range(len(operations) + 1):
        disk = Disk(directory)
        for operation in operations[:moment]:
            disk.apply(operation)
        steps = announced_steps(operations[:moment])
        moments.append((disk, steps[-1] if steps else None))
    made, seen, rounds_without_news = 0, set(), 0
    for round_number in itertools.count():
        made_before = made
        for moment, (disk, promised) in enumerate(moments):
            if made == count:
                return
            pending = len(disk.pending)
            number = round_number if round_number < 1 << pending else rng.randrange(1 << pending)
            kept_changes = [(number >> bit) & 1 == 1 for bit in range(pending)]
            kept_writes = {file: some_of(writes, rng) for file, writes in disk.writes.items() if writes}
            files = disk.after_power_cut(kept_changes, kept_writes)
            identity = hash((promised, *sorted(files.items())))
            if identity not in seen:
                seen.add(identity)
                yield files, promised, f"after call {moment}, names {kept_changes}"
                made += 1
        rounds_without_news = rounds_without_news + 1 if made == made_before else 0
        if rounds_without_news == 200:
            return
