"""The inner side of a peer: a process that sleeps on its standard input and trains when it is told to.

One JSON object a line:  {"case": {…}} → {"ready": true}
                         {"rows": N, "epochs": E} → {"seconds": s, "loss": x}, after one epoch that is not timed
"""

import json
import math
import os
import sys
import time

from cases import case_from_dict


def serve(make_train_epoch):
    """make_train_epoch(case) returns train_epoch(rows) → the loss of its last batch, as a float, when all is done."""
    # Libraries print to standard output; answers must not be mixed with that.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    train_epoch = None
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            train_epoch = make_train_epoch(case_from_dict(request["case"]))
            answer = {"ready": True}
        else:
            answer = timed(train_epoch, request["rows"], request["epochs"])
        answers.write(json.dumps(answer) + "\n")


def timed(train_epoch, rows, epochs):
    train_epoch(rows)
    started = time.perf_counter()
    for _ in range(epochs):
        loss = train_epoch(rows)
    seconds = time.perf_counter() - started
    if not math.isfinite(loss):
        raise ArithmeticError(f"the loss of the last batch is {loss}")
    return {"seconds": seconds, "loss": loss}
