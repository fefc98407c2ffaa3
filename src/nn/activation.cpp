#include "lockstep/nn/activation.hpp"

#include <algorithm>

#include "activation_functions.hpp"
#include "activation_table.hpp"
#include "formula_activation.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

namespace functions = activation_functions;

using Entry = ActivationEntry;

template <template <class> class Function>
Entry entry(ActivationInfo info) {
  return {std::move(info), Function<float>::piecewise_rational, kernels_of<Function, float>(),
          kernels_of<Function, double>()};
}

template <template <class> class Function>
Entry trained_entry(ActivationInfo info) {
  Entry result = entry<Function>(std::move(info));
  result.info.parameter_trained = true;
  result.trained_in_float = trained_kernels_of<Function, float>();
  result.trained_in_double = trained_kernels_of<Function, double>();
  return result;
}

// THE table. Suprema of |f'| without a closed form were computed with mpmath; tests check every claim.
const std::vector<Entry>& entries() {
  static const std::vector<Entry> table = {
      entry<functions::Identity>({
          .name = "identity",
          .aliases = {"linear", "none"},
          .formula = "x",
          .derivative = "1",
          .range = "(-inf, inf)",
          .zero_centred = true,
          .default_initializer = "glorot_uniform",
          .note = "The network stays a linear function of its input, however deep.",
      }),
      entry<functions::Step>({
          .name = "step",
          .aliases = {"heaviside", "binary_step"},
          .formula = "1 if x > 0 else 0",
          .derivative = "0",
          .range = "[0, 1]",
          .max_slope = 0,
          .bounded = true,
          .trainable = false,
          .default_initializer = "glorot_uniform",
          .note = "No gradient passes; step(surrogate=sigmoid) trains with another function's derivative.",
      }),
      entry<functions::Sigmoid>({
          .name = "sigmoid",
          .aliases = {"logistic"},
          .formula = "1/(1 + exp(-x))",
          .derivative = "f(x)*(1 - f(x))",
          .range = "(0, 1)",
          .max_slope = 0.25,
          .bounded = true,
          .default_initializer = "glorot_uniform",
          .note = "Gradients shrink at least fourfold a layer; deep networks start slowly.",
      }),
      entry<functions::HardSigmoid>({
          .name = "hard_sigmoid",
          .formula = "relu6(x + 3)/6",
          .derivative = "1/6 if -3 < x <= 3 else 0",
          .range = "[0, 1]",
          .max_slope = 1.0 / 6,
          .bounded = true,
          .default_initializer = "glorot_uniform",
          .note = "A cheap sigmoid, as in Keras 3 and PyTorch; dead beyond 3 on either side.",
      }),
      entry<functions::LogSigmoid>({
          .name = "log_sigmoid",
          .formula = "-log(1 + exp(-x))",
          .derivative = "1/(1 + exp(x))",
          .range = "(-inf, 0)",
          .default_initializer = "glorot_uniform",
          .note = "A softplus turned around: never positive, saturates on the right.",
      }),
      entry<functions::Tanh>({
          .name = "tanh",
          .formula = "tanh(x)",
          .derivative = "1 - tanh(x)^2",
          .range = "(-1, 1)",
          .bounded = true,
          .zero_centred = true,
          .default_initializer = "glorot_uniform",
          .note = "The classic for shallow networks; saturates on both sides.",
      }),
      entry<functions::HardTanh>({
          .name = "hard_tanh",
          .formula = "min(max(x, -1), 1)",
          .derivative = "1 if -1 < x <= 1 else 0",
          .range = "[-1, 1]",
          .bounded = true,
          .zero_centred = true,
          .default_initializer = "glorot_uniform",
          .note = "A cheap tanh; dead beyond 1 on either side.",
      }),
      entry<functions::Relu>({
          .name = "relu",
          .formula = "max(x, 0)",
          .derivative = "1 if x > 0 else 0",
          .range = "[0, inf)",
          .default_initializer = "he_uniform",
          .note = "The usual first choice; a unit that is negative for every row is dead for good.",
      }),
      entry<functions::Relu6>({
          .name = "relu6",
          .formula = "min(max(x, 0), 6)",
          .derivative = "1 if 0 < x <= 6 else 0",
          .range = "[0, 6]",
          .bounded = true,
          .default_initializer = "he_uniform",
          .note = "A relu with a ceiling, for low-precision inference.",
      }),
      entry<functions::LeakyRelu>({
          .name = "leaky_relu",
          .formula = "x if x > 0 else negative_slope*x",
          .derivative = "1 if x > 0 else negative_slope",
          .range = "(-inf, inf)",
          .parameter_name = "negative_slope",
          .parameter_default = 0.01,
          .parameter_min = 0,
          .parameter_max = 1000,
          .zero_centred = true,
          .default_initializer = "he_uniform",
          .note = "A relu whose units cannot die.",
      }),
      trained_entry<functions::LeakyRelu>({
          .name = "prelu",
          .aliases = {"parametric_relu"},
          .formula = "x if x > 0 else slope*x",
          .derivative = "1 if x > 0 else slope",
          .range = "(-inf, inf)",
          .parameter_name = "slope",
          .parameter_default = 0.25,
          .parameter_min = -1000,
          .parameter_max = 1000,
          .zero_centred = true,
          .default_initializer = "he_uniform",
          .note =
              "A leaky_relu that learns its slope, one for the layer or, with per=unit, one for each unit.",
      }),
      entry<functions::Elu>({
          .name = "elu",
          .formula = "x if x > 0 else alpha*(exp(x) - 1)",
          .derivative = "1 if x > 0 else alpha*exp(x)",
          .range = "(-alpha, inf)",
          .parameter_name = "alpha",
          .parameter_default = 1,
          .parameter_min = 0,
          .parameter_max = 1000,
          .default_initializer = "he_uniform",
          .note = "Like relu, but negative inputs keep a gradient and pull the mean towards zero.",
      }),
      entry<functions::Selu>({
          .name = "selu",
          .formula = "1.0507009873554805*(x if x > 0 else 1.6732632423543773*(exp(x) - 1))",
          .derivative = "1.0507009873554805*(1 if x > 0 else 1.6732632423543773*exp(x))",
          .range = "(-1.7580993408473766, inf)",
          .max_slope = 1.7580993408473768,
          .default_initializer = "lecun_normal",
          .note = "Keeps mean and variance through many layers, given lecun_normal and standardized inputs.",
      }),
      entry<functions::Celu>({
          .name = "celu",
          .formula = "x if x > 0 else alpha*(exp(x/alpha) - 1)",
          .derivative = "1 if x > 0 else exp(x/alpha)",
          .range = "(-alpha, inf)",
          .parameter_name = "alpha",
          .parameter_default = 1,
          .parameter_min = 0.001,
          .parameter_max = 1000,
          .default_initializer = "he_uniform",
          .note = "An elu without a kink for any alpha.",
      }),
      entry<functions::Gelu>({
          .name = "gelu",
          .formula = "x*(1 + erf(x/sqrt(2)))/2",
          .derivative = "(1 + erf(x/sqrt(2)))/2 + x*exp(-x^2/2)/sqrt(2*pi)",
          .range = "[-0.16997120747990366, inf)",
          .max_slope = 1.128904145185155,
          .monotone = false,
          .default_initializer = "he_uniform",
          .note = "A smooth relu, the usual choice in transformers.",
      }),
      entry<functions::GeluTanh>({
          .name = "gelu_tanh",
          .aliases = {"gelu_approximate", "gelu_new"},
          .formula = "x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x^3)))/2",
          .derivative = "(1 + t)/2 + x*(1 - t^2)*sqrt(2/pi)*(1 + 0.134145*x^2)/2, t the tanh of the formula",
          .range = "[-0.17004075057125412, inf)",
          .max_slope = 1.1289930686587719,
          .monotone = false,
          .default_initializer = "he_uniform",
          .note = "The cheaper form of gelu, off by less than 0.0005.",
      }),
      entry<functions::Silu>({
          .name = "silu",
          .aliases = {"swish"},
          .formula = "x/(1 + exp(-x))",
          .derivative = "s + x*s*(1 - s), s = 1/(1 + exp(-x))",
          .range = "[-0.27846454276107380, inf)",
          .max_slope = 1.0998393201288669,
          .monotone = false,
          .default_initializer = "he_uniform",
          .note = "Smooth like gelu, with a deeper dip.",
      }),
      trained_entry<functions::Swish>({
          .name = "swish(trained)",
          .aliases = {"silu(trained)"},
          .formula = "x/(1 + exp(-beta*x))",
          .derivative = "s + beta*x*s*(1 - s), s = 1/(1 + exp(-beta*x))",
          .range = "[-0.27846454276107380, inf)",
          .parameter_name = "beta",
          .parameter_default = 1,
          .parameter_min = -1000,
          .parameter_max = 1000,
          .max_slope = 1.0998393201288669,
          .monotone = false,
          .default_initializer = "he_uniform",
          .note =
              "A silu that learns its shape, from a line (beta 0) towards relu, for the layer or per=unit.",
      }),
      entry<functions::HardSwish>({
          .name = "hardswish",
          .aliases = {"hard_silu"},
          .formula = "x*relu6(x + 3)/6",
          .derivative = "0 if x <= -3 else (2*x + 3)/6 if x <= 3 else 1",
          .range = "[-0.375, inf)",
          .max_slope = 1.5,
          .monotone = false,
          .default_initializer = "he_uniform",
          .note = "A cheap silu, from MobileNetV3.",
      }),
      entry<functions::Mish>({
          .name = "mish",
          .formula = "x*tanh(log(1 + exp(x)))",
          .derivative = "t + x*(1 - t^2)/(1 + exp(-x)), t = tanh(log(1 + exp(x)))",
          .range = "[-0.30884341301725, inf)",
          .max_slope = 1.0884981612517279,
          .monotone = false,
          .default_initializer = "he_uniform",
          .note = "Close to silu, a little steeper and dearer.",
      }),
      entry<functions::Softplus>({
          .name = "softplus",
          .formula = "log(1 + exp(x))",
          .derivative = "1/(1 + exp(-x))",
          .range = "(0, inf)",
          .default_initializer = "he_uniform",
          .note = "A smooth relu that is never zero, so its output drifts away from zero.",
      }),
      entry<functions::Softsign>({
          .name = "softsign",
          .formula = "x/(1 + |x|)",
          .derivative = "1/(1 + |x|)^2",
          .range = "(-1, 1)",
          .bounded = true,
          .zero_centred = true,
          .default_initializer = "glorot_uniform",
          .note = "Like tanh, but saturates slowly and needs no exponential.",
      }),
      entry<functions::TanhShrink>({
          .name = "tanhshrink",
          .formula = "x - tanh(x)",
          .derivative = "tanh(x)^2",
          .range = "(-inf, inf)",
          .zero_centred = true,
          .default_initializer = "glorot_uniform",
          .note = "Flat at zero: small signals vanish, so it suits sparse codes rather than classifiers.",
      }),
      entry<functions::SoftShrink>({
          .name = "softshrink",
          .formula = "x - lambda if x > lambda else x + lambda if x < -lambda else 0",
          .derivative = "1 if x > lambda or x <= -lambda else 0",
          .range = "(-inf, inf)",
          .parameter_name = "lambda",
          .parameter_default = 0.5,
          .parameter_min = 0,
          .parameter_max = 1000,
          .zero_centred = true,
          .default_initializer = "glorot_uniform",
          .note = "Soft thresholding: dead between -lambda and lambda.",
      }),
      entry<functions::Sine>({
          .name = "sine",
          .aliases = {"sin"},
          .formula = "sin(x)",
          .derivative = "cos(x)",
          .range = "[-1, 1]",
          .monotone = false,
          .bounded = true,
          .zero_centred = true,
          .default_initializer = "glorot_uniform",
          .note = "For signals and coordinates; large weights make the loss surface rough.",
      }),
      entry<functions::Gaussian>({
          .name = "gaussian",
          .formula = "exp(-x^2)",
          .derivative = "-2*x*exp(-x^2)",
          .range = "(0, 1]",
          .max_slope = 0.85776388496070680,
          .monotone = false,
          .bounded = true,
          .default_initializer = "glorot_uniform",
          .note = "Answers to inputs near zero only; far away it is dead.",
      }),
  };
  return table;
}

