#include "checkpoint_state.hpp"

#include "lockstep/core/error.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

/// A group whose attributes are written or read.
struct Group {
  Hdf5Handle id;
  std::string where;
};

Group make(hid_t file, const std::string& path, const std::string& file_name) {
  return {make_group(file, path, file_name), file_name + ": " + path};
}

Group open(hid_t file, const std::string& path, const std::string& file_name) {
  return {open_group(file, path, file_name), file_name + ": " + path};
}

// One list of fields serves for writing and for reading, by way of these two.
struct Writer {
  const Group& group;
  void operator()(const char* name, const std::string& value) const {
    write_attribute(group.id.get(), name, value, group.where);
  }
  void operator()(const char* name, const std::vector<std::string>& value) const {
    write_attribute(group.id.get(), name, value, group.where);
  }
  void operator()(const char* name, const std::vector<std::size_t>& value) const {
    const std::vector<std::uint64_t> numbers(value.begin(), value.end());
    write_numbers_attribute<std::uint64_t>(group.id.get(), name, numbers, group.where);
  }
  void operator()(const char* name, bool value) const { (*this)(name, std::int64_t{value}); }
  template <class T>
  requires(std::is_arithmetic_v<T>) void operator()(const char* name, T value) const {
    write_number_attribute<T>(group.id.get(), name, value, group.where);
  }
};

struct Reader {
  const Group& group;
  void operator()(const char* name, std::string& value) const {
    value = read_text_attribute(group.id.get(), name, group.where);
  }
  void operator()(const char* name, std::vector<std::string>& value) const {
    value = read_texts_attribute(group.id.get(), name, group.where);
  }
  void operator()(const char* name, std::vector<std::size_t>& value) const {
    const auto numbers = read_numbers_attribute<std::uint64_t>(group.id.get(), name, group.where);
    value.assign(numbers.begin(), numbers.end());
  }
  void operator()(const char* name, bool& value) const {
    value = read_number_attribute<std::int64_t>(group.id.get(), name, group.where) != 0;
  }
  template <class T>
  requires(std::is_arithmetic_v<T>) void operator()(const char* name, T& value) const {
    value = read_number_attribute<T>(group.id.get(), name, group.where);
  }
};

template <class Access, class Model>
void model_fields(const Access& field, Model& model) {
  field("class_names", model.class_names);
  field("x_shape", model.x_shape);
  field("x_scale", model.x_scale);
  field("widths", model.widths);
  field("activations", model.activations);
  field("output", model.output);
  field("loss", model.loss);
  field("precision", model.precision);
  field("arithmetic", model.arithmetic);
}

template <class Access, class State>
void run_fields(const Access& field, State& state) {
  field("config_toml", state.config_toml);
  field("dataset_sha256", state.dataset_sha256);
  field("parameters_sha256", state.parameters_sha256);
  field("epoch", state.epoch);
  field("step_in_epoch", state.step_in_epoch);
  field("step", state.step);
  field("best_value", state.best_value);
  field("best_epoch", state.best_epoch);
  field("epochs_without_improvement", state.epochs_without_improvement);
  field("seconds", state.seconds);
  field("finished", state.finished);
}

void write_map(hid_t file, const std::string& path, const std::map<std::string, std::string>& map,
               const std::string& file_name) {
  const Group group = make(file, path, file_name);
  for (const auto& [key, text] : map) write_attribute(group.id.get(), key, text, group.where);
}

std::map<std::string, std::string> read_map(hid_t file, const std::string& path,
                                            const std::string& file_name) {
  const Group group = open(file, path, file_name);
  std::map<std::string, std::string> map;
  for (const std::string& key : attribute_names(group.id.get(), group.where)) {
    map[key] = read_text_attribute(group.id.get(), key, group.where);
  }
  return map;
}

template <class T>
void write_list(hid_t file, const std::string& path, const std::vector<T>& list,
                const std::string& file_name) {
  const std::string where = file_name + ": " + path;
  const std::vector<std::size_t> shape{list.size()};
  const Hdf5Handle array = create_array(file, path, element_type_of<T>(), shape, where);
  write_row_block(array.get(), element_type_of<T>(), shape, 0, list.size(), list.data(), where);
}

template <class T>
std::vector<T> read_list(hid_t file, const std::string& path, const std::string& file_name) {
  const Hdf5Array array = open_array(file, path, file_name);
  if (array.shape.size() != 1 || array.type_name() != element_name(element_type_of<T>())) {
    throw FileError(array.where + ": expected a list of " + element_name(element_type_of<T>()) + ", found " +
                    array.type_name() + " of shape " + shape_text(array.shape));
  }
  std::vector<T> list(array.elements());
  read_array<T>(array, list);
  return list;
}

void check_model(const ModelDescription& model, const std::string& file_name) {
  std::size_t features = 1;
  bool overflow = false;
  for (const std::size_t extent : model.x_shape)
    overflow |= __builtin_mul_overflow(features, extent, &features);
  const bool fits = model.widths.size() >= 2 && model.activations.size() + 2 == model.widths.size() &&
                    !overflow && features == model.widths.front();
  if (!fits) throw FileError(file_name + ": /model: its widths, activations and x_shape do not fit together");
}

}  // namespace

void write_state(hid_t file, const CheckpointState& state, const std::string& file_name) {
  const Group model = make(file, "/model", file_name);
  Writer{model}("task", task_name(state.model.task));
  model_fields(Writer{model}, state.model);
  const Group run = make(file, "/run", file_name);
  run_fields(Writer{run}, state);
  write_map(file, "/run/config", state.config, file_name);
  write_map(file, "/run/environment", state.environment, file_name);
  write_list(file, "/run/shard_loss_sums", state.shard_loss_sums, file_name);
  write_list(file, "/run/shard_correct", state.shard_correct, file_name);
  write_list(file, "/run/shard_rows", state.shard_rows, file_name);
}

CheckpointState read_state(hid_t file, const std::string& file_name) {
  CheckpointState state;
  const Group model = open(file, "/model", file_name);
  state.model.task = parse_task(read_text_attribute(model.id.get(), "task", model.where));
  model_fields(Reader{model}, state.model);
  check_model(state.model, file_name);
  const Group run = open(file, "/run", file_name);
  run_fields(Reader{run}, state);
  state.config = read_map(file, "/run/config", file_name);
  state.environment = read_map(file, "/run/environment", file_name);
  state.shard_loss_sums = read_list<double>(file, "/run/shard_loss_sums", file_name);
  state.shard_correct = read_list<std::int64_t>(file, "/run/shard_correct", file_name);
  state.shard_rows = read_list<std::int64_t>(file, "/run/shard_rows", file_name);
  return state;
}

}  // namespace lockstep
