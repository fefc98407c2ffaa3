#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lockstep/io/shard_reader.hpp"

namespace lockstep {

/// The file rows of the train split that are trained on and those that are held out, both ascending.
struct RowSplit {
  RowRuns training;
  RowRuns validation;
};

/// The last `fraction` of the first `rows` rows is held out: rows from ⌊rows · (1 − fraction)⌋ on, as Keras's
/// `validation_split`. A fraction of 0 holds out nothing. Throws UserError if either part would be empty.
RowSplit split_last(std::size_t rows, double fraction);

/// Of every class the same fraction is held out, drawn at random by `seed`: ⌈n_c · fraction⌉ of its n_c rows
/// (n_c minus ⌊n_c · (1 − fraction)⌋). `classes`: class of each of the rows that may be used. Throws
/// UserError as split_last.
RowSplit split_per_class(std::span<const std::int32_t> classes, double fraction, std::uint64_t seed);

}  // namespace lockstep
