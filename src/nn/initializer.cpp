#include "lockstep/nn/initializer.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "lockstep/core/random.hpp"
#include "orthogonalize.hpp"
#include "setting.hpp"

namespace lockstep {
namespace {

const std::vector<SettingForm>& forms() {
  static const std::vector<SettingForm> table = {
      {"zeros", {}, {}, "0"},
      {"constant", {}, {{"c", any_number, std::nullopt}}, "c"},
      {"uniform",
       {"random_uniform"},
       {{"a", any_number, -0.05}, {"b", any_number, 0.05}},
       "uniform in [a, b)"},
      {"normal",
       {"random_normal"},
       {{"mean", any_number, 0}, {"sd", positive_number, 0.05}},
       "normal of that mean and standard deviation"},
      {"truncated_normal",
       {"trunc_normal"},
       {{"mean", any_number, 0}, {"sd", positive_number, 0.05}},
       "the same, drawn again beyond mean ± 2 sd"},
      {"glorot_uniform", {"xavier_uniform"}, {}, "uniform in ±√(6 / (fan_in + fan_out))"},
      {"glorot_normal", {"xavier_normal"}, {}, "truncated normal of variance 2 / (fan_in + fan_out)"},
      {"he_uniform", {"kaiming_uniform"}, {}, "uniform in ±√(6 / fan_in)"},
      {"he_normal", {"kaiming_normal"}, {}, "truncated normal of variance 2 / fan_in"},
      {"lecun_uniform", {}, {}, "uniform in ±√(3 / fan_in)"},
      {"lecun_normal", {}, {}, "truncated normal of variance 1 / fan_in"},
      {"orthogonal",
       {},
       {{"gain", positive_number, 1}},
       "gain times the Q of a normal matrix, R's diagonal positive"},
  };
  return table;
}

/// The random numbers of one kernel, element by element in row-major order.
class KernelRandom {
 public:
  /// `numpy` null: counter-based.
  KernelRandom(NumpyRandom* numpy, std::uint64_t seed, std::uint32_t layer)
      : numpy_(numpy), seed_(seed), layer_(layer), first_attempt_(stream(0)) {}

  /// In [0, 1).
  double uniform(std::uint64_t element) {
    return numpy_ ? numpy_->uniform() : first_attempt_.uniform(element);
  }
  double normal(std::uint64_t element) { return numpy_ ? numpy_->normal() : first_attempt_.normal(element); }

  /// Standard normal, drawn again until it lies within ±2. Attempts are streams of their own, so no element's
  /// number depends on how often others were drawn (with NumPy's generator it does).
  double truncated_normal(std::uint64_t element) {
    double value = normal(element);
    for (std::uint32_t attempt = 1; std::fabs(value) > 2; ++attempt) {
      value = numpy_ ? numpy_->normal() : stream(attempt).normal(element);
    }
    return value;
  }

 private:
  Philox stream(std::uint32_t attempt) const { return {seed_, RandomPurpose::initializer, attempt, layer_}; }

