#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "csv_reader.hpp"
#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/random.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/io/converters.hpp"
#include "lockstep/io/dataset_writer.hpp"
#include "row_passes.hpp"

namespace lockstep {
namespace {

constexpr std::size_t most_inferred_classes = 100;

/// A file's features as numbers and its targets as the texts that stand there.
struct CsvTable {
  std::string path;
  std::vector<std::string> feature_names;
  std::vector<double> x;             // (rows, features)
  std::vector<std::string> targets;  // (rows, target columns)
  std::vector<std::size_t> lines;    // (rows), for messages
  std::size_t target_columns = 0;

  std::size_t rows() const { return lines.size(); }
  std::size_t features() const { return feature_names.size(); }
  const std::string& target(std::size_t row, std::size_t k) const {
    return targets[row * target_columns + k];
  }
};

/// A field as a number that is finite in the type that it is stored in.
double read_feature(const CsvReader& reader, const std::vector<std::string>& fields, std::size_t i,
                    bool narrow) {
  const double number = reader.number(fields, i);
  if (narrow && !std::isfinite(static_cast<float>(number))) {
    throw FileError(reader.place(i) + ": expected a number within float32's range, found " +
                    in_quotes(fields[i]));
  }
  return number;
}

/// Indices of columns.
struct Columns {
  std::vector<std::size_t> targets, features;
};

Columns choose_columns(const CsvReader& reader, const CsvSource& source,
                       const std::vector<std::string>& target_names) {
  std::vector<bool> taken(reader.header().size(), false);
  const auto take = [&](const std::string& name) {
    const std::size_t column = reader.column(name);
    if (taken[column]) {
      throw UserError("--target, --drop-columns: expected every column once, found " + in_quotes(name) +
                      " twice");
    }
    taken[column] = true;
    return column;
  };
  Columns columns;
  for (const std::string& name : target_names) columns.targets.push_back(take(name));
  for (const std::string& name : source.drop_columns) take(name);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    if (!taken[i]) columns.features.push_back(i);
  }
  if (columns.features.empty()) {
    throw FileError(reader.path() + ": expected columns beside the target, found none");
  }
  return columns;
}

CsvTable read_table(const std::string& path, const CsvSource& source,
                    const std::vector<std::string>& target_names) {
  CsvReader reader(path, source.separator);
  const bool narrow = source.x_type == "float32";
  CsvTable table;
  table.path = path;
  table.target_columns = target_names.size();
  const Columns columns = choose_columns(reader, source, target_names);
  for (const std::size_t i : columns.features) table.feature_names.push_back(reader.header()[i]);
  std::vector<std::string> fields;
  while (reader.next(fields)) {
    make_room(table.x, columns.features.size(), path);
    make_room(table.targets, columns.targets.size(), path);
    make_room(table.lines, 1, path);
    for (const std::size_t i : columns.features) table.x.push_back(read_feature(reader, fields, i, narrow));
    for (const std::size_t i : columns.targets) {
      const std::string_view target = trimmed(fields[i]);
      if (target.empty()) throw FileError(reader.place(i) + ": expected a target, found nothing");
      if (!is_utf8(target))
        throw FileError(reader.place(i) + ": expected UTF-8, found another encoding (see iconv)");
      table.targets.emplace_back(target);
    }
    table.lines.push_back(reader.line());
  }
  if (table.rows() == 0) throw FileError(path + ": expected rows below the header, found none");
  return table;
}

/// Rows of a table in the order in which they are written.
struct CsvSplit {
  const CsvTable* table = nullptr;
  std::vector<std::size_t> rows;

  bool empty() const { return rows.empty(); }
};

std::vector<std::size_t> row_order(std::size_t rows, std::optional<std::uint64_t> shuffle_seed) {
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!shuffle_seed) return order;
  // Stream (1, 0): --validation-stratified has the streams (0, class) of the same purpose.
  const Philox random(*shuffle_seed, RandomPurpose::validation_split, 1, 0);
  const std::vector<std::uint32_t> permutation =
      random_permutation(random, checked_cast<std::uint32_t>(rows, "a number of CSV rows"));
  return {permutation.begin(), permutation.end()};
}

