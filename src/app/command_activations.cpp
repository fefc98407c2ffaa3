#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "lockstep/app/command_line.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/nn/activation.hpp"

namespace lockstep {
namespace {

void list_activations() {
  std::cout << fmt::format("{:<14} {:<20} {:<9} {:<8} {:<8} {:<12} {}\n", "name", "range", "max slope",
                           "monotone", "bounded", "zero-centred", "f(x)");
  const auto yes_or_no = [](bool value) { return value ? "yes" : "no"; };
  for (const ActivationInfo& info : activation_table()) {
    std::cout << fmt::format("{:<14} {:<20} {:<9.4g} {:<8} {:<8} {:<12} {}\n", info.name, info.range,
                             info.max_slope, yes_or_no(info.monotone), yes_or_no(info.bounded),
                             yes_or_no(info.zero_centred), info.formula);
  }
}

void explain(const std::string& text) {
  const Activation activation(text);
  const ActivationInfo& info = activation.info();
  std::cout << fmt::format(
      "{}\n  f(x)         {}\n  f'(x)        {}\n  range        {}\n  max slope    {:.4g}\n",
      activation.text(), info.formula, info.derivative, info.range, info.max_slope);
  if (!info.parameter_name.empty()) {
    std::cout << fmt::format("  parameter    {} = {} (allowed: {} to {})\n", info.parameter_name,
                             activation.parameter(), info.parameter_min, info.parameter_max);
  }
  std::cout << fmt::format("  initializer  {}\n", info.default_initializer);
  if (!info.aliases.empty()) std::cout << fmt::format("  also called  {}\n", join(info.aliases));
  std::cout << fmt::format("  note         {}\n\n{:>10} {:>12} {:>12}\n", info.note, "x", "f(x)", "f'(x)");
  for (const double x : {-5.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 5.0}) {
    std::cout << fmt::format("{:>10} {:>12.6f} {:>12.6f}\n", x, activation.value(x),
                             activation.derivative(x));
  }
}

}  // namespace

std::function<ExitStatus(const Communicator&)> declare_activations(CLI::App& app) {
  const auto name = std::make_shared<std::string>();
  app.add_option("name", *name, "One activation to explain, e.g. relu or leaky_relu(0.2)")->type_name("NAME");
  return [name](const Communicator& world) {
    on_root(world, [&] {
      if (name->empty()) {
        list_activations();
      } else {
        explain(*name);
      }
    });
    return ExitStatus::done;
  };
}

}  // namespace lockstep
