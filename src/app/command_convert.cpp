#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include "lockstep/app/command_line.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/converters.hpp"
#include "lockstep/io/shard_reader.hpp"
#include "replaced_file.hpp"

namespace lockstep {
namespace {

/// A flag and the sources that have a use for it.
struct SourceFlag {
  CLI::Option* option;
  std::vector<std::string> sources;  // {"--csv", "--hdf5"}
};

struct ConvertArguments {
  std::string output, task, class_names;
  std::string idx_dir;
  CsvSource csv;
  std::string separator = ",", drop_columns;
  std::string test_fraction, shuffle_seed;
  Hdf5Source hdf5;
  std::string x_scale;
  std::vector<SourceFlag> source_flags;
};

/// The flag of the source that is converted.
std::string source_of(const ConvertArguments& arguments) {
  std::vector<std::string> given;
  if (!arguments.idx_dir.empty()) given.emplace_back("--idx-dir");
  if (!arguments.csv.train.empty()) given.emplace_back("--csv");
  if (!arguments.hdf5.path.empty()) given.emplace_back("--hdf5");
  if (given.size() == 1) return given.front();
  throw UserError("expected exactly one of --idx-dir, --csv and --hdf5, found " +
                  (given.empty() ? "none" : join(given, " and ")));
}

void refuse_flags_of_other_sources(const ConvertArguments& arguments, const std::string& source) {
  for (const auto& [option, sources] : arguments.source_flags) {
    if (option->count() == 0 || std::find(sources.begin(), sources.end(), source) != sources.end()) continue;
    throw UserError(option->get_name() + ": expected with " + join(sources, " or ") + ", found with " +
                    source);
  }
}

CsvSource csv_source(const ConvertArguments& arguments) {
  CsvSource source = arguments.csv;
  if (source.target.empty()) throw UserError("--target: expected the name of a column, found none");
  source.separator = parse_separator(arguments.separator);
  source.drop_columns = split_list(arguments.drop_columns);
  if (!arguments.test_fraction.empty()) {
    source.test_fraction = parse_double(arguments.test_fraction, "--test-fraction");
  }
  if (!arguments.shuffle_seed.empty()) {
    source.shuffle_seed = parse_unsigned(arguments.shuffle_seed, "--shuffle-seed");
  }
  return source;
}

Hdf5Source hdf5_source(const ConvertArguments& arguments) {
  Hdf5Source source = arguments.hdf5;
  source.class_names = split_list(arguments.class_names);
  if (!arguments.x_scale.empty()) source.x_scale = parse_double(arguments.x_scale, "--x-scale");
  return source;
}

/// Whether there is a dataset file that gets replaced. Throws UserError if there is anything else to lose.
bool replaces_dataset(const ConvertArguments& arguments) {
  return replaces_file("--output", arguments.output, "a dataset file", [&]() -> std::string {
    std::error_code ignored;
    if (std::filesystem::equivalent(arguments.output, arguments.hdf5.path, ignored))
      return "the file to convert";
    return what_else_than_hdf5(arguments.output, "lockstep-dataset");
  });
}

Task parse_task_flag(const std::string& text) {
  try {
    return parse_task(text);
  } catch (const UserError& error) {
    throw UserError("--task: " + std::string(error.what()));
  }
}

DatasetInfo convert(const ConvertArguments& arguments) {
  const std::string source = source_of(arguments);
  refuse_flags_of_other_sources(arguments, source);
  std::optional<Task> task;
  if (!arguments.task.empty()) task = parse_task_flag(arguments.task);
  if (source == "--idx-dir") {
    return convert_idx({arguments.idx_dir, split_list(arguments.class_names)}, arguments.output);
  }
  if (source == "--csv") {
    CsvSource csv = csv_source(arguments);
    csv.task = task;
    return convert_csv(csv, arguments.output);
  }
  Hdf5Source hdf5 = hdf5_source(arguments);
  hdf5.task = task;
  return convert_hdf5(hdf5, arguments.output);
}

/// Nothing can be learned about classes that no training row has; often a label is spelled in two ways.
void warn_of_classes_without_rows(const DatasetInfo& info) {
  if (info.task != Task::classification) return;
  std::vector<bool> has_rows(info.outputs, false);
  for (const std::int32_t label : read_classes_serial(info, Split::train))
    has_rows[static_cast<std::size_t>(label)] = true;
  std::vector<std::string> without;
  for (std::size_t label = 0; label < info.outputs; ++label) {
    if (!has_rows[label]) without.push_back(in_quotes(info.class_names[label]));
  }
  if (without.empty()) return;
  constexpr std::size_t most_shown = 10;
  const std::size_t more = without.size() - std::min(without.size(), most_shown);
  without.resize(without.size() - more);
  std::cerr << "warning: no training row is of class " << join(without)
            << (more > 0 ? fmt::format(" and {} more", more) : "") << "\n";
}

}  // namespace

std::function<ExitStatus(const Communicator&)> declare_convert(CLI::App& app) {
  const auto a = std::make_shared<ConvertArguments>();
  const auto option = [&](const char* flag, std::string& value, const char* help, const char* type) {
    return app.add_option(flag, value, help)->type_name(type)->capture_default_str();
  };
  option("--output,-o", a->output, "Dataset file to write", "FILE");
  option("--idx-dir", a->idx_dir, "Directory with MNIST's four IDX files, plain or .gz", "DIR");
  option("--csv", a->csv.train, "CSV file with a header line, plain or .gz", "FILE");
  option("--hdf5", a->hdf5.path, "Another HDF5 file", "FILE");

  const auto source_option = [&](std::vector<std::string> sources, const char* flag, std::string& value,
                                 const char* help, const char* type) {
    CLI::Option* const added = option(flag, value, help, type)->group("With " + join(sources, " or "));
    a->source_flags.push_back({added, std::move(sources)});
  };
  const std::vector<std::string> csv{"--csv"}, hdf5{"--hdf5"};
  source_option(csv, "--csv-test", a->csv.test, "CSV file with the test rows", "FILE");
  source_option(csv, "--target", a->csv.target, "Column to predict; several, a,b, for regression", "NAME");
  source_option(csv, "--drop-columns", a->drop_columns, "Columns to leave out", "LIST");
  source_option(csv, "--test-fraction", a->test_fraction, "Part of the rows that becomes the test split",
                "F");
  source_option(csv, "--shuffle-seed", a->shuffle_seed,
                "Permute the rows first, so that test rows are drawn at random; else they are the last", "N");
  source_option(csv, "--separator", a->separator, "Between fields: one character, or tab", "CHAR");
  source_option(csv, "--x-type", a->csv.x_type, "Type of the features", "float64|float32");
  source_option(hdf5, "--train-x", a->hdf5.train_x, "Its array of training rows", "PATH");
  source_option(hdf5, "--train-y", a->hdf5.train_y, "Its array of training targets", "PATH");
  source_option(hdf5, "--test-x", a->hdf5.test_x, "Its array of test rows; \"\": no test split", "PATH");
  source_option(hdf5, "--test-y", a->hdf5.test_y, "Its array of test targets; \"\": no test split", "PATH");
  source_option(
      hdf5, "--x-scale", a->x_scale,
      "What stored x are multiplied by; else the file's attribute x_scale, or 1/255 for bytes, or 1",
      "NUMBER");
  source_option({"--csv", "--hdf5"}, "--task", a->task, "What the targets are; else told from them",
                "classification|binary|regression");
  source_option({"--idx-dir", "--hdf5"}, "--class-names", a->class_names, "Names of the classes 0, 1, …",
                "LIST");
  return [a](const Communicator& world) {
    on_root(world, [&] {
      remove_temporary_file_on_signals();
      if (a->output.empty()) throw UserError("--output: expected a file to write, found none");
      const bool replaces = replaces_dataset(*a);
      const DatasetInfo info = convert(*a);
      std::cout << fmt::format("{} {}: {}, {} training rows, {} test rows, {} features\n",
                               replaces ? "replaced" : "wrote", a->output, task_name(info.task),
                               info.train_rows, info.test_rows, info.features);
      warn_of_classes_without_rows(info);
    });
    return ExitStatus::done;
  };
}

}  // namespace lockstep