std::pair<CsvSplit, CsvSplit> cut(const CsvTable& table, double test_fraction,
                                  std::optional<std::uint64_t> seed) {
  const std::vector<std::size_t> order = row_order(table.rows(), seed);
  const double kept = std::floor(static_cast<double>(table.rows()) * (1 - test_fraction));
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(kept);
  if (middle == order.begin() || (test_fraction > 0 && middle == order.end())) {
    throw UserError(table.path + ": a test fraction of " + format_exact(test_fraction) +
                    " leaves one of the splits of " + std::to_string(table.rows()) + " rows empty");
  }
  return {{&table, {order.begin(), middle}}, {&table, {middle, order.end()}}};
}

/// Every target of one file that holds classes as whole numbers, or false.
bool all_whole(const CsvTable& table, std::set<double>& values) {
  for (const std::string& text : table.targets) {
    double number = 0;
    if (!parse_number(text, number) || number != std::floor(number) || std::abs(number) > 1e15) return false;
    values.insert(number);
  }
  return true;
}

bool all_numbers(const CsvTable& table) {
  double number = 0;
  return std::all_of(table.targets.begin(), table.targets.end(),
                     [&](const std::string& text) { return parse_number(text, number); });
}

/// The classes of all tables: whole numbers ascending, or texts in alphabetical order.
class ClassTable {
 public:
  explicit ClassTable(const std::vector<const CsvTable*>& tables) {
    std::set<double> values;
    numeric_ =
        std::all_of(tables.begin(), tables.end(), [&](const CsvTable* t) { return all_whole(*t, values); });
    if (numeric_) {
      for (const double value : values) names_.push_back(std::to_string(static_cast<std::int64_t>(value)));
    } else {
      std::set<std::string> texts;
      for (const CsvTable* table : tables) texts.insert(table->targets.begin(), table->targets.end());
      names_.assign(texts.begin(), texts.end());
    }
    for (std::size_t i = 0; i < names_.size(); ++i) index_[names_[i]] = static_cast<std::int32_t>(i);
  }

  bool numeric() const { return numeric_; }
  const std::vector<std::string>& names() const { return names_; }
  std::int32_t index(const std::string& text) const {
    double number = 0;
    if (!numeric_) return index_.at(text);
    parse_number(text, number);
    return index_.at(std::to_string(static_cast<std::int64_t>(number)));
  }

 private:
  bool numeric_ = false;
  std::vector<std::string> names_;
  std::map<std::string, std::int32_t> index_;
};

Task infer_task(const std::vector<const CsvTable*>& tables, const ClassTable& classes) {
  if (tables.front()->target_columns > 1) return Task::regression;
  if (classes.numeric()) {
    return classes.names().size() <= most_inferred_classes ? Task::classification : Task::regression;
  }
  const bool numbers =
      std::all_of(tables.begin(), tables.end(), [](const CsvTable* t) { return all_numbers(*t); });
  return numbers ? Task::regression : Task::classification;
}

/// `columns`: that hold targets. `where`: the files' names.
void check_classes(Task task, const ClassTable& classes, std::size_t columns, const std::string& where) {
  const std::size_t found = classes.names().size();
  if (task == Task::regression) return;
  if (columns != 1) {
    throw UserError(where + ": expected one target column for " + task_name(task) + ", found " +
                    std::to_string(columns));
  }
  if (found < 2 || (task == Task::binary && found != 2)) {
    throw FileError(where + ": expected " + (task == Task::binary ? "two" : "at least two") +
                    " different targets for " + task_name(task) + ", found " + std::to_string(found));
  }
}

void write_x(DatasetWriter& writer, Split name, const CsvSplit& split, ElementType type) {
  const std::size_t features = split.table->features();
  ArrayWriter x = writer.array(name, "x", type, {split.rows.size(), features});
  std::vector<double> wide;
  std::vector<float> narrow;
  for_row_passes(split.rows.size(), features * sizeof(double), [&](std::size_t begin, std::size_t count) {
    wide.clear();
    for (std::size_t i = begin; i < begin + count; ++i) {
      const double* row = split.table->x.data() + split.rows[i] * features;
      wide.insert(wide.end(), row, row + features);
    }
    if (type == ElementType::float64) {
      x.append(wide.data(), count);
    } else {
      narrow.assign(wide.size(), 0);
      std::transform(wide.begin(), wide.end(), narrow.begin(),
                     [](double v) { return static_cast<float>(v); });
      x.append(narrow.data(), count);
    }
  });
  x.finish();
}

template <class T>
void write_y(DatasetWriter& writer, Split name, std::vector<std::size_t> shape, const std::vector<T>& y) {
  ArrayWriter array = writer.array(name, "y", element_type_of<T>(), shape);
  array.append(y.data(), shape[0]);
  array.finish();
}

void write_classes(DatasetWriter& writer, Split name, const CsvSplit& split, const ClassTable& classes) {
  std::vector<std::int32_t> y;
  for (const std::size_t row : split.rows) y.push_back(classes.index(split.table->target(row, 0)));
  write_y(writer, name, {y.size()}, y);
}

void write_values(DatasetWriter& writer, Split name, const CsvSplit& split) {
  const std::size_t columns = split.table->target_columns;
  std::vector<double> y;
  for (const std::size_t row : split.rows) {
    for (std::size_t k = 0; k < columns; ++k) {
      double number = 0;
      if (!parse_number(split.table->target(row, k), number) || !std::isfinite(number)) {
        throw FileError(split.table->path + ": line " + std::to_string(split.table->lines[row]) +
                        ": expected a finite number as target, found " +
                        in_quotes(split.table->target(row, k)));
      }
      y.push_back(number);
    }
  }
  std::vector<std::size_t> shape{split.rows.size()};
  if (columns > 1) shape.push_back(columns);
  write_y(writer, name, shape, y);
}

void check_same_columns(const CsvTable& train, const CsvTable& test) {
  if (train.feature_names == test.feature_names) return;
  throw FileError(test.path + ": line 1: expected the columns of " + train.path + " (" +
                  join(train.feature_names) + "), found " + join(test.feature_names));
}

void check_options(const CsvSource& source, const std::vector<std::string>& targets) {
  if (targets.empty()) throw UserError(source.train + ": expected the name of the target column, found none");
  if (!(source.test_fraction >= 0 && source.test_fraction < 1)) {
    throw UserError("--test-fraction: expected a number from 0 to below 1, found " +
                    format_exact(source.test_fraction));
  }
  if (!source.test.empty() && source.test_fraction > 0) {
    throw UserError("expected either --csv-test or --test-fraction, found both");
  }
  if (source.x_type != "float32" && source.x_type != "float64") {
    throw UserError("--x-type: expected float32 or float64, found " + in_quotes(source.x_type));
  }
}

}  // namespace

DatasetInfo convert_csv(const CsvSource& source, const std::string& output) {
  const std::vector<std::string> targets = split_list(source.target);
  check_options(source, targets);
  const CsvTable first = read_table(source.train, source, targets);
  CsvTable second;
  auto splits = cut(first, source.test_fraction, source.shuffle_seed);
  std::vector<const CsvTable*> tables{&first};
  if (!source.test.empty()) {
    second = read_table(source.test, source, targets);
    check_same_columns(first, second);
    splits.second = {&second, row_order(second.rows(), std::nullopt)};
    tables.push_back(&second);
  }
  const ClassTable classes(tables);
  const Task task = source.task ? *source.task : infer_task(tables, classes);
  const std::string paths = source.train + (source.test.empty() ? "" : ", " + source.test);
  check_classes(task, classes, targets.size(), paths);

  const bool has_classes = task != Task::regression;
  const DatasetAttributes attributes{task, has_classes ? classes.names() : std::vector<std::string>{}, 1.0,
                                     "CSV file " + paths};
  const ElementType x_type = source.x_type == "float32" ? ElementType::float32 : ElementType::float64;
  return write_dataset(output, attributes, [&](DatasetWriter& writer) {
    for (const auto& [name, split] :
         {std::pair(Split::train, &splits.first), std::pair(Split::test, &splits.second)}) {
      if (split->empty()) continue;
      write_x(writer, name, *split, x_type);
      if (has_classes) {
        write_classes(writer, name, *split, classes);
      } else {
        write_values(writer, name, *split);
      }
    }
  });
}

}  // namespace lockstep
