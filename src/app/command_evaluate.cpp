#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "lockstep/app/command_line.hpp"
#include "lockstep/app/trained_model.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/shard_reader.hpp"
#include "lockstep/nn/metrics.hpp"
#include "lockstep/train/config.hpp"
#include "lockstep/train/evaluator.hpp"
#include "lockstep/train/json_text.hpp"

namespace lockstep {
namespace {

struct EvaluateArguments {
  std::string checkpoint, data, split = "test", limit = "all", top_k = "5", format = "text";
};

/// A count of at least 1.
std::size_t parse_count(const std::string& text, const std::string& flag) {
  const std::uint64_t count = parse_unsigned(text, flag);
  if (count == 0) throw UserError(flag + ": expected a whole number of at least 1, found '0'");
  return count;
}

void check(const EvaluateArguments& arguments) {
  parse_choice(arguments.split, "--split", {"test", "train"});
  parse_choice(arguments.format, "--format", {"text", "json"});
  parse_count(arguments.top_k, "--top-k");
  if (arguments.limit != "all") parse_count(arguments.limit, "--limit");
  if (arguments.checkpoint.empty())
    throw UserError("--checkpoint: expected a checkpoint or run directory, found none");
  if (arguments.data.empty()) throw UserError("--data: expected a dataset file, found none");
}

/// Everything that is reported.
struct Report {
  std::string checkpoint, data, split;
  std::size_t rows = 0;
  Evaluation evaluation;
  std::size_t top_k = 0;
  double top_k_accuracy = 0;
  std::vector<std::string> class_names;
  std::optional<ConfusionMatrix> confusion;  // classification and binary
};

void check_fits(const ModelDescription& model, const DatasetInfo& data) {
  const auto refuse = [&](const std::string& what, const std::string& expected, const std::string& found) {
    throw UserError("--data " + data.path + ": expected " + what + " " + expected +
                    " as the checkpoint's, found " + found);
  };
  if (data.task != model.task) refuse("task", task_name(model.task), task_name(data.task));
  if (data.features != model.widths.front()) {
    refuse("features", std::to_string(model.widths.front()), std::to_string(data.features));
  }
  if (data.outputs != model.widths.back()) {
    refuse("outputs", std::to_string(model.widths.back()), std::to_string(data.outputs));
  }
}

/// Numbers of classes that mean something else make every count wrong; but names may be spelled anew.
void warn_of_other_classes(const ModelDescription& model, const DatasetInfo& data) {
  for (std::size_t i = 0; i < std::min(model.class_names.size(), data.class_names.size()); ++i) {
    if (model.class_names[i] == data.class_names[i]) continue;
    std::cerr << fmt::format("warning: class {} is {} in the checkpoint, and {} in {}\n", i,
                             in_quotes(model.class_names[i]), in_quotes(data.class_names[i]),
                             printable(data.path));
    return;
  }
}

/// The class names of a confusion matrix, made up where the data have none.
std::vector<std::string> names_of_classes(const ModelDescription& model) {
  const std::size_t classes = model.task == Task::binary ? 2 : model.widths.back();
  std::vector<std::string> names = model.class_names;
  for (std::size_t i = names.size(); i < classes; ++i) names.push_back(std::to_string(i));
  return names;
}

template <class T>
void count_predictions(const TrainedModel<T>& model, const Rows<T>& rows, Report& report) {
  const std::vector<T> predictions = predict<T>(model.spec, model.layout, model.parameters, rows).outputs;
  const std::size_t outputs = model.spec.outputs();
  report.confusion.emplace(report.class_names.size());
  std::size_t in_top = 0;
  for (std::size_t i = 0; i < rows.count; ++i) {
    const std::span<const T> row(predictions.data() + i * outputs, outputs);
    if (rows.classes.empty()) {
      report.confusion->add(rows.values[i] > T(0.5) ? 1 : 0, row[0] > T(0.5) ? 1 : 0);
      continue;
    }
    const auto truth = static_cast<std::size_t>(rows.classes[i]);
    report.confusion->add(truth, argmax(row));
    in_top += in_top_k(row, truth, report.top_k);
  }
  report.top_k_accuracy = static_cast<double>(in_top) / static_cast<double>(rows.count);
}

/// What the training smoothed labels with: its losses are compared with evaluate's.
double label_smoothing_of(const CheckpointState& state) {
  TrainConfig config;
  const auto found = state.config.find("label_smoothing");
  if (found != state.config.end()) set_option(config, found->first, found->second);
  return config.label_smoothing;
}

/// Rank 0 reads, checks and computes; the sums are those of training, whoever computes them.
template <class T>
Report evaluate_checkpoint(const Communicator& world, const EvaluateArguments& arguments,
                           const std::string& path, const CheckpointState& state) {
  Report report;
  report.checkpoint = path;
  report.data = arguments.data;
  report.split = arguments.split;
  report.top_k = std::min(parse_count(arguments.top_k, "--top-k"), state.model.widths.back());

  auto loaded = collectively(world, [&] {
    DatasetInfo dataset = read_dataset_info(arguments.data);
    check_fits(state.model, dataset);
    TrainedModel<T> trained(path, state.model);
    trained.spec.label_smoothing = label_smoothing_of(state);
    return std::pair(std::move(trained), std::move(dataset));
  });
  report.class_names = names_of_classes(state.model);  // now that the file is known to hold as many
  const TrainedModel<T>& model = loaded.first;
  const DatasetInfo& info = loaded.second;
  if (world.is_root()) warn_of_other_classes(state.model, info);
  const Split split = arguments.split == "train" ? Split::train : Split::test;
  report.rows = info.rows(split);
  if (arguments.limit != "all") report.rows = std::min(report.rows, parse_count(arguments.limit, "--limit"));
  const auto own = on_root(world, [&] {
    if (report.rows == 0) {
      throw UserError("--split " + arguments.split + ": expected rows, found none in " + info.path +
                      (split == Split::test ? "; --split train evaluates its training rows" : ""));
    }
    Rows<T> rows = read_rows_serial<T>(info, split, {{0, report.rows}});
    if (state.model.task != Task::regression) count_predictions(model, rows, report);
    return rows;
  });
  report.evaluation =
      evaluate<T>(world, model.spec, model.layout, model.parameters, own.value_or(Rows<T>{}), report.rows);
  return report;
}

std::vector<std::int64_t> row_of(const ConfusionMatrix& confusion, std::size_t true_class) {
  std::vector<std::int64_t> counts;
  for (std::size_t j = 0; j < confusion.classes(); ++j) counts.push_back(confusion.count(true_class, j));
  return counts;
}

/// `confusion_matrix` is null for more classes than are counted in pairs.
nlohmann::ordered_json to_json(const Report& report) {
  nlohmann::ordered_json json{{"checkpoint", report.checkpoint},
                              {"data", report.data},
                              {"split", report.split},
                              {"rows", report.rows},
                              {"loss", report.evaluation.loss}};
  if (!report.confusion) return json;
  const ConfusionMatrix& confusion = *report.confusion;
  json["accuracy"] = report.evaluation.accuracy;
  if (report.class_names.size() > 2)
    json["top_k"] = {{"k", report.top_k}, {"accuracy", report.top_k_accuracy}};
  json["confusion_matrix"] = nullptr;
  for (std::size_t i = 0; i < confusion.classes(); ++i) {
    if (confusion.has_counts()) json["confusion_matrix"].push_back(row_of(confusion, i));
    json["classes"].push_back({{"name", report.class_names[i]},
                               {"precision", confusion.precision(i)},
                               {"recall", confusion.recall(i)},
                               {"f1", confusion.f1(i)}});
  }
  return json;
}

/// Up to as many classes as a screen may show.
std::string matrix_text(const Report& report, std::size_t name_width) {
  constexpr std::size_t most_columns = 100;
  const ConfusionMatrix& confusion = *report.confusion;
  if (confusion.classes() > most_columns) {
    return fmt::format("\nconfusion matrix: left out, it has {} classes{}\n", confusion.classes(),
                       confusion.has_counts() ? "; --format json prints it" : "");
  }
  std::string text = "\nconfusion matrix (rows: true class, columns: predicted class)\n";
  for (std::size_t i = 0; i < confusion.classes(); ++i) {
    text += fmt::format("{:>{}}", report.class_names[i], name_width);
    for (const std::int64_t count : row_of(confusion, i)) text += fmt::format(" {:>6}", count);
    text += "\n";
  }
  return text;
}

std::string to_text(const Report& report) {
  std::string text =
      fmt::format("checkpoint  {}\ndata        {}, {} split, {} rows\nloss        {}\n", report.checkpoint,
                  report.data, report.split, report.rows, format_decimal(report.evaluation.loss, 6));
  if (!report.confusion) return text;
  const ConfusionMatrix& confusion = *report.confusion;
  text += fmt::format("accuracy    {:.4f}\n", report.evaluation.accuracy);
  if (report.class_names.size() > 2)
    text += fmt::format("top-{}       {:.4f}\n", report.top_k, report.top_k_accuracy);
  std::size_t name_width = 9;
  for (const std::string& name : report.class_names) name_width = std::max(name_width, name.size());
  text += fmt::format("\n{:>{}}  precision  recall      f1\n", "class", name_width);
  for (std::size_t i = 0; i < confusion.classes(); ++i) {
    text += fmt::format("{:>{}}     {:.4f}  {:.4f}  {:.4f}\n", report.class_names[i], name_width,
                        confusion.precision(i), confusion.recall(i), confusion.f1(i));
  }
  return text + matrix_text(report, name_width);
}

}  // namespace

std::function<ExitStatus(const Communicator&)> declare_evaluate(CLI::App& app) {
  const auto a = std::make_shared<EvaluateArguments>();
  app.add_option("--checkpoint", a->checkpoint, "Checkpoint, or run directory (its best, else last)")
      ->type_name("PATH");
  app.add_option("--data", a->data, "Dataset file")->type_name("FILE");
  app.add_option("--split", a->split, "Which rows")->type_name("test|train")->capture_default_str();
  app.add_option("--limit", a->limit, "First N rows")->type_name("N")->capture_default_str();
  app.add_option("--top-k", a->top_k, "Count a row as right if its class is among the K most probable")
      ->type_name("K")
      ->capture_default_str();
  app.add_option("--format", a->format, "How to print")->type_name("text|json")->capture_default_str();
  return [a](const Communicator& world) {
    const auto [path, state] = collectively(world, [&] {
      check(*a);
      std::string found = find_checkpoint(a->checkpoint);
      CheckpointState read = read_checkpoint_state(found);
      return std::pair(std::move(found), std::move(read));
    });
    const Report report = state.model.precision == "float64"
                              ? evaluate_checkpoint<double>(world, *a, path, state)
                              : evaluate_checkpoint<float>(world, *a, path, state);
    if (world.is_root()) {
      if (a->format == "json") {
        std::cout << json_text(to_json(report), 2) << std::endl;
      } else {
        std::cout << to_text(report) << std::flush;
      }
    }
    return ExitStatus::done;
  };
}

}  // namespace lockstep
