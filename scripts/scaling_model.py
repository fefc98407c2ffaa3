#!/usr/bin/env python3
"""A model of the time of a training step on many nodes, and its checks (docs/scaling.md).

  scaling_model.py tables                         step times to 1,024 ranks, and where halving beats direct exchange
  scaling_model.py hosts LINKS SEEN…              against what bench_messages measured (its output, in files)
  scaling_model.py simulated NETWORK SEEN…        against what scaling_simulate.sh printed

Formulas, after Hockney's α–β (Parallel Computing 20, 1994) and Thakur, Rabenseifner & Gropp (IJHPCA 19, 2005), with
n bytes of parameters, G nodes, R ranks on each, P = G·R:

  message               α + β m             m bytes; α: one way, all that software does included
  direct exchange       linear: α + (G − 2) g + β V;   pairwise: (G − 1) α + β V
                        g: what a further message to send and one to receive cost a core; V: bytes of the busiest node
  recursive halving     log₂G α + β V',  V' ≈ n (1 − 1/G)
  weights, allgatherv   Bruck: ⌈log₂G⌉ α + β n (1 − 1/G);   ring: (G − 1) α + …;   neighbour exchange: G/2 α + …
  weights, doubling     log₂G α + β V'
  passes over memory    bytes that a core reads and writes, over its bandwidth (Cores)
"""

import argparse
import csv
import dataclasses
import math

import numpy

FLOAT_BYTES = 4
RANK_COUNTS = [2**i for i in range(11)]
LEAST_GROUPS_TO_HALVE, MOST_SLICE_BYTES = 8, 65536  # HalvingRule of include/lockstep/dist/recursive_halving.hpp


@dataclasses.dataclass(frozen=True)
class Net:
    """step_seconds: measured, one rank on one core, by rows of the batch; the update included."""
    name: str
    widths: tuple[int, ...]
    batch: int
    optimizer: str
    step_seconds: dict[int, float]
    measured_optimizer: str | None = None  # if another one

    @property
    def update_in_step(self):
        return update_seconds(self.measured_optimizer or self.optimizer, slice_bytes(self.widths, 1)[0])


@dataclasses.dataclass(frozen=True)
class Network:
    """alpha, gap in seconds; beta in seconds a byte, of a node."""
    name: str
    alpha: float
    gap: float
    beta: float

    def seconds(self, nbytes):
        return self.alpha + self.beta * nbytes


@dataclasses.dataclass(frozen=True)
class MeasuredNetwork(Network):
    """Messages each way at once, as bench_messages measured them, in place of a straight line."""
    sizes: tuple = ()
    times: tuple = ()

    def seconds(self, nbytes):
        if nbytes > self.sizes[-1]:
            return self.times[-1] / self.sizes[-1] * nbytes
        return float(numpy.interp(nbytes, self.sizes, self.times))


@dataclasses.dataclass(frozen=True)
class Cores:
    """Bytes a second that a core reads or writes: in its caches, from other cores' caches, and in the node's memory,
    whose bandwidth all ranks of the node share. line_seconds: a cache line from another core, of which a barrier of
    R ranks takes R."""
    cached: float = 100e9
    other_caches: float = 40e9
    core_memory: float = 30e9
    node_memory: float = 400e9
    cache_bytes: float = 4e6
    line_seconds: float = 0.1e-6

    def passes(self, nbytes, ranks_of_node):
        """Seconds of a rank for so much traffic over data of its own."""
        return nbytes / (self.cached if nbytes < self.cache_bytes else self.memory(ranks_of_node))

    def read_sums(self, nbytes, ranks_of_node):
        """Seconds of a rank for its part of the sums of all ranks of its node, of nbytes each."""
        return nbytes / (self.other_caches if nbytes < self.cache_bytes else self.memory(ranks_of_node))

    def memory(self, ranks_of_node):
        return min(self.core_memory, self.node_memory / ranks_of_node)