const Kernels<float>& kernels(const Entry& e, float) {
  return e.in_float;
}
const Kernels<double>& kernels(const Entry& e, double) {
  return e.in_double;
}
const TrainedKernels<float>& trained_kernels(const Entry& e, float) {
  return e.trained_in_float;
}
const TrainedKernels<double>& trained_kernels(const Entry& e, double) {
  return e.trained_in_double;
}

/// Row of the table with this name or alias.
std::optional<std::size_t> find_row(std::string_view name) {
  const std::string wanted = canonical_name(name);
  const auto& table = entries();
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (canonical_name(table[i].info.name) == wanted) return i;
    for (const std::string& alias : table[i].info.aliases) {
      if (canonical_name(alias) == wanted) return i;
    }
  }
  return std::nullopt;
}

std::size_t row_of(std::string_view name) {
  if (const auto row = find_row(name)) return *row;
  std::vector<std::string> names, names_and_aliases;
  for (const Entry& e : entries()) {
    names.push_back(e.info.name);
    names_and_aliases.push_back(e.info.name);
    names_and_aliases.insert(names_and_aliases.end(), e.info.aliases.begin(), e.info.aliases.end());
  }
  names_and_aliases.emplace_back("formula");
  throw UserError("unknown activation " + in_quotes(name) + suggestion(name, names_and_aliases) +
                  "; activations are " + join(names) + ", and formula(...), e.g. formula(x*tanh(x))");
}

