// Prints docs/models.md from the tables of nn. A test compares; to renew the file:
//   build/release/tests/scripts/models_doc > docs/models.md
#include <cstdio>
#include <string>

#include "lockstep/core/text.hpp"
#include "lockstep/nn/activation.hpp"
#include "lockstep/nn/optimizer.hpp"

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
  std::puts("# Activations, losses, initializers, optimizers\n");
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
  std::puts(
      "| task | output | loss of a row |\n|---|---|---|\n"
      "| classification | softmax | cross_entropy: −log p of the true class |\n"
      "| binary | sigmoid | binary_cross_entropy: −t log p − (1 − t) log(1 − p) |\n"
      "| regression | identity | mse: ½ Σ (y − ŷ)² · mae: Σ |y − ŷ| · huber: δ = 1 |\n");
  std::puts("## Initializers\n");
  std::puts(
      "zeros, constant(c), uniform(a,b), normal(mean,sd), truncated_normal(mean,sd), glorot_uniform, "
      "glorot_normal,\n"
      "he_uniform, he_normal, lecun_uniform, lecun_normal, orthogonal(gain). Biases start at zero. Without "
      "`--init`\n"
      "each layer takes the initializer of its activation, the output layer glorot_uniform.\n");
  std::puts("## Optimizers\n");
  std::puts(
      "As Keras 3 defines them, the place of epsilon included; but rmsprop's stands outside the root, as in\n"
      "PyTorch. w: weight, g: gradient, t: step from 1, lr: learning\n"
      "rate times the schedule's factor, |·|: norm of one kernel or bias.\n");
  print_optimizers();
  std::puts(
      "\nBefore the update the gradient (mean over the global batch) takes l1·sign(w) and 2·l2·w, kernels "
      "only, and is\n"
      "then clipped by value and by norm. After it, constraints are enforced.");
}