# Typical of such networks, not measured here; g for InfiniBand is a core's share of the usual message rates.
NETWORKS = {
    "infiniband": Network("InfiniBand, 100 Gb/s", alpha=1.5e-6, gap=0.3e-6, beta=1 / 12.5e9),
    "ethernet": Network("TCP, 25 Gb/s Ethernet", alpha=20e-6, gap=10e-6, beta=1 / 3.125e9),
}
CORES = Cores()

# Seconds a parameter of the update, in the caches and beyond; measured by bench_update (one rank).
UPDATE_SECONDS = {"sgd": (0.14e-9, 0.54e-9), "adam": (0.42e-9, 0.95e-9), "rmsprop": (0.39e-9, 0.81e-9)}

# Seconds of a step of one rank by rows: CPU time of "lockstep train --shards 1" with so many rows a batch.
STEP_SECONDS = {
    "784-128-10": {1: 27.1e-6, 2: 27.2e-6, 4: 31.6e-6, 8: 31.6e-6, 16: 52.8e-6, 32: 93e-6, 128: 246e-6},
    "784-512-10": {1: 135e-6, 2: 135e-6, 4: 145e-6, 8: 145e-6, 16: 210e-6, 32: 280e-6, 128: 855e-6, 1024: 8.37e-3},
    "784-128-64-10": {1: 68e-6, 2: 70.9e-6, 4: 70.9e-6, 8: 83.7e-6, 16: 102e-6, 32: 151e-6, 128: 388e-6},
    "784-2048-2048-10": {1: 7.71e-3, 2: 9.23e-3, 4: 9.23e-3, 8: 9.23e-3, 16: 12.1e-3, 32: 16e-3, 128: 37.7e-3, 1024: 280e-3},
    "784-512x6-10": {1: 1.8e-3, 2: 1.97e-3, 4: 1.97e-3, 8: 2.16e-3, 16: 2.75e-3, 32: 4.05e-3, 128: 12.7e-3},
}
NETS = [
    Net("784-512-10 sgd 128", (784, 512, 10), 128, "sgd", STEP_SECONDS["784-512-10"]),
    Net("784-512-10 adam 128", (784, 512, 10), 128, "adam", STEP_SECONDS["784-512-10"], "sgd"),
    Net("784-128-64-10 adam 32", (784, 128, 64, 10), 32, "adam", STEP_SECONDS["784-128-64-10"]),
    Net("784-128-10 sgd 128", (784, 128, 10), 128, "sgd", STEP_SECONDS["784-128-10"]),
    Net("784-512-10 sgd 1024", (784, 512, 10), 1024, "sgd", STEP_SECONDS["784-512-10"]),
    Net("784-2048-2048-10 sgd 1024", (784, 2048, 2048, 10), 1024, "sgd", STEP_SECONDS["784-2048-2048-10"]),
    Net("784-512x6-10 rmsprop 128", (784, *[512] * 6, 10), 128, "rmsprop", STEP_SECONDS["784-512x6-10"]),
]


def update_seconds(optimizer, nbytes):
    """Of a slice of nbytes of parameters."""
    return nbytes / FLOAT_BYTES * UPDATE_SECONDS[optimizer][int(nbytes > CORES.cache_bytes)]


# What the layout of the parameters decides (include/lockstep/nn/parameters.hpp).

