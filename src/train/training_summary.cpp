#include "lockstep/train/training_summary.hpp"

#include <cmath>
#include <set>

#include "lockstep/core/version.hpp"
#include "lockstep/dist/environment.hpp"

namespace lockstep {
namespace {

nlohmann::json number_or_null(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

nlohmann::json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::json(nullptr) : nlohmann::json(text);
}

const char* status_text(ExitStatus status) {
  if (status == ExitStatus::done) return "finished";
  return status == ExitStatus::resumable ? "stopped" : "failed";
}

}  // namespace

nlohmann::json training_summary(const TrainConfig& config, const DatasetInfo& dataset,
                                const ParameterLayout& layout, const TrainProgress& progress,
                                const TrainResult& result, double seconds,
                                const std::vector<std::string>& hosts, const std::string& transport) {
  const EpochMetrics& last = result.last;
  const bool uses_blas = config.arithmetic == Arithmetic::openblas;
  const BlasIdentity blas = uses_blas ? blas_identity() : BlasIdentity();
  return {
      {"status", status_text(result.status)},
      {"reason", result.reason},
      {"parameters_sha256", text_or_null(result.parameters_sha256)},
      {"parameter_count", layout.parameter_count()},
      {"epoch", progress.epoch},
      {"step", progress.step},
      {"loss", number_or_null(last.loss)},
      {"accuracy", number_or_null(last.accuracy)},
      {"val_loss", number_or_null(last.val_loss)},
      {"val_accuracy", number_or_null(last.val_accuracy)},
      {"test_loss", number_or_null(last.test_loss)},
      {"test_accuracy", number_or_null(last.test_accuracy)},
      {"best",
       {{"monitor", config.monitor},
        {"value", number_or_null(progress.best_value)},
        {"epoch", progress.best_epoch}}},
      {"checkpoint", result.checkpoint},
      {"dataset", {{"path", dataset.path}, {"sha256", dataset.sha256_all}, {"source", dataset.source}}},
      {"ranks", hosts.size()},
      {"hosts", std::set<std::string>(hosts.begin(), hosts.end())},
      {"transport", transport},
      {"seconds", seconds},
      {"samples_per_second", number_or_null(last.samples_per_second)},
      {"versions",
       {{"lockstep", version()}, {"openblas", text_or_null(blas.version)}, {"mpi", mpi_library_version()}}},
      {"blas_core", text_or_null(blas.core_name)},
      {"instruction_set", instruction_set()},
  };
}

}  // namespace lockstep
