#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/core/matrix.hpp"
#include "lockstep/nn/setting_info.hpp"

namespace lockstep {

/// How a layer's kernel starts (biases start at zero): zeros, constant(c), uniform(a,b), normal(mean,sd),
/// truncated_normal(mean,sd) (cut at two sd), glorot_uniform, glorot_normal (Glorot & Bengio 2010),
/// he_uniform, he_normal (He et al. 2015), lecun_uniform, lecun_normal (LeCun et al. 1998), orthogonal(gain)
/// (Saxe et al. 2014). The *_normal scaling initializers are truncated at two sd and corrected for it, as
/// Keras's.
class Initializer {
 public:
  /// Throws UserError for unknown names (naming the nearest) and bad arguments.
  explicit Initializer(std::string_view text);
  /// Canonical text that parses to the same initializer.
  const std::string& text() const { return text_; }
  const std::string& name() const { return name_; }
  /// a, mean, c or gain; b or sd.
  double first() const { return first_; }
  double second() const { return second_; }

 private:
  std::string name_;
  double first_ = 0;
  double second_ = 0;
  std::string text_;
};

/// All there are: "zeros, constant(c), uniform(a,b), …".
std::string initializer_forms();
std::vector<SettingInfo> initializer_table();

/// The generators of --init-generator.
enum class InitGenerator { philox, mt19937 };
InitGenerator parse_init_generator(std::string_view text);
std::string init_generator_name(InitGenerator generator);

/// Fills the kernels of a network. `kernels[l]` is (in, out) of layer l. philox: element (i, j) of layer l is
/// element i · out + j of stream l. mt19937: one NumpyRandom(seed) for all layers in order, each kernel
/// row-major. Numbers are drawn in double and rounded to T.
template <class T>
void initialize_kernels(const std::vector<Initializer>& initializers, InitGenerator generator,
                        std::uint64_t seed, const std::vector<MatrixView<T>>& kernels);

}  // namespace lockstep
