#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lockstep/core/matrix.hpp"
#include "lockstep/nn/setting_info.hpp"

namespace lockstep {

/// A condition on a layer's kernel, enforced after every update: none, nonneg (negative weights become 0),
/// max_norm(c) (columns scaled down to at most c), unit_norm (columns scaled to norm 1). As Keras's, norms
/// are over a unit's incoming weights (a column) with 1e-7 added to the divisor: max_norm multiplies each
/// column by min(norm, c) / (norm + 1e-7), unit_norm by 1 / (norm + 1e-7). c is 2 if not given. Biases are
/// left alone.
class Constraint {
 public:
  Constraint() = default;
  /// Throws UserError for unknown names and bad arguments.
  explicit Constraint(std::string_view text);
  /// kernel: (in, out), in place. Column norms are chains over ascending rows, in double.
  template <class T>
  void apply(MatrixView<T> kernel) const;
  bool none() const { return kind_ == Kind::none; }
  std::string text() const;

 private:
  enum class Kind { none, nonneg, max_norm, unit_norm };
  Kind kind_ = Kind::none;
  double limit_ = 0;
};

/// All there are: "none, nonneg, max_norm(limit), unit_norm".
std::string constraint_forms();
std::vector<SettingInfo> constraint_table();

}  // namespace lockstep
