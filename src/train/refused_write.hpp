#pragma once

#include <string>

#include "lockstep/core/error.hpp"
#include "lockstep/train/trainer.hpp"

namespace lockstep {

/// Runs work that writes into the run directory while training, where a full disk must not cost the run: what
/// is refused becomes a warning that ends with `consequence`. Rank 0 only.
template <class F>
void warns_if_refused(TrainObserver& observer, const std::string& consequence, F&& work) {
  try {
    work();
  } catch (const FileError& error) {
    observer.message(std::string("warning: ") + error.what() + "; " + consequence);
  }
}

}  // namespace lockstep
