#!/usr/bin/env python3
"""Writes schedule_values.hpp: factors of the learning-rate schedules, from their definitions.

Cosine: Loshchilov and Hutter 2017, one cycle. Exponential: Keras 3's ExponentialDecay(decay_steps = one epoch). Step:
PyTorch's StepLR. Linear and the warm-up: straight lines.

    python3 schedule_values.py > schedule_values.hpp
"""
import math

TOTAL_STEPS, STEPS_PER_EPOCH = 210, 7


def factor(kind, arguments, warmup, step):
    t = min(step / TOTAL_STEPS, 1)
    if kind == "step":
        value = arguments[1] ** ((step // STEPS_PER_EPOCH) // arguments[0])
    elif kind == "exponential":
        value = arguments[0] ** (step / STEPS_PER_EPOCH)
    elif kind == "cosine":
        value = arguments[0] + (1 - arguments[0]) * 0.5 * (1 + math.cos(math.pi * t))
    elif kind == "linear":
        value = (1 - t) * 1 + t * arguments[0]
    else:
        value = 1.0
    return value * min(1.0, (step + 1) / warmup) if warmup else value


def main():
    cases = [("constant", "constant", ()), ("step", "step", (10, 0.1)), ("step(3,0.5)", "step", (3, 0.5)),
             ("exponential", "exponential", (0.95,)), ("exponential(0.5)", "exponential", (0.5,)),
             ("cosine", "cosine", (0,)), ("cosine(0.1)", "cosine", (0.1,)), ("linear", "linear", (0,)),
             ("linear(0.25)", "linear", (0.25,))]
    print("#pragma once\n\n// Made by schedule_values.py; do not edit.\n\nnamespace lockstep::testing {\n")
    print(f"inline constexpr unsigned total_steps = {TOTAL_STEPS};\n"
          f"inline constexpr unsigned steps_per_epoch = {STEPS_PER_EPOCH};\n")
    print("struct ScheduleValue {\n  const char* text;\n  unsigned warmup_steps, step;\n  double factor;\n};\n")
    print("// clang-format off\ninline constexpr ScheduleValue schedule_values[] = {")
    for text, kind, arguments in cases:
        for warmup in (0, 20):
            for step in (0, 6, 7, 19, 20, 21, 69, 70, 105, 209, 210, 250):
                print(f'    {{"{text}", {warmup}, {step}, {float(factor(kind, arguments, warmup, step))!r}}},')
    print("};\n// clang-format on\n\n}  // namespace lockstep::testing")


if __name__ == "__main__":
    main()
