"""Who is measured when: A B C A B C …, as many rounds as the time allows, each long enough to mean something."""

import dataclasses
import time


@dataclasses.dataclass(frozen=True)
class Size:
    """Of one measurement: after an epoch that is not timed, `epochs` epochs over the first `rows` rows."""

    rows: int
    epochs: int


def probe_size(batch, available_rows):
    return Size(rows=min(max(2 * batch, 2048) // batch, available_rows // batch) * batch, epochs=1)


def size_for(samples_per_second, target_seconds, batch, available_rows):
    """Whole epochs of whole batches that take about the target time at this speed. Where an epoch over all rows takes
    longer, two epochs over fewer of them."""
    all_rows = available_rows // batch * batch
    affordable = samples_per_second * target_seconds
    if affordable >= all_rows:
        return Size(rows=all_rows, epochs=round(affordable / all_rows))
    return Size(rows=min(max(round(affordable / 2 / batch), 2) * batch, all_rows), epochs=2)


def probe(contenders, case, target_seconds, available_rows, failed):
    """Prepares every contender for the case and finds out how long its measurements have to be: {contender: Size}."""
    sizes = {}
    for name, contender in contenders.items():
        try:
            contender.prepare(case)
            if case.is_whole_process:
                sizes[name] = Size(case.rows, case.epochs)
                continue
            speed = contender.measure(probe_size(case.batch, available_rows))
            sizes[name] = size_for(speed, target_seconds, case.batch, available_rows)
        except Exception as error:  # one contender that does not run must not cost the others
            failed(name, error)
    return sizes


def interleave(contenders, sizes, deadline, most_rounds, failed, clock=time.monotonic):
    """{contender: [samples per second of each round]}; one round, and more while there is time."""
    samples = {name: [] for name in sizes}
    longest = 0.0
    for done in range(most_rounds):
        started = clock()
        if done > 0 and started + longest > deadline:
            break
        for name in list(samples):
            try:
                samples[name].append(contenders[name].measure(sizes[name]))
            except Exception as error:
                failed(name, error)
                del samples[name]
        longest = max(longest, clock() - started)
    return samples