/// "key=value" → {key, value}; "value" → {"", value}.
std::pair<std::string, std::string> split_key(const std::string& argument) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos) return {"", argument};
  std::string key = argument.substr(0, equals);
  std::string value = argument.substr(equals + 1);
  const auto trim = [](std::string& text) {
    text.erase(0, text.find_first_not_of(' '));
    text.erase(text.find_last_not_of(' ') + 1);
  };
  trim(key);
  trim(value);
  return {key, value};
}

double parse_parameter(const ActivationInfo& info, const std::string& argument, const std::string& where) {
  const auto [key, text] = split_key(argument);
  if (!key.empty() && canonical_name(key) != canonical_name(info.parameter_name)) {
    throw UserError(where + ": unknown parameter " + in_quotes(key) + "; " + info.name + " takes " +
                    info.parameter_name);
  }
  const double value = parse_double(text, where + ": " + info.parameter_name);
  if (!(value >= info.parameter_min && value <= info.parameter_max)) {
    throw UserError(where + ": " + info.parameter_name + " must be from " + format_exact(info.parameter_min) +
                    " to " + format_exact(info.parameter_max) + ", found " + text);
  }
  return value;
}

/// What stands in "formula(…)".
std::optional<std::string_view> formula_in(std::string_view text) {
  const std::string_view whole = trimmed(text);
  const std::size_t open = std::min(whole.find('('), whole.size());
  if (canonical_name(whole.substr(0, open)) != "formula") return std::nullopt;
  if (open == whole.size() || !whole.ends_with(')')) {
    throw UserError("activation '" + std::string(text) +
                    "': expected a formula in parentheses, as in "
                    "formula(x*tanh(x))");
  }
  return whole.substr(open + 1, whole.size() - open - 2);
}