def block_starts(widths):
    """Starts of the norm blocks, in elements, and the end: tensors at multiples of 64 bytes, cut every 4096."""
    starts, offset = [], 0
    for inputs, outputs in zip(widths[:-1], widths[1:]):
        for size in (inputs * outputs, outputs):
            starts += range(offset, offset + size, 4096)
            offset += -(-size // 16) * 16
    return numpy.array(starts + [offset])


def slice_bytes(widths, ranks):
    """(ranks): slices end at the block boundaries that are nearest to equal parts."""
    starts = block_starts(widths)
    ideal = starts[-1] * numpy.arange(ranks + 1) // ranks
    above = numpy.searchsorted(starts, ideal)
    below = numpy.maximum(above - 1, 0)
    nearest = numpy.where(ideal - starts[below] <= starts[above] - ideal, below, above)
    return numpy.diff(starts[nearest]) * FLOAT_BYTES


# What Open MPI chooses (ompi/mca/coll/tuned/coll_tuned_decision_fixed.c of its main branch in 2026).

def alltoallv_algorithm(groups):
    for limit, algorithm in ((4, "pairwise"), (64, "linear"), (128, "pairwise"), (256, "linear"), (1024, "pairwise")):
        if groups < limit:
            return algorithm
    return "linear"


ALLGATHERV = (  # groups below, then (bytes a rank below, algorithm)
    (8, ((256, "linear"), (4096, "neighbour"), (8192, "ring"), (16384, "neighbour"), (262144, "bruck"),
         (math.inf, "neighbour"))),
    (16, ((1024, "linear"), (math.inf, "bruck"))),
    (32, ((128, "linear"), (262144, "bruck"), (math.inf, "ring"))),
    (64, ((256, "linear"), (8192, "bruck"), (math.inf, "ring"))),
    (128, ((256, "linear"), (4096, "bruck"), (math.inf, "ring"))),
    (256, ((1024, "bruck"), (65536, "neighbour"), (math.inf, "ring"))),
    (512, ((1024, "bruck"), (math.inf, "ring"))),
    (1024, ((512, "bruck"), (1024, "linear"), (4096, "bruck"), (1048576, "neighbour"), (math.inf, "ring"))),
    (math.inf, ((4096, "bruck"), (math.inf, "neighbour"))),
)


def allgatherv_algorithm(groups, bytes_of_rank):
    if groups == 2:
        return "pair"
    choices = next(choices for limit, choices in ALLGATHERV if groups < limit)
    return next(algorithm for limit, algorithm in choices if bytes_of_rank < limit)


# The exchange between G groups of R ranks. slices: (G, R) bytes.

def rounds_bytes(slices):
    """Bytes that the busiest node, and the busiest rank, receive in each round of halving, the first round first."""
    groups = len(slices)
    node, rank, modulus = [], [], 2
    while modulus <= groups:
        of_class = slices.reshape(groups // modulus, modulus, -1).sum(axis=0)
        node.append(of_class.sum(axis=1).max())
        rank.append(of_class.max())
        modulus *= 2
    return node, rank


def direct_reduce(slices, network, cores):
    groups, ranks = slices.shape
    of_node = slices.sum(axis=1)
    busiest = max(((groups - 1) * of_node).max(), (of_node.sum() - of_node).max())
    if alltoallv_algorithm(groups) == "linear":
        messages = (groups - 2) * network.gap
        transfer = network.seconds(busiest)
    else:
        transfer = (groups - 1) * network.seconds(busiest / (groups - 1))
        messages = 0
    return messages + transfer + cores.passes(groups * slices.max(), ranks)


def halving_reduce(slices, network, cores):
    node, rank = rounds_bytes(slices)
    return sum(network.seconds(nbytes) for nbytes in node) + cores.passes(3 * sum(rank), slices.shape[1])


def library_gather(slices, network):
    groups, ranks = slices.shape
    total = slices.sum()
    lane = slices[:, 0].sum()
    rounds = {"pair": 1, "linear": 2 * math.log2(groups), "bruck": math.ceil(math.log2(groups)), "ring": groups - 1,
              "neighbour": groups / 2}[allgatherv_algorithm(groups, lane / groups)]
    return rounds * network.seconds(total * (1 - 1 / groups) / rounds)


def doubling_gather(slices, network, cores):
    node, _ = rounds_bytes(slices)
    return sum(network.seconds(nbytes) for nbytes in node) + cores.passes(2 * slices[:, 0].sum(), slices.shape[1])


@dataclasses.dataclass(frozen=True)
class Exchange:
    reduce: float
    gather: float

    @property
    def total(self):
        return self.reduce + self.gather


def exchanges(widths, groups, ranks_of_node, network, cores=CORES):
    """Direct and by halving, between nodes."""
    slices = slice_bytes(widths, groups * ranks_of_node).reshape(groups, ranks_of_node)
    direct = Exchange(direct_reduce(slices, network, cores), library_gather(slices, network))
    halving = Exchange(halving_reduce(slices, network, cores), doubling_gather(slices, network, cores))
    return direct, halving


def halves(widths, groups, ranks_of_node):
    """What the code decides for powers of two."""
    bytes_of_slice = int(slice_bytes(widths, 1)[0]) // (groups * ranks_of_node)
    return groups >= LEAST_GROUPS_TO_HALVE and bytes_of_slice <= MOST_SLICE_BYTES


# The step.

def step_parts(net, ranks, batch, network, ranks_of_node, cores=CORES):
    """Seconds of compute, what nodes do inside, and update; then the exchanges between nodes."""
    members = min(ranks, ranks_of_node)
    groups = ranks // members
    slices = slice_bytes(net.widths, ranks)
    total = int(slices.sum())
    rows = sorted(net.step_seconds)
    of_rows = float(numpy.interp(math.ceil(batch / ranks), rows, [net.step_seconds[r] for r in rows]))
    compute = of_rows - net.update_in_step
    # Every rank reads its part of its node's sums; then two barriers. Alone on a node, it copies them to messages.
    inside = 0
    if members > 1:
        inside = cores.read_sums(total, members) + 2 * members * cores.line_seconds
    elif groups > 1:
        inside = cores.passes(2 * total, 1)
    update = update_seconds(net.optimizer, slices.max())
    between = exchanges(net.widths, groups, members, network, cores) if groups > 1 else None
    return compute, inside, update, between


def step_time(net, ranks, batch, network, ranks_of_node):
    compute, inside, update, between = step_parts(net, ranks, batch, network, ranks_of_node)
    exchange = 0
    if between:
        exchange = between[halves(net.widths, ranks // ranks_of_node, ranks_of_node)].total
    return compute + inside + update + exchange


# Tables.

def print_table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|---" * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def micros(seconds):
    return f"{seconds * 1e6:,.0f}" if seconds >= 10e-6 else f"{seconds * 1e6:.1f}"


def print_net(net, network, ranks_of_node):
    """Both kinds of scaling: the net's batch as far as it has rows, then 16 rows a rank."""
    for growing in (False, True):
        rows = []
        for ranks in RANK_COUNTS:
            batch = max(net.batch, 16 * ranks) if growing else net.batch
            if ranks > batch:
                break
            compute, inside, update, between = step_parts(net, ranks, batch, network, ranks_of_node)
            direct, halving = between or (Exchange(0, 0), Exchange(0, 0))
            step = step_time(net, ranks, batch, network, ranks_of_node)
            per_second = batch / step
            if ranks == 1:
                alone = per_second
            rows.append([ranks, max(1, ranks // ranks_of_node), batch, micros(compute), micros(inside),
                         *(micros(x) if between else "–" for x in (direct.reduce, direct.gather, halving.reduce,
                                                                  halving.gather)),
                         micros(update), micros(step), f"{per_second / alone:.1f}"])
        print(f"{net.name}, {network.name}, {ranks_of_node} ranks a node, "
              f"{'at least 16 rows a rank' if growing else f'batch {net.batch}'} (microseconds):\n")
        print_table(["ranks", "nodes", "batch", "compute", "in the node", "direct", "allgatherv", "halving",
                     "doubling", "update", "step", "speed-up"], rows)


def least_groups_where_halving_wins(widths, network, ranks_of_node, most_groups=1024):
    """The power of two from which on it does, up to most_groups; None if never."""
    least = None
    groups = 2
    while groups <= most_groups:
        direct, halving = exchanges(widths, groups, ranks_of_node, network)
        if halving.total >= direct.total:
            least = None
        elif least is None:
            least = groups
        groups *= 2
    return least


def loss_of_rule(widths, network, ranks_of_node, most_groups=1024):
    """How much longer the exchange takes, at worst, than the better way: of the code's rule, of always going direct."""
    rule, always_direct, groups = 1, 1, 2
    while groups <= most_groups:
        both = [way.total for way in exchanges(widths, groups, ranks_of_node, network)]
        rule = max(rule, both[halves(widths, groups, ranks_of_node)] / min(both))
        always_direct = max(always_direct, both[0] / min(both))
        groups *= 2
    return rule, always_direct


def print_crossovers():
    cases = [(network, ranks) for network in NETWORKS.values() for ranks in (1, 64)]
    rows = []
    for net in {net.widths: net for net in NETS}.values():
        cells = []
        for network, ranks in cases:
            chosen = next((groups for groups in RANK_COUNTS if halves(net.widths, groups, ranks)), "never")
            rule, always_direct = loss_of_rule(net.widths, network, ranks)
            cells.append(f"{least_groups_where_halving_wins(net.widths, network, ranks) or 'never'}, {chosen}, "
                         f"{rule:.2f}, {always_direct:.2f}")
        rows.append([net.name.split(" ")[0], *cells])
    print("Up to 1,024 nodes, numbers that are powers of two: from which on halving and doubling beat direct exchange and "
          "allgatherv; from which on the code takes them; how many times longer than the better way the code's takes at "
          "worst; and direct exchange:\n")
    print_table(["net", *(f"{network.name}, {ranks} a node" for network, ranks in cases)], rows)


def print_summary():
    counts = [1, 16, 64, 128, 256, 512, 1024]
    for network in NETWORKS.values():
        for growing in (False, True):
            rows = []
            for net in NETS:
                cells, alone = [], None
                for ranks in counts:
                    batch = max(net.batch, 16 * ranks) if growing else net.batch
                    if ranks > batch:
                        cells.append("–")
                        continue
                    step = step_time(net, ranks, batch, network, 64)
                    alone = alone or batch / step
                    cells.append(f"{micros(step)} ({batch / step / alone:.1f}×)")
                rows.append([net.name, *cells])
            print(f"{network.name}, 64 ranks a node, {'at least 16 rows a rank' if growing else 'the batch named'}: "
                  "microseconds a step (speed-up in samples/s):\n")
            print_table(["net", *(f"{count:,}" for count in counts)], rows)


def tables(arguments):
    if arguments.nets:
        for net in NETS:
            for network in NETWORKS.values():
                for ranks_of_node in (64, 1):
                    print_net(net, network, ranks_of_node)
    print_summary()
    print_crossovers()


# Checks.

def read_measured(paths):
    """{(what, ranks): {bytes: seconds}}, the least of all files: what else runs only makes it slower."""
    measured = {}
    for path in paths:
        with open(path, newline="") as file:
            for what, ranks, nbytes, seconds in (row for row in csv.reader(file) if len(row) == 4):
                times = measured.setdefault((what, int(ranks)), {})
                times[int(nbytes)] = min(float(seconds), times.get(int(nbytes), math.inf))
    return measured


def print_check(measured, exchange, step=None):
    """exchange(widths, groups): the two of them. step(widths, ranks, batch): seconds."""
    rows, ratios = [], []
    for (what, ranks), times in sorted(measured.items(), key=lambda item: (item[0][1], item[0][0])):
        net, _, piece = what.partition(" ")
        widths = tuple(int(width) for width in net.split("-"))
        (size, seen), = times.items()
        if piece == "step":
            predicted = step(widths, ranks, size)
        else:
            phase, way = piece.split("_")
            predicted = getattr(exchange(widths, ranks)[way == "halving"], phase)
        ratios.append(predicted / seen)
        rows.append([net, ranks, piece.replace("_", " "), micros(predicted), micros(seen), f"{predicted / seen:.2f}"])
    print_table(["net", "nodes", "what", "model, µs", "seen, µs", "model/seen"], rows)
    quartiles = numpy.percentile(ratios, [0, 25, 50, 75, 100])
    print("model/seen: least {:.2f}, quartiles {:.2f} {:.2f} {:.2f}, most {:.2f}".format(*quartiles))


def check_hosts(arguments):
    """Hosts are namespaces of one machine, so their network is its cores' work: with k hosts on a core, all takes k
    times as long."""
    links = read_measured([arguments.links])
    each_way, adds, flood = links["send_and_receive", 2], links["add", 2], links["flood", 2][4]
    sizes = sorted(each_way)
    measured = Cores(cached=3 * 2**20 / adds[2**20], core_memory=3 * 2**24 / adds[2**24])
    print(f"g = {flood * 1e6:.1f} µs, additions {measured.cached / 1e9:.0f} GB/s in caches, "
          f"{measured.core_memory / 1e9:.0f} GB/s beyond; a message each way: "
          + ", ".join(f"{size} B {micros(each_way[size])} µs" for size in sizes) + "\n")

    def machine(groups):
        share = max(1, groups / arguments.cores)
        network = MeasuredNetwork("measured", alpha=share * each_way[sizes[0]], gap=share * flood, beta=0,
                                  sizes=tuple(sizes), times=tuple(share * each_way[size] for size in sizes))
        return share, network, dataclasses.replace(measured, cached=measured.cached / share,
                                                   core_memory=measured.core_memory / share)

    def exchange(widths, groups):
        _, network, cores = machine(groups)
        direct, halving = exchanges(widths, groups, 1, network, cores)
        pack = cores.passes(2 * int(slice_bytes(widths, groups).sum()), 1)
        return tuple(Exchange(way.reduce + pack, way.gather) for way in (direct, halving))

    def step(widths, ranks, batch):
        share, network, cores = machine(ranks)
        net = next(net for net in NETS if net.widths == widths and net.optimizer == "sgd")
        compute, inside, update, between = step_parts(net, ranks, batch, network, 1, cores)
        return share * (compute + update) + inside + (between[0].total if between else 0)

    print_check(read_measured(arguments.exchange), exchange, step)


def check_simulated(arguments):
    """SimGrid takes no time for passes over memory."""
    cores = Cores(cached=math.inf, core_memory=math.inf, node_memory=math.inf)
    network = NETWORKS[arguments.network]
    print_check(read_measured(arguments.exchange),
                lambda widths, groups: exchanges(widths, groups, 1, network, cores))


def print_simulation(arguments):
    """For scaling_simulate.sh: the platform of a network, or SimGrid's names of what Open MPI chooses."""
    network = NETWORKS[arguments.network]
    if arguments.net is None:
        latency = (network.alpha - network.gap) / 2  # two links; the software's part is SMPI's os, ois and or
        print(f"""<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="cluster" prefix="host-" suffix="" radical="0-1023" speed="1Gf" bw="{1 / network.beta:.0f}Bps"
           lat="{latency * 1e6:.3f}us"/>
</platform>""")
        return
    total = int(slice_bytes(tuple(int(width) for width in arguments.net.split("-")), 1).sum())
    gather = {"pair": "pair", "linear": "default", "bruck": "ompi_bruck", "ring": "ring",
              "neighbour": "ompi_neighborexchange"}[allgatherv_algorithm(arguments.ranks, total / arguments.ranks)]
    exchange = {"linear": "ompi_basic_linear", "pairwise": "pair"}[alltoallv_algorithm(arguments.ranks)]
    overheads = " ".join(f"--cfg=smpi/{name}:0:{network.gap / 2}:0" for name in ("os", "ois", "or"))
    print(f"--cfg=smpi/alltoallv:{exchange} --cfg=smpi/allgatherv:{gather} {overheads}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("tables", help="step times and crossovers, as Markdown")
    command.add_argument("--nets", action="store_true", help="first every part of the step, net by net")
    command.set_defaults(run=tables)
    command = commands.add_parser("hosts", help="compare with bench_messages between hosts on one machine")
    command.add_argument("links", help="what 'bench_messages links' printed")
    command.add_argument("exchange", nargs="+", help="what 'bench_messages exchange' printed")
    command.add_argument("--cores", type=int, default=2)
    command.set_defaults(run=check_hosts)
    command = commands.add_parser("simulated", help="compare with SimGrid")
    command.add_argument("network", choices=NETWORKS)
    command.add_argument("exchange", nargs="+", help="what scaling_simulate.sh printed")
    command.set_defaults(run=check_simulated)
    command = commands.add_parser("simulation", help="what scaling_simulate.sh gives SimGrid")
    command.add_argument("network", choices=NETWORKS)
    command.add_argument("net", nargs="?")
    command.add_argument("ranks", nargs="?", type=int, default=2)
    command.set_defaults(run=print_simulation)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
