#pragma once

#include <functional>
#include <string>
#include <string_view>

/// Files that a command writes replace earlier ones of their kind, and nothing else: names are mistyped.
namespace lockstep {

/// Whether there is a file of the kind. what_else() says what a file is instead; empty: it is of the kind.
/// Throws UserError if there is anything else to lose. `flag`: "--output"; `kind`: "a dataset file".
bool replaces_file(const std::string& flag, const std::string& path, const std::string& kind,
                   const std::function<std::string()>& what_else);

/// What the file is instead of HDF5 with that attribute `format`.
std::string what_else_than_hdf5(const std::string& path, const std::string& format);

/// What the file is instead of a text that begins so, in capitals or not.
std::string what_else_than_text(const std::string& path, std::string_view begin);

}  // namespace lockstep
