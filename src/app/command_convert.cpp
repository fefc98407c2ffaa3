#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "lockstep/app/command_line.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/converters.hpp"

namespace lockstep {
namespace {

struct ConvertArguments {
  std::string output, task, class_names;
  std::string idx_dir;
  CsvSource csv;
  std::string separator = ",";
  std::string test_fraction, shuffle_seed;
  Hdf5Source hdf5;
  std::string x_scale;
};

DatasetInfo convert(const ConvertArguments& arguments) {
  const int sources =
      !arguments.idx_dir.empty() + !arguments.csv.train.empty() + !arguments.hdf5.path.empty();
  if (sources != 1) {
    throw UserError("expected exactly one of --idx-dir, --csv and --hdf5, found " + std::to_string(sources));
  }
  std::optional<Task> task;
  if (!arguments.task.empty()) task = parse_task(arguments.task);
  if (!arguments.idx_dir.empty()) {
    return convert_idx({arguments.idx_dir, split_list(arguments.class_names)}, arguments.output);
  }
  if (!arguments.csv.train.empty()) {
    CsvSource source = arguments.csv;
    source.task = task;
    if (source.target.empty()) throw UserError("--target: expected the name of a column, found none");
    if (arguments.separator.size() != 1) {
      throw UserError("--separator: expected one character, found '" + arguments.separator + "'");
    }
    source.separator = arguments.separator.front();
    if (!arguments.test_fraction.empty()) {
      source.test_fraction = parse_double(arguments.test_fraction, "--test-fraction");
    }
    if (!arguments.shuffle_seed.empty()) {
      source.shuffle_seed = parse_unsigned(arguments.shuffle_seed, "--shuffle-seed");
    }
    return convert_csv(source, arguments.output);
  }
  Hdf5Source source = arguments.hdf5;
  source.task = task;
  source.class_names = split_list(arguments.class_names);
  if (!arguments.x_scale.empty()) source.x_scale = parse_double(arguments.x_scale, "--x-scale");
  return convert_hdf5(source, arguments.output);
}

}  // namespace

std::function<ExitStatus(const Communicator&)> declare_convert(CLI::App& app) {
  const auto a = std::make_shared<ConvertArguments>();
  const auto option = [&](const char* flag, std::string& value, const char* help, const char* type) {
    app.add_option(flag, value, help)->type_name(type);
  };
  option("--output,-o", a->output, "Dataset file to write", "FILE");
  option("--idx-dir", a->idx_dir, "Directory with MNIST's four IDX files, plain or .gz", "DIR");
  option("--csv", a->csv.train, "CSV file with a header line, plain or .gz", "FILE");
  option("--csv-test", a->csv.test, "CSV file with the test rows", "FILE");
  option("--target", a->csv.target, "Column to predict; several, a,b, for regression", "NAME");
  option("--test-fraction", a->test_fraction, "Part of the CSV rows that becomes the test split", "F");
  option("--shuffle-seed", a->shuffle_seed, "Draw the test rows at random; else the last rows", "N");
  option("--separator", a->separator, "Between CSV fields", "CHAR");
  option("--x-type", a->csv.x_type, "Type of CSV features: float64 or float32", "TYPE");
  option("--hdf5", a->hdf5.path, "Another HDF5 file", "FILE");
  option("--train-x", a->hdf5.train_x, "Its array of training rows", "PATH");
  option("--train-y", a->hdf5.train_y, "Its array of training targets", "PATH");
  option("--test-x", a->hdf5.test_x, "Its array of test rows", "PATH");
  option("--test-y", a->hdf5.test_y, "Its array of test targets", "PATH");
  option("--x-scale", a->x_scale, "What stored x are multiplied by", "NUMBER");
  option("--task", a->task, "classification, binary or regression", "TASK");
  option("--class-names", a->class_names, "Names of the classes", "LIST");
  return [a](const Communicator& world) {
    on_root(world, [&] {
      if (a->output.empty()) throw UserError("--output: expected a file to write, found none");
      const DatasetInfo info = convert(*a);
      std::cout << fmt::format("wrote {}: {}, {} training rows, {} test rows, {} features\n", a->output,
                               task_name(info.task), info.train_rows, info.test_rows, info.features);
    });
    return ExitStatus::done;
  };
}

}  // namespace lockstep
