// Prints docs/models.md from the tables of nn. A test compares; to renew the file:
//   build/release/tests/scripts/models_doc > docs/models.md
#include <cstdio>
#include <string>
#include <vector>

#include "lockstep/core/text.hpp"
#include "lockstep/nn/activation.hpp"
#include "lockstep/nn/constraint.hpp"
#include "lockstep/nn/initializer.hpp"
#include "lockstep/nn/loss.hpp"
#include "lockstep/nn/optimizer.hpp"
#include "lockstep/nn/schedule.hpp"

namespace {

/// Text for a Markdown table's cell.
std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string signature(const lockstep::ActivationInfo& info) {
  if (info.parameter_name.empty()) return info.name;
  const std::string parameter = info.parameter_name + "=" + lockstep::format_exact(info.parameter_default);
  // "swish(trained)" becomes "swish(trained,beta=1)".
  if (info.name.ends_with(')')) return info.name.substr(0, info.name.size() - 1) + "," + parameter + ")";
  return info.name + "(" + parameter + ")";
}

std::string properties(const lockstep::ActivationInfo& info) {
  std::vector<std::string> words;
  if (info.monotone) words.emplace_back("monotone");
  if (info.bounded) words.emplace_back("bounded");
  if (info.zero_centred) words.emplace_back("zero-centred");
  if (info.parameter_trained) words.emplace_back("trained");
  return lockstep::join(words);
}

void print_activations() {
  std::puts("| activation | f(x) | f'(x) | range | max f' | properties | initializer |");
  std::puts("|---|---|---|---|---|---|---|");
  for (const auto& info : lockstep::activation_table()) {
    std::printf("| `%s` | `%s` | `%s` | %s | %.4g | %s | %s |\n", signature(info).c_str(),
                cell(info.formula).c_str(), cell(info.derivative).c_str(), info.range.c_str(), info.max_slope,
                properties(info).c_str(), info.default_initializer.c_str());
  }
  std::puts("");
  for (const auto& info : lockstep::activation_table()) {
    std::printf("- `%s`: %s\n", info.name.c_str(), info.note.c_str());
  }
}

void print_losses() {
  std::puts("| task | output | loss | of a row |");
  std::puts("|---|---|---|---|");
  for (const auto& info : lockstep::output_loss_table()) {
    std::printf("| %s | `%s` | `%s` | %s |\n", lockstep::task_name(info.task).c_str(), info.output.c_str(),
                info.loss.c_str(), cell(info.formula).c_str());
  }
}

void print_example(const char* setting) {
  std::printf("Arguments are given by position, without the names that stand here: `%s`.\n\n", setting);
}

void print_settings(const char* kind, const char* meaning, const std::vector<lockstep::SettingInfo>& table) {
  std::printf("| %s | %s |\n|---|---|\n", kind, meaning);
  for (const auto& info : table)
    std::printf("| `%s` | %s |\n", info.form.c_str(), cell(info.formula).c_str());
}

void print_optimizers() {
  std::puts("| optimizer | update | defaults | state starts with |");
  std::puts("|---|---|---|---|");
  for (const auto& info : lockstep::optimizer_table()) {
    std::vector<std::string> defaults;
    for (const auto& [name, value] : info.hyperparameters) {
      defaults.push_back(name + " " + lockstep::format_exact(value));
    }
    const std::string start = info.slots.empty() ? "–" : lockstep::format_exact(info.slot_start);
    std::printf("| `%s` | `%s` | %s | %s |\n", info.name.c_str(), cell(info.formula).c_str(),
                lockstep::join(defaults).c_str(), start.c_str());
  }
}

}  // namespace

int main() {
  std::puts("# Activations, losses, initializers, optimizers, schedules, constraints\n");
  std::puts("<!-- Printed by tests/scripts/models_doc.cpp from the tables in src/nn: change those. -->\n");
  std::puts("## Activations\n");
  std::puts(
      "`lockstep activations` prints this table, `lockstep activations NAME` explains one. At a kink the "
      "derivative\n"
      "follows the left branch. Names are accepted as Keras and PyTorch spell them: `LeakyReLU(0.2)`. Of "
      "those "
      "marked as\n"
      "trained the parameter says where training starts; [formulas.md](formulas.md) has more on them, and on "
      "activations\n"
      "of your own: `formula(x*tanh(x))`.\n");
  print_activations();
  std::puts("\n## Outputs and losses\n");
  print_losses();
  std::puts(
      "\n`--label-smoothing e` trains classes towards (1 − e) t + e / K, t being 1 for the true one of K, "
      "else 0; binary\n"
      "targets towards (1 − e) t + e / 2.\n\n"
      "Derivatives of a row's loss by a layer's pre-activations, the deltas, become zero where their "
      "magnitude is below\n"
      "2²⁶ times the least normal number (float32: 2⁻¹⁰⁰, float64: 2⁻⁹⁹⁶), as those of rows that the model "
      "is "
      "sure of.\n"
      "With the denormal numbers that they would lead to, processors compute a hundred times slower.\n");
  std::puts("## Initializers\n");
  print_example("truncated_normal(0,0.1)");
  print_settings("initializer", "elements of a kernel (fan_in, fan_out)", lockstep::initializer_table());
  std::puts(
      "\nBiases start at zero. Without `--init` each layer takes the initializer of its activation, the "
      "output layer\n"
      "glorot_uniform.\n");
  std::puts("## Optimizers\n");
  std::puts(
      "As Keras 3 defines them, the place of epsilon included; but rmsprop's stands outside the root, as in\n"
      "PyTorch. w: weight, g: gradient, t: step from 1, lr: learning\n"
      "rate times the schedule's factor, |·|: norm of one kernel or bias.\n\n"
      "m and v become zero where they fade, from more to less than 64 times the least normal number "
      "(float32: "
      "2⁻¹²⁰), before\n"
      "they are denormal: with denormal numbers, which the rare pixels of MNIST leave there for ever, "
      "processors "
      "compute a\n"
      "hundred times slower. Below that g^2 is zero, too. epsilon is 1e-16 at least, so that no weight shows "
      "it.\n");
  print_optimizers();
  std::puts(
      "\nBefore the update the gradient (mean over the global batch) takes l1·sign(w) and 2·l2·w, kernels "
      "only, and is\n"
      "then clipped by value and by norm. `--dropout p` zeroes outputs of hidden layers with probability p "
      "in training\n"
      "and multiplies the others by 1 / (1 − p).\n");
  std::puts("## Schedules\n");
  print_example("step(5,0.3)");
  print_settings("schedule", "factor of the learning rate at a step", lockstep::schedule_table());
  std::puts(
      "\nt = step / all steps of the run, epoch = step / steps of an epoch, steps from 0. During the first "
      "`--warmup-steps N`\n"
      "the rate is (step + 1) / N of that.\n");
  std::puts("## Constraints\n");
  print_example("max_norm(3)");
  print_settings("constraint", "w after every update; ‖w‖: norm of a unit's incoming weights",
                 lockstep::constraint_table());
  std::puts("\nBiases are left alone.");
}
