#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>
#include <memory>
#include <regex>
#include <string_view>

#include "activation_plot.hpp"
#include "lockstep/app/command_line.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/nn/activation.hpp"
#include "lockstep/nn/activation_check.hpp"
#include "replaced_file.hpp"

namespace lockstep {
namespace {

struct Request {
  std::vector<std::string> words;  // "check" first, or names and formulas
  std::string plot, table;         // files
};

const char* yes_or_no(bool value) {
  return value ? "yes" : "no";
}

void list_activations() {
  std::cout << fmt::format("{:<14} {:<20} {:<9} {:<8} {:<8} {:<12} {}\n", "name", "range", "max slope",
                           "monotone", "bounded", "zero-centred", "f(x)");
  for (const ActivationInfo& info : activation_table()) {
    std::cout << fmt::format("{:<14} {:<20} {:<9.4g} {:<8} {:<8} {:<12} {}\n", info.name, info.range,
                             info.max_slope, yes_or_no(info.monotone), yes_or_no(info.bounded),
                             yes_or_no(info.zero_centred), info.formula);
  }
  std::cout << "formula(...)   any function of x, e.g. formula(x*tanh(log(1 + exp(x))))\n";
}

void explain(const Activation& activation) {
  const ActivationInfo& info = activation.info();
  std::cout << fmt::format(
      "{}\n  f(x)         {}\n  f'(x)        {}\n  range        {}\n  max slope    {:.4g}\n",
      activation.text(), info.formula, info.derivative, info.range, info.max_slope);
  if (!info.parameter_name.empty()) {
    std::cout << fmt::format("  parameter    {} = {} (allowed: {} to {}){}\n", info.parameter_name,
                             activation.parameter(), info.parameter_min, info.parameter_max,
                             info.parameter_trained ? ", where its training starts" : "");
  }
  std::cout << fmt::format("  initializer  {}\n", info.default_initializer);
  if (!info.aliases.empty()) std::cout << fmt::format("  also called  {}\n", join(info.aliases));
  std::cout << fmt::format("  note         {}\n", info.note);
  for (const std::string& warning : check_activation(activation).warnings) {
    std::cout << fmt::format("  goes wrong   {}\n", warning);
  }
  std::cout << fmt::format("\n{:>10} {:>12} {:>12}\n", "x", "f(x)", "f'(x)");
  for (const double x : {-5.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 5.0}) {
    std::cout << fmt::format("{:>10} {:>12.6f} {:>12.6f}\n", x, activation.value(x),
                             activation.derivative(x));
  }
}

/// "no, at x = 0, 6"
std::string no_at(const std::vector<double>& places) {
  std::vector<std::string> texts;
  for (const double x : places) texts.push_back(fmt::format("{:.6g}", std::abs(x) < 1e-9 ? 0.0 : x));
  return "no, at x = " + join(texts);
}

const char* where_finite(const ActivationReport& report) {
  return report.finite() ? "" : ", where it is finite";
}

std::string monotone_text(const ActivationReport& report) {
  if (report.constant_slope_zero && report.continuous()) return "constant";
  if (!report.increasing && !report.decreasing) return "no";
  return fmt::format("yes, nowhere {}{}", report.increasing ? "falling" : "rising", where_finite(report));
}

void check(const Activation& activation) {
  const ActivationReport report = check_activation(activation);
  const auto line = [](const char* what, const std::string& found) {
    std::cout << fmt::format("  {:<15} {}\n", what, found);
  };
  const auto finite = [](const std::vector<Interval>& exceptions) {
    return exceptions.empty() ? "yes" : "no, for " + intervals_text(exceptions);
  };
  const auto warn = [&] {
    for (const std::string& warning : report.warnings) line("warning", warning);
    if (report.warnings.empty()) line("warnings", "none");
  };
  std::cout << activation.text() << ", for x from -100 to 100\n";
  if (report.nowhere_finite()) {
    line("finite", finite(report.non_finite));
    return warn();
  }
  line("continuous", report.jumps.empty() ? finite(report.non_finite) : no_at(report.jumps));
  line("differentiable", !report.continuous()   ? "no, not continuous"
                         : report.kinks.empty() ? "yes"
                                                : no_at(report.kinks) + " (f' is that of the left branch)");
  line("monotone", monotone_text(report));
  line("non-linear", yes_or_no(!report.linear));
  line("finite", finite(report.non_finite) + "; in float32 " + finite(report.non_finite32));
  line("bounds", fmt::format("{:.6g} at x = {:.6g}, {:.6g} at x = {:.6g}{}", report.lowest.value,
                             report.lowest.x, report.highest.value, report.highest.x, where_finite(report)));
  line("largest slope", fmt::format("{:.6g} at x = {:.6g}", report.steepest.value, report.steepest.x));
  line("on N(0, 1)", fmt::format("mean {:.4g}, root mean square {:.4g}, of the slope {:.4g}",
                                 std::abs(report.normal_mean) < 1e-12 ? 0 : report.normal_mean,
                                 report.normal_rms, report.normal_slope_rms));
  warn();
}

/// An activation by its name, or a formula as such, known by the variable in it: "relu",
/// "formula(x*tanh(x))", "x*tanh(x)".
Activation activation_or_formula(const std::string& text) {
  static const std::regex variable(R"(\bx\b)");
  const bool is_formula =
      canonical_name(text.substr(0, text.find('('))) != "formula" && std::regex_search(text, variable);
  return Activation(is_formula ? "formula(" + text + ")" : text);
}

/// The named ones, else all.
std::vector<Activation> chosen_activations(const Request& request) {
  std::vector<Activation> activations;
  for (const std::string& word : request.words) activations.push_back(activation_or_formula(word));
  if (activations.empty()) {
    for (const ActivationInfo& info : activation_table()) activations.emplace_back(info.name);
  }
  return activations;
}

constexpr std::string_view table_header = "number,x,value,derivative";

/// x, f(x) and f'(x), in the order of the names.
void write_table(const Request& request) {
  constexpr int last_x = 5, rows_to_a_unit = 40;
  const std::vector<Activation> activations = chosen_activations(request);
  std::string text = std::string(table_header) + "\n";
  for (std::size_t number = 0; number < activations.size(); ++number) {
    for (int i = -last_x * rows_to_a_unit; i <= last_x * rows_to_a_unit; ++i) {
      const double x = static_cast<double>(i) / rows_to_a_unit;
      text +=
          fmt::format("{},{},{},{}\n", number, format_exact(x), format_exact(activations[number].value(x)),
                      format_exact(activations[number].derivative(x)));
    }
  }
  write_file_atomically(request.table, text);
  std::cout << fmt::format("{}: {} activations with their derivatives\n", request.table, activations.size());
}

void plot(const Request& request) {
  const std::vector<Activation> activations = chosen_activations(request);
  write_file_atomically(request.plot, activation_plot_html(activations));
  std::cout << fmt::format("{}: {} activations with their derivatives\n", request.plot, activations.size());
}

/// Before the first of them is written.
void check_outputs(const Request& request) {
  for (const std::string& path : {request.table, request.plot}) {
    if (!path.empty()) check_can_be_written(path);
  }
  if (!request.table.empty()) {
    replaces_file("--table", request.table, "a table of activations",
                  [&] { return what_else_than_text(request.table, table_header); });
  }
  if (request.plot.empty()) return;
  replaces_file("--plot", request.plot, "a page",
                [&] { return what_else_than_text(request.plot, "<!doctype html>"); });
  if (request.plot == request.table)
    throw UserError("--plot " + request.plot + ": expected another file than --table");
}

void run(const Request& request) {
  const bool checks = !request.words.empty() && request.words.front() == "check";
  if (checks && request.words.size() != 2) {
    throw UserError("activations check: expected one activation or formula, e.g. \"x*tanh(x)\", found " +
                    std::to_string(request.words.size() - 1));
  }
  if (checks && !request.plot.empty()) {
    throw UserError("--plot: expected activations or formulas to draw, found check");
  }
  if (checks && !request.table.empty()) {
    throw UserError("--table: expected activations or formulas to tabulate, found check");
  }
  check_outputs(request);
  if (!request.table.empty()) write_table(request);
  if (!request.plot.empty()) plot(request);
  if (!request.plot.empty() || !request.table.empty()) return;
  if (checks) return check(activation_or_formula(request.words[1]));
  if (request.words.empty()) return list_activations();
  for (const Activation& activation : chosen_activations(request)) explain(activation);
}

}  // namespace

std::function<ExitStatus(const Communicator&)> declare_activations(CLI::App& app) {
  const auto request = std::make_shared<Request>();
  app.add_option(
         "name", request->words,
         "Activations to explain, e.g. relu, leaky_relu(0.2) or \"x*tanh(x)\"; with check before one: what "
         "training will suffer from it")
      ->type_name("[check] NAME|FORMULA")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--plot", request->plot,
                 "Draw them with their derivatives into this HTML file; without names: all")
      ->type_name("FILE");
  app.add_option("--table", request->table,
                 "Write x from -5 to 5, f(x) and f'(x) of each into this CSV file, the names numbered from 0")
      ->type_name("FILE");
  return [request](const Communicator& world) {
    on_root(world, [&] { run(*request); });
    return ExitStatus::done;
  };
}

}  // namespace lockstep
