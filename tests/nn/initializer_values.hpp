#pragma once

// Made by initializer_values.py; do not edit.

namespace lockstep::testing {

// Kernels of (31, 20) and (20, 7), seed 3: single elements, and the SHA-256 of all in order.
struct InitializerValue {
  const char *first_initializer, *second_initializer;
  double first_begin, first_end, second_begin, second_end;
  const char* sha256;
};

// clang-format off
inline constexpr InitializerValue initializer_values[] = {
    {"uniform(-0.5,0.5)", "uniform(-0.01,0.1)", 0.050797902574575504, 0.16801546451375926, 0.04792363106097487, 0.054421605851460296,
     "bdf9e9bbd1e992ae775b538fdb56778afd143268576f242e76b50f3676a1a2b9"},
    {"normal(0.5,2)", "uniform(0,1)", 4.077256946860637, 3.676322290491121, 0.16468765549315234, 0.6676456269005245,
     "a0cd5af0c7377bbe68b09b99621404fa74e69f6cf77f49a6551a86a3c7397461"},
    {"truncated_normal(1,0.25)", "constant(0.125)", 1.4471571183575795, 0.9560529594767756, 0.125, 0.125,
     "62a5d8001887b15693221d26e40e5573e57093443c6ddd87feceb31102a08da4"},
    {"zeros", "normal(0,1)", 0.0, 0.0, 1.7886284734303186, -1.6756346341845954,
     "7a28b1851e4fec1fc470cce8a649b81cf1eca6da69d2029d1abc11cebf679453"},
};
// clang-format on

}  // namespace lockstep::testing