/// delta_ij *= f'(z_ij)
template <class T>
void multiply_by_slopes(const Formula& formula, MatrixView<const T> z, MatrixView<T> delta) {
  std::vector<T> values(z.rows * z.columns), slopes(values.size());
  const MatrixView<T> slope_view(slopes.data(), z.rows, z.columns);
  formula.evaluate(z, MatrixView<T>(values.data(), z.rows, z.columns), slope_view);
  for_each_element(z, [=](std::size_t i, std::size_t j) { delta(i, j) *= slope_view(i, j); });
}

/// "trained", or as the formulas have it, "beta trained".
bool says_trained(const std::string& argument) {
  return argument == "trained" || argument == "beta trained" || argument == "β trained";
}

/// "per=unit" or "per=layer".
bool parse_per_unit(const std::string& argument, const std::string& where) {
  const auto [key, value] = split_key(argument);
  if (value != "unit" && value != "layer") {
    throw UserError(where + ": expected per=layer or per=unit, found " + in_quotes(argument));
  }
  return value == "unit";
}

/// The name in the table of the function whose derivative stands in for the step's.
std::string parse_surrogate(const std::string& argument, const std::string& where) {
  const auto [key, name] = split_key(argument);
  if (key != "surrogate") {
    throw UserError(where + ": expected surrogate=NAME, e.g. step(surrogate=sigmoid), found " +
                    in_quotes(argument));
  }
  const ActivationInfo& surrogate = entries()[row_of(name)].info;
  if (!surrogate.trainable || surrogate.parameter_trained) {
    throw UserError(where + ": the surrogate must have a derivative, e.g. sigmoid; " + surrogate.name +
                    (surrogate.trainable ? " has a trained parameter" : " has none"));
  }
  return surrogate.name;
}

}  // namespace

