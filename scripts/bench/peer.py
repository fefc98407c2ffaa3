"""The outer side of a peer: its worker processes, one for all cases, blocked between measurements."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class Peer:
    """Started at once; the first prepare waits for it. A worker that fails is started anew for the next case."""

    def __init__(self, script, arguments, processes=1, environment=(), log=None):
        self.script, self.arguments, self.processes = script, arguments, processes
        self.environment = {**os.environ, **dict(environment)}
        self.log = log
        self.workers = []
        self.start()

    def start(self):
        self.workers = [
            subprocess.Popen([sys.executable, HERE / self.script, *map(str, self.arguments), str(rank)],
                             env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                             text=True, bufsize=1)
            for rank in range(self.processes)]

    def prepare(self, case):
        if not self.workers:
            self.start()
        self.ask({"case": dataclasses.asdict(case)})

    def measure(self, size):
        """samples per second"""
        answers = self.ask({"rows": size.rows, "epochs": size.epochs})
        return size.rows * size.epochs / max(answer["seconds"] for answer in answers)

    def ask(self, request):
        try:
            for worker in self.workers:
                worker.stdin.write(json.dumps(request) + "\n")
            lines = [worker.stdout.readline() for worker in self.workers]
        except BrokenPipeError:
            lines = [""]
        if not all(lines):
            self.close()
            raise RuntimeError(f"{self.script} ended at {json.dumps(request)}; its messages are in {self.log.name}")
        return [json.loads(line) for line in lines]

    def close(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers = []
