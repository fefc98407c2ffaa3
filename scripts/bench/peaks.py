"""What the machine can do at most: fused multiply-adds, and the largest sgemm of any library here."""

import ctypes
import json
import subprocess
import time

SIZES = (2048, 4096)
REPEATS = 3
# Of the micro-benchmarks in tests/bench/products.cpp: the dense products of these layers, and for how long they run.
PRODUCTS = "^(forward|weight_gradient|input_gradient)/(exact|openblas)/[0-9]+x(784x512|512x512|2048x2048)$"
PRODUCT_SECONDS = 0.02


def fma_peak(program, threads):
    """GFLOP/s"""
    return float(subprocess.run([program, str(threads)], capture_output=True, text=True, check=True).stdout)


def fastest(multiply, flops, repeats=REPEATS):
    """GFLOP/s of the fastest of a few calls, after one that is not timed. Short products are called in a row."""
    multiply()
    calls = max(1, round(2e8 / flops))
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(calls):
            multiply()
        best = min(best, (time.perf_counter() - started) / calls)
    return flops / best / 1e9


def openblas_sgemm(cores):
    """GFLOP/s of the largest of square products, by the system's OpenBLAS."""
    library = ctypes.CDLL("libopenblas.so.0")
    import numpy

    library.openblas_set_num_threads(cores)
    pointer = ctypes.POINTER(ctypes.c_float)
    row_major, plain = 101, 111

    def speed(n):
        a, b, c = (numpy.full((n, n), 0.5, numpy.float32) for _ in range(3))
        addresses = [matrix.ctypes.data_as(pointer) for matrix in (a, b, c)]
        one, zero = ctypes.c_float(1), ctypes.c_float(0)
        return fastest(lambda: library.cblas_sgemm(row_major, plain, plain, n, n, n, one, addresses[0], n,
                                                   addresses[1], n, zero, addresses[2], n), 2 * n**3)

    return max(speed(n) for n in SIZES)


def torch_sgemm(cores):
    """{"torch.mm": GFLOP/s, "oneDNN": GFLOP/s} of the largest square products"""
    import torch

    torch.set_num_threads(cores)

    def mm(n):
        a, b, c = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
        return fastest(lambda: torch.mm(a, b, out=c), 2 * n**3)

    def onednn(n):
        a, b = torch.randn(n, n).to_mkldnn(), torch.randn(n, n).to_mkldnn()
        return fastest(lambda: torch.ops.aten.mkldnn_linear(a, b), 2 * n**3)

    speeds = {"torch.mm": max(mm(n) for n in SIZES)}
    if torch.backends.mkldnn.is_available():
        speeds["oneDNN"] = max(onednn(n) for n in SIZES)
    return speeds


def lockstep_products(program):
    """{(product, (rows, inputs, outputs)): {"exact": GFLOP/s, "openblas": GFLOP/s}} of one core"""
    output = subprocess.run([program, f"--benchmark_filter={PRODUCTS}", f"--benchmark_min_time={PRODUCT_SECONDS}",
                             "--benchmark_format=json"], capture_output=True, text=True, check=True).stdout
    speeds = {}
    for run in json.loads(output)["benchmarks"]:
        product, arithmetic, shape = run["name"].split("/")
        speeds.setdefault((product, tuple(map(int, shape.split("x")))), {})[arithmetic] = run["FLOP/s"] / 1e9
    return speeds


def torch_product(product, shape):
    """{"torch.mm": GFLOP/s, "oneDNN": GFLOP/s} of one core"""
    import torch

    torch.set_num_threads(1)
    rows, inputs, outputs = shape
    x, delta, weight = torch.randn(rows, inputs), torch.randn(rows, outputs), torch.randn(inputs, outputs)
    a, b = {"forward": (x, weight), "weight_gradient": (x.t(), delta), "input_gradient": (delta, weight.t())}[product]
    c = torch.empty(a.shape[0], b.shape[1])
    calls = {"torch.mm": lambda: torch.mm(a, b, out=c)}
    if torch.backends.mkldnn.is_available():
        x, delta, weight = x.to_mkldnn(), delta.to_mkldnn(), weight.t().contiguous()  # (outputs, inputs)
        packed_weight, aten = weight.to_mkldnn(), torch.ops.aten
        calls["oneDNN"] = {
            "forward": lambda: aten.mkldnn_linear(x, packed_weight),
            "weight_gradient": lambda: aten.mkldnn_linear_backward_weights(delta, x, packed_weight, False),
            "input_gradient": lambda: aten.mkldnn_linear_backward_input(x.shape, delta, weight),
        }[product]
    return {name: fastest(call, 2 * rows * inputs * outputs, repeats=1) for name, call in calls.items()}


def product_speeds(program):
    """{"forward 16x784x512": {"exact": GFLOP/s, "oneDNN": …}} of one core: the fastest of a few rounds, in each of which
    all take turns."""
    speeds = {}
    for _ in range(REPEATS):
        for (product, shape), ours in lockstep_products(program).items():
            best = speeds.setdefault(f"{product} {'x'.join(map(str, shape))}", {})
            for name, speed in (ours | torch_product(product, shape)).items():
                best[name] = max(speed, best.get(name, 0))
    return speeds


def measure(cores, fma_program, products_program):
    sgemm = torch_sgemm(cores) | {"OpenBLAS": openblas_sgemm(cores)}
    return {
        "fma_gflops_of_a_core": fma_peak(fma_program, 1),
        "fma_gflops": fma_peak(fma_program, cores),
        "sgemm_gflops": sgemm,
        "products": product_speeds(products_program),
    }
