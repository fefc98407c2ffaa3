#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>

#include "doctor_findings.hpp"
#include "lockstep/app/command_line.hpp"
#include "lockstep/app/progress.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/text_file.hpp"
#include "lockstep/train/config.hpp"
#include "lockstep/train/trainer.hpp"

namespace lockstep {
namespace {

struct TrainArguments {
  std::string config_file;
  std::map<std::string, CLI::Option*> options;  // by name
};

std::string read_config_file(const std::string& path) {
  try {
    return read_text_file(path, most_config_bytes);
  } catch (const FileError& error) {
    throw FileError(std::string("--config ") + error.what());
  }
}

/// A switch without a value is on.
std::string given_text(const CLI::Option& option) {
  const std::string text = option.results().back();
  return text.empty() && option.get_expected_min() == 0 ? "on" : text;
}

/// `toml`: the content of the config file, if any; flags win.
TrainConfig config_of(const TrainArguments& arguments, const std::string& toml) {
  TrainConfig config;
  if (!toml.empty()) apply_config_toml(config, toml, arguments.config_file);
  for (const auto& [name, option] : arguments.options) {
    if (option->count() == 0) continue;
    set_option(config, name, given_text(*option));
  }
  if (config.data.empty())
    throw UserError("--data: expected a dataset file (see lockstep convert), found none");
  return config;
}

/// The config file, if any, is read by rank 0.
TrainConfig read_config(const Communicator& world, const TrainArguments& arguments) {
  std::string toml;
  if (!arguments.config_file.empty()) {
    const auto text = on_root(world, [&] { return read_config_file(arguments.config_file); });
    toml = world.broadcast(text.value_or(""));
  }
  return collectively(world, [&] { return config_of(arguments, toml); });
}

void declare_flags(CLI::App& app, TrainArguments& arguments) {
  app.add_option("--config", arguments.config_file, "TOML file with any of these flags as keys; flags win")
      ->type_name("FILE");
  for (const TrainOption& option : train_options()) {
    CLI::Option* const flag = app.add_option(option.flag())
                                  ->description(option.help)
                                  ->group(option.group)
                                  ->type_name(option.value_name);
    const bool required = option.name == "data";
    if (option.kind == TrainOption::Kind::on_off) {
      // CLI11 would take a default_str() for the value of a switch that has none.
      flag->expected(0, 1)->description(option.help + " (default " + option.default_text + ")");
    } else {
      flag->expected(1)->default_str(required ? "" : option.default_text);
    }
    arguments.options[option.name] = flag;
  }
}

}  // namespace

TrainConfig read_train_config(const std::vector<std::string>& arguments) {
  CLI::App app("", "lockstep train");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  TrainArguments parsed;
  declare_flags(app, parsed);
  if (!parse_alone(app, arguments)) throw UserError("expected the flags of a run, found --help");
  if (parsed.config_file.empty()) return config_of(parsed, "");
  refuse_pipe("--config", parsed.config_file);
  return config_of(parsed, read_config_file(parsed.config_file));
}

std::function<ExitStatus(const Communicator&)> declare_train(CLI::App& app) {
  const auto arguments = std::make_shared<TrainArguments>();
  declare_flags(app, *arguments);
  return [arguments](const Communicator& world) {
    refuse_separate_programs(world);
    const TrainConfig config = read_config(world, *arguments);
    Progress progress(config.progress, config.quiet);
    return train(world, config, progress).status;
  };
}

}  // namespace lockstep