  NumpyRandom* numpy_;
  std::uint64_t seed_;
  std::uint32_t layer_;
  Philox first_attempt_;
};

/// kernel(i, j) = draw(i · out + j), in this order.
template <class T, class Draw>
void fill(MatrixView<T> kernel, Draw&& draw) {
  for (std::size_t i = 0; i < kernel.rows; ++i) {
    for (std::size_t j = 0; j < kernel.columns; ++j) {
      kernel(i, j) = static_cast<T>(draw(std::uint64_t{i} * kernel.columns + j));
    }
  }
}

template <class T>
void fill_uniform(MatrixView<T> kernel, double low, double high, KernelRandom& random) {
  const double range = high - low;
  fill(kernel, [&](std::uint64_t element) { return low + range * random.uniform(element); });
}

template <class T>
void fill_truncated_normal(MatrixView<T> kernel, double mean, double sd, KernelRandom& random) {
  fill(kernel, [&](std::uint64_t element) { return mean + sd * random.truncated_normal(element); });
}

/// Saxe et al. 2014, arXiv:1312.6120: the Q of a QR decomposition of a normal matrix, R's diagonal positive.
/// A kernel with more rows than columns gets orthonormal columns, one with more columns orthonormal rows.
template <class T>
void fill_orthogonal(MatrixView<T> kernel, double gain, KernelRandom& random) {
  const bool wide = kernel.columns > kernel.rows;
  const std::size_t rows = std::max(kernel.rows, kernel.columns);
  const std::size_t columns = std::min(kernel.rows, kernel.columns);
  std::vector<double> q(rows * columns);
  const auto position = [&](std::uint64_t element) {
    const std::size_t i = element / kernel.columns, j = element % kernel.columns;
    return wide ? j * columns + i : element;
  };
  for (std::size_t element = 0; element < q.size(); ++element) q[position(element)] = random.normal(element);
  orthonormalize_columns({q.data(), rows, columns});
  fill(kernel, [&](std::uint64_t element) { return gain * q[position(element)]; });
}

/// Target variance of the kernel's elements, for initializers that scale with the layer's size: 1 / fan_in
/// (LeCun et al. 1998, "Efficient BackProp"), 2 / (fan_in + fan_out) (Glorot & Bengio 2010), 2 / fan_in (He
/// et al. 2015).
std::optional<double> scaled_variance(const std::string& name, std::size_t in, std::size_t out) {
  const double fan_in = static_cast<double>(in), fan_out = static_cast<double>(out);
  if (name.starts_with("lecun_")) return 1 / fan_in;
  if (name.starts_with("glorot_")) return 2 / (fan_in + fan_out);
  if (name.starts_with("he_")) return 2 / fan_in;
  return std::nullopt;
}

template <class T>
void fill_scaled(MatrixView<T> kernel, const std::string& name, double variance, KernelRandom& random) {
  if (name.ends_with("_uniform")) {
    const double limit = std::sqrt(3 * variance);
    fill_uniform(kernel, -limit, limit, random);
    return;
  }
  // Standard deviation of a standard normal cut at ±2.
  constexpr double truncated_sd = 0.87962566103423978;
  fill_truncated_normal(kernel, 0.0, std::sqrt(variance) / truncated_sd, random);
}

template <class T>
void fill_kernel(const Initializer& initializer, MatrixView<T> kernel, KernelRandom& random) {
  const std::string& name = initializer.name();
  const double first = initializer.first(), second = initializer.second();
  if (const auto variance = scaled_variance(name, kernel.rows, kernel.columns)) {
    fill_scaled(kernel, name, *variance, random);
  } else if (name == "uniform") {
    fill_uniform(kernel, first, second, random);
  } else if (name == "normal") {
    fill(kernel, [&](std::uint64_t element) { return first + second * random.normal(element); });
  } else if (name == "truncated_normal") {
    fill_truncated_normal(kernel, first, second, random);
  } else if (name == "orthogonal") {
    fill_orthogonal(kernel, first, random);
  } else {  // zeros, constant
    fill(kernel, [&](std::uint64_t) { return first; });
  }
}

}  // namespace

std::string initializer_forms() {
  return forms_text(forms());
}

std::vector<SettingInfo> initializer_table() {
  return forms_table(forms());
}

Initializer::Initializer(std::string_view text) {
  const Setting setting = parse_setting("initializer", text, forms());
  name_ = forms()[setting.form].name;
  if (!setting.values.empty()) first_ = setting.values[0];
  if (setting.values.size() > 1) second_ = setting.values[1];
  text_ = setting.text;
  if (name_ == "uniform" && !(first_ < second_)) {
    throw UserError("initializer '" + std::string(text) + "': expected uniform(a,b) with a < b, found " +
                    text_);
  }
}

InitGenerator parse_init_generator(std::string_view text) {
  static const std::vector<SettingForm> generators = {{"philox", {}, {}}, {"mt19937", {"numpy"}, {}}};
  return static_cast<InitGenerator>(parse_setting("init generator", text, generators).form);
}

std::string init_generator_name(InitGenerator generator) {
  return generator == InitGenerator::philox ? "philox" : "mt19937";
}

template <class T>
void initialize_kernels(const std::vector<Initializer>& initializers, InitGenerator generator,
                        std::uint64_t seed, const std::vector<MatrixView<T>>& kernels) {
  if (initializers.size() != kernels.size()) {
    throw UserError("initializers: expected one per layer (" + std::to_string(kernels.size()) + "), found " +
                    std::to_string(initializers.size()));
  }
  std::optional<NumpyRandom> numpy;
  if (generator == InitGenerator::mt19937) numpy.emplace(seed);
  for (std::size_t layer = 0; layer < kernels.size(); ++layer) {
    KernelRandom random(numpy ? &*numpy : nullptr, seed, static_cast<std::uint32_t>(layer));
    fill_kernel(initializers[layer], kernels[layer], random);
  }
}

template void initialize_kernels(const std::vector<Initializer>&, InitGenerator, std::uint64_t,
                                 const std::vector<MatrixView<float>>&);
template void initialize_kernels(const std::vector<Initializer>&, InitGenerator, std::uint64_t,
                                 const std::vector<MatrixView<double>>&);

}  // namespace lockstep
