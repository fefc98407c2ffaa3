#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>

#include "lockstep/app/command_line.hpp"
#include "lockstep/app/trained_model.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/file_kind.hpp"
#include "lockstep/io/shard_reader.hpp"
#include "lockstep/train/json_text.hpp"

namespace lockstep {
namespace {

struct InspectArguments {
  std::string path, format = "text";
  bool verify = false;
};

std::vector<std::size_t> class_counts(const DatasetInfo& info, Split split) {
  std::vector<std::size_t> counts(info.task == Task::binary ? 2 : info.outputs);
  for (const std::int32_t label : read_classes_serial(info, split)) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

nlohmann::ordered_json describe_dataset(const DatasetInfo& info) {
  nlohmann::ordered_json json{{"kind", "dataset"},
                              {"path", info.path},
                              {"task", task_name(info.task)},
                              {"train_rows", info.train_rows},
                              {"test_rows", info.test_rows},
                              {"features", info.features},
                              {"x_shape", info.x_shape},
                              {"x_type", info.x_type},
                              {"x_scale", info.x_scale},
                              {"outputs", info.outputs},
                              {"class_names", info.class_names},
                              {"source", info.source},
                              {"sha256", info.sha256},
                              {"sha256_all", info.sha256_all}};
  if (info.task == Task::regression) return json;
  json["train_class_counts"] = class_counts(info, Split::train);
  if (info.test_rows > 0) json["test_class_counts"] = class_counts(info, Split::test);
  return json;
}

nlohmann::ordered_json describe_checkpoint(const std::string& path) {
  const CheckpointState state = read_checkpoint_state(path);
  const ModelSpec spec = model_spec_of(state.model, path);
  nlohmann::ordered_json json{{"kind", "checkpoint"},
                              {"path", path},
                              {"task", task_name(state.model.task)},
                              {"widths", state.model.widths},
                              {"activations", state.model.activations},
                              {"output", state.model.output},
                              {"loss", state.model.loss},
                              {"precision", state.model.precision},
                              {"arithmetic", state.model.arithmetic},
                              {"class_names", state.model.class_names},
                              {"parameter_count", make_layout(spec, 1).parameter_count()},
                              {"epoch", state.epoch},
                              {"step", state.step},
                              {"step_in_epoch", state.step_in_epoch},
                              {"best_epoch", state.best_epoch},
                              {"seconds", state.seconds},
                              {"finished", state.finished},
                              {"parameters_sha256", state.parameters_sha256},
                              {"dataset_sha256", state.dataset_sha256},
                              {"environment", state.environment},
                              {"config", state.config}};
  return json;
}

std::string value_text(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> parts;
  for (const auto& entry : value) parts.push_back(value_text(entry));
  return join(parts);
}

std::string indented_text(const nlohmann::ordered_json& json, const std::string& indent = "") {
  std::string text;
  for (const auto& [key, value] : json.items()) {
    text += value.is_object() ? fmt::format("{}{}\n{}", indent, key, indented_text(value, indent + "  "))
                              : fmt::format("{}{:<20} {}\n", indent, key, value_text(value));
  }
  return text;
}

bool is_dataset(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return false;
  return file_format(path) == "lockstep-dataset";
}

void inspect(const InspectArguments& arguments) {
  parse_choice(arguments.format, "--format", {"text", "json"});
  if (arguments.path.empty())
    throw UserError("expected a dataset file, checkpoint or run directory, found none");
  nlohmann::ordered_json json;
  if (is_dataset(arguments.path)) {
    const DatasetInfo info = read_dataset_info(arguments.path);
    json = describe_dataset(info);
    if (arguments.verify) verify_dataset_digests(info);
  } else {
    json = describe_checkpoint(find_checkpoint(arguments.path));  // reading it verifies its digest
  }
  if (arguments.verify) json["verified"] = true;
  if (arguments.format == "json") {
    std::cout << json_text(json, 2) << std::endl;
  } else {
    std::cout << indented_text(json) << std::flush;
  }
}

}  // namespace

std::function<ExitStatus(const Communicator&)> declare_inspect(CLI::App& app) {
  const auto a = std::make_shared<InspectArguments>();
  app.add_option("path", a->path, "Dataset file, checkpoint or run directory")->type_name("PATH");
  app.add_flag("--verify", a->verify, "Compute every array's digest and compare");
  app.add_option("--format", a->format, "How to print")->type_name("text|json")->capture_default_str();
  return [a](const Communicator& world) {
    on_root(world, [&] { inspect(*a); });
    return ExitStatus::done;
  };
}

}  // namespace lockstep
