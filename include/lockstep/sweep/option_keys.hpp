#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Keys of a sweep's axes: "hidden", or "activation.1" for the first entry of a list.
namespace lockstep {

/// "activation" of "activation.1".
std::string option_name(std::string_view key);
/// 1 of "activation.1"; 0 of "activation". Throws UserError.
std::size_t option_position(std::string_view key);
/// Whether the key stands for a list: hidden does, hidden.1 does not. Throws UserError if there is no such
/// option.
bool takes_a_list(std::string_view key);
/// The same key in the spelling of train_options(). Throws UserError if there is no such option, or if it
/// holds no list.
std::string canonical_key(std::string_view key);

/// The value as its option writes it ("LeakyReLU" → "leaky_relu(0.01)"). Throws UserError if the option does
/// not take it.
std::string canonical_text(std::string_view key, std::string_view text);

/// Refuses the options that a sweep sets itself. Throws UserError.
void check_sweepable(std::string_view name);

}  // namespace lockstep
