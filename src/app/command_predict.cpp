#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "lockstep/app/command_line.hpp"
#include "lockstep/app/trained_model.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/prediction_file.hpp"
#include "lockstep/io/table_input.hpp"
#include "lockstep/nn/metrics.hpp"
#include "lockstep/train/evaluator.hpp"
#include "replaced_file.hpp"

namespace lockstep {
namespace {

struct PredictArguments {
  std::string checkpoint, output, drop_columns, separator = ",";
  FeatureSource input;
  bool layers = false;
};

std::string class_name(const ModelDescription& model, std::size_t index) {
  return index < model.class_names.size() ? model.class_names[index] : std::to_string(index);
}

/// Quoted where CSV asks for it.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// The index of the predicted class; regression has none.
template <class T>
std::size_t predicted_class(const ModelDescription& model, std::span<const T> row) {
  return model.task == Task::binary ? (row[0] > T(0.5) ? 1 : 0) : argmax(row);
}

template <class T>
void write_csv(const std::string& path, const ModelDescription& model, std::span<const T> predictions) {
  const std::size_t outputs = model.widths.back();
  write_file_atomically(path, [&](const std::string& temporary_path) {
    std::ofstream file(temporary_path, std::ios::binary);
    file << "row";
    if (model.task != Task::regression) file << ",class";
    for (std::size_t k = 0; k < outputs; ++k) {
      if (model.task == Task::regression) {
        file << ",value_" << k;
      } else {
        file << ',' << csv_field("probability_" + class_name(model, model.task == Task::binary ? 1 : k));
      }
    }
    file << "\n";
    for (std::size_t i = 0; i * outputs < predictions.size(); ++i) {
      const std::span<const T> row = predictions.subspan(i * outputs, outputs);
      file << i;
      if (model.task != Task::regression)
        file << ',' << csv_field(class_name(model, predicted_class(model, row)));
      for (const T value : row) file << ',' << format_exact(value);
      file << "\n";
    }
    file.close();
    if (!file) throw FileError("--output " + path + ": cannot be written: " + std::strerror(errno));
  });
}

/// Whether CSV is to be written, else HDF5. Throws UserError for names that say neither.
bool is_csv(const std::string& output) {
  const std::string extension = std::filesystem::path(output).extension();
  if (extension != ".csv" && extension != ".h5" && extension != ".hdf5") {
    throw UserError("--output " + output + ": expected a name ending in .csv, .h5 or .hdf5");
  }
  return extension == ".csv";
}

/// What predictions are made from is not to be lost for them.
void refuse_to_replace(const std::string& source, const std::string& output) {
  std::error_code ignored;  // where there is no output yet
  if (std::filesystem::equivalent(source, output, ignored)) {
    throw UserError("--output " + output + ": expected another file than " + source +
                    ", which the predictions are made from");
  }
}

template <class T>
void predict_rows(const PredictArguments& arguments, const std::string& path,
                  const ModelDescription& description) {
  const TrainedModel<T> model(path, description);
  const Rows<T> rows = read_features<T>(arguments.input, model.spec.inputs(), description.x_scale);
  const Predictions<T> predictions =
      predict<T>(model.spec, model.layout, model.parameters, rows, arguments.layers);
  if (is_csv(arguments.output)) {
    write_csv<T>(arguments.output, description, predictions.outputs);
  } else {
    std::vector<std::int32_t> classes;
    for (std::size_t i = 0; i < rows.count && description.task != Task::regression; ++i) {
      const std::span<const T> row =
          std::span(predictions.outputs).subspan(i * model.spec.outputs(), model.spec.outputs());
      classes.push_back(static_cast<std::int32_t>(predicted_class(description, row)));
    }
    write_predictions<T>(arguments.output, description, predictions.outputs, classes, predictions.hidden);
  }
  std::cout << fmt::format("wrote {}: {} rows\n", arguments.output, rows.count);
}

}  // namespace

std::function<ExitStatus(const Communicator&)> declare_predict(CLI::App& app) {
  const auto a = std::make_shared<PredictArguments>();
  app.add_option("--checkpoint", a->checkpoint, "Checkpoint, or run directory (its best, else last)")
      ->type_name("PATH");
  app.add_option("--input", a->input.path, "Rows: HDF5, IDX or CSV, the latter two plain or .gz")
      ->type_name("FILE");
  app.add_option("--dataset", a->input.dataset, "HDF5 array; default the first of /x, /test/x, /train/x")
      ->type_name("PATH");
  app.add_option("--drop-columns", a->drop_columns, "CSV columns that are no features")->type_name("LIST");
  app.add_option("--separator", a->separator, "Between CSV fields: one character, or tab")
      ->type_name("CHAR")
      ->capture_default_str();
  app.add_option("--output,-o", a->output, "predictions.csv or predictions.h5")->type_name("FILE");
  app.add_flag("--layers", a->layers, "Also write the outputs of each hidden layer; HDF5 only");
  return [a](const Communicator& world) {
    on_root(world, [&] {
      remove_temporary_file_on_signals();
      if (a->checkpoint.empty())
        throw UserError("--checkpoint: expected a checkpoint or run directory, found none");
      if (a->input.path.empty()) throw UserError("--input: expected a file with rows, found none");
      if (a->output.empty()) throw UserError("--output: expected a file to write, found none");
      const bool csv = is_csv(a->output);  // before anything is computed
      if (csv && a->layers) {
        throw UserError("--layers: expected an --output ending in .h5 or .hdf5, found " + a->output);
      }
      PredictArguments arguments = *a;
      arguments.input.drop_columns = split_list(a->drop_columns);
      arguments.input.separator = parse_separator(a->separator);
      const std::string path = find_checkpoint(a->checkpoint);
      refuse_to_replace(path, a->output);
      refuse_to_replace(a->input.path, a->output);
      replaces_file("--output", a->output, "earlier predictions", [&] {
        return csv ? what_else_than_text(a->output, "row,")
                   : what_else_than_hdf5(a->output, predictions_format);
      });
      const ModelDescription model = read_checkpoint_state(path).model;
      if (model.precision == "float64") {
        predict_rows<double>(arguments, path, model);
      } else {
        predict_rows<float>(arguments, path, model);
      }
    });
    return ExitStatus::done;
  };
}

}  // namespace lockstep