std::span<const ActivationInfo> activation_table() {
  static const std::vector<ActivationInfo> table = [] {
    std::vector<ActivationInfo> infos;
    for (const Entry& e : entries()) infos.push_back(e.info);
    return infos;
  }();
  return table;
}

const ActivationEntry* find_activation_entry(std::string_view name) {
  const auto row = find_row(name);
  return row ? &entries()[*row] : nullptr;
}

Activation::Activation() : Activation("identity") {}

Activation::Activation(std::string_view text) {
  if (const auto formula = formula_in(text)) {
    formula_ = make_formula_activation(*formula);
    return;
  }
  Call call = parse_call(text);
  // "swish(trained, …)" is a row of its own.
  const auto trained = std::find_if(call.arguments.begin(), call.arguments.end(), says_trained);
  if (trained != call.arguments.end() && find_row(call.name + "(trained)")) {
    call.name += "(trained)";
    call.arguments.erase(trained);
  }
  index_ = row_of(call.name);
  parameter_ = info().parameter_default;

  const std::string where = "activation '" + std::string(text) + "'";
  if (info().parameter_trained) {
    const auto per =
        std::find_if(call.arguments.begin(), call.arguments.end(),
                     [](const std::string& argument) { return split_key(argument).first == "per"; });
    if (per != call.arguments.end()) {
      per_unit_ = parse_per_unit(*per, where);
      call.arguments.erase(per);
    }
  }
  if (call.arguments.empty()) return;
  const bool takes_surrogate = info().name == "step";
  if (info().parameter_name.empty() && !takes_surrogate) {
    const bool can_train = find_row(info().name + "(trained)").has_value();
    throw UserError(where + ": " + info().name + " takes no parameter" +
                    (can_train ? "; swish(trained," + call.arguments.front() + ") trains its beta" : ""));
  }
  if (call.arguments.size() > 1) {
    throw UserError(where + ": expected one parameter, found " + std::to_string(call.arguments.size()));
  }
  if (takes_surrogate) {
    surrogate_ = parse_surrogate(call.arguments.front(), where);
  } else {
    parameter_ = parse_parameter(info(), call.arguments.front(), where);
  }
}

const ActivationInfo& Activation::info() const {
  if (formula_) return formula_->info;
  return activation_table()[index_];
}

bool Activation::trainable() const {
  return info().trainable || surrogate_.has_value();
}

std::size_t Activation::trained_parameters(std::size_t units) const {
  if (!info().parameter_trained) return 0;
  return per_unit_ ? units : 1;
}

std::string Activation::text() const {
  if (formula_) return "formula(" + formula_->formula.text() + ")";
  const std::string& name = info().name;
  if (surrogate_) return name + "(surrogate=" + *surrogate_ + ")";
  if (info().parameter_name.empty()) return name;
  const std::string arguments = format_exact(parameter_) + (per_unit_ ? ",per=unit" : "");
  // "swish(trained)" becomes "swish(trained,1)".
  if (name.ends_with(')')) return name.substr(0, name.size() - 1) + "," + arguments + ")";
  return name + "(" + arguments + ")";
}

