#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

#include "lockstep/train/config.hpp"

/// Parsed TOML, for what holds train configs among other things. Everybody else needs config.hpp only.
namespace lockstep {

/// Throws UserError naming source and line.
toml::table parse_toml(std::string_view text, std::string_view source_name);

/// A TOML value as the command line would spell it; arrays become lists. Throws UserError for anything else.
std::string option_text(const toml::node& node);

/// A value as the file has it, for the end of a message: "'a text'", "[2, 1.5]", "{ factor = 1 }". A long one
/// is cut.
std::string toml_text(const toml::node& node);

/// "sweep.toml, line 3, key 'epochs': " in front of a message.
std::string toml_place(std::string_view source_name, std::string_view key, const toml::node& node);

/// Sets what the table says, on top of `config`. Throws UserError naming source, line and key.
void apply_config_table(TrainConfig& config, const toml::table& table, std::string_view source_name);

}  // namespace lockstep