bool Activation::keeps_slopes() const {
  return formula_ || (!surrogate_ && !entries()[index_].piecewise_rational);
}

template <class T>
void Activation::forward(MatrixView<const T> z, MatrixView<T> a, Trained<T> trained) const {
  if (formula_) {
    std::vector<T> slopes(z.rows * z.columns);
    return formula_->formula.evaluate(z, a, MatrixView<T>(slopes.data(), z.rows, z.columns));
  }
  const Entry& e = entries()[index_];
  if (trained.size() > 1) return trained_kernels(e, T{}).forward(trained.data(), z, a);
  kernels(e, T{}).forward(parameter_or(trained), z, a);
}

template <class T>
void Activation::forward(MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes,
                         Trained<T> trained) const {
  if (formula_) return formula_->formula.evaluate(z, a, slopes);
  const Entry& e = entries()[index_];
  if (trained.size() > 1) return trained_kernels(e, T{}).forward_with_slopes(trained.data(), z, a, slopes);
  kernels(e, T{}).forward_with_slopes(parameter_or(trained), z, a, slopes);
}

template <class T>
void Activation::backward(MatrixView<const T> z, MatrixView<T> delta, Trained<T> trained) const {
  if (surrogate_) {
    Activation(*surrogate_).backward(z, delta);
    return;
  }
  if (formula_) return multiply_by_slopes(formula_->formula, z, delta);
  const Entry& e = entries()[index_];
  if (trained.size() > 1) return trained_kernels(e, T{}).backward(trained.data(), z, delta);
  kernels(e, T{}).backward(parameter_or(trained), z, delta);
}

template <class T>
void Activation::parameter_gradient(MatrixView<const T> z, MatrixView<const T> delta, Trained<T> trained,
                                    std::type_identity_t<std::span<T>> gradient) const {
  const auto add = trained_kernels(entries()[index_], T{}).add_parameter_gradient;
  std::fill(gradient.begin(), gradient.end(), T(0));
  if (per_unit_) return add(trained.data(), z, delta, gradient.data());

  thread_local std::vector<T> parameters, unit_sums;
  parameters.assign(z.columns, trained.front());
  unit_sums.assign(z.columns, T(0));
  add(parameters.data(), z, delta, unit_sums.data());
  for (const T sum : unit_sums) gradient.front() += sum;
}

double Activation::value(double z) const {
  double a = 0;
  forward(MatrixView<const double>(&z, 1, 1), MatrixView<double>(&a, 1, 1));
  return a;
}

double Activation::derivative(double z) const {
  double delta = 1;
  backward(MatrixView<const double>(&z, 1, 1), MatrixView<double>(&delta, 1, 1));
  return delta;
}

template <class T>
double Activation::parameter_or(std::span<const T> trained) const {
  return trained.empty() ? parameter_ : static_cast<double>(trained.front());
}

template void Activation::forward(MatrixView<const float>, MatrixView<float>, Trained<float>) const;
template void Activation::forward(MatrixView<const double>, MatrixView<double>, Trained<double>) const;
template void Activation::forward(MatrixView<const float>, MatrixView<float>, MatrixView<float>,
                                  Trained<float>) const;
template void Activation::forward(MatrixView<const double>, MatrixView<double>, MatrixView<double>,
                                  Trained<double>) const;
template void Activation::backward(MatrixView<const float>, MatrixView<float>, Trained<float>) const;
template void Activation::backward(MatrixView<const double>, MatrixView<double>, Trained<double>) const;
template void Activation::parameter_gradient(MatrixView<const float>, MatrixView<const float>, Trained<float>,
                                             std::span<float>) const;
template void Activation::parameter_gradient(MatrixView<const double>, MatrixView<const double>,
                                             Trained<double>, std::span<double>) const;

}  // namespace lockstep
