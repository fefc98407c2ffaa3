#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>

#include "doctor_findings.hpp"
#include "lockstep/app/command_line.hpp"
#include "lockstep/core/products.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/core/version.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/dist/gradient_exchange.hpp"
#include "lockstep/io/file_kind.hpp"
#include "lockstep/train/json_text.hpp"

namespace lockstep {
namespace {

constexpr double seconds_per_test = 0.4;

struct DoctorArguments {
  bool json = false;
  std::string data;
};

/// Calls a second.
template <class F>
double rate_of(F&& work) {
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double calls = 0;
  while (elapsed() < seconds_per_test) {
    work();
    ++calls;
  }
  return calls / elapsed();
}

/// GFLOP/s of the forward product of 128 rows through 784 x 512.
double product_speed(Arithmetic arithmetic) {
  constexpr std::size_t rows = 128, in = 784, out = 512;
  const Range all_rows{0, rows};
  const std::vector<float> x(rows * in, 0.5F), w(in * out, 0.25F);
  std::vector<float> z(rows * out);
  const double rate = rate_of([&] {
    forward_product<float>(arithmetic, MatrixView(x.data(), rows, in), {w.data(), in, out}, {&all_rows, 1},
                           {z.data(), rows, out});
  });
  return rate * 2 * rows * in * out * 1e-9;
}

/// Milliseconds of one exchange of a 784-512-10 network's gradient. Collective.
double exchange_milliseconds(const Communicator& world) {
  const ParameterLayout layout({784, 512, 10}, sizeof(float));
  const auto shards = static_cast<std::size_t>(world.size());
  GradientExchange<float> exchange(world, layout, shards, Reduction::reproducible);
  constexpr int repetitions = 50;
  world.barrier();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repetitions; ++i) {
    exchange.accumulator().reset();
    std::fill_n(exchange.accumulator().next_term(), layout.size(), 1.0F);
    exchange.accumulator().add_term();
    exchange.share_sums(0);
    for_chunks(layout, exchange.own_blocks(),
               [&](const Chunk& chunk) { exchange.slice_sum(chunk.elements); });
    exchange.share_slices();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() * 1e3 / repetitions;
}

std::string free_space(const std::string& path) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(path, error);
  return error ? "not there" : format_bytes(space.available) + " free";
}

/// What `doctor` prints. Collective.
nlohmann::ordered_json examine(const Communicator& world, const std::string& data) {
  const std::optional<BlasIdentity> blas = find_blas();
  const double exact = product_speed(Arithmetic::exact);
  const double openblas = blas ? product_speed(Arithmetic::openblas) : 0;
  const double exchange = exchange_milliseconds(world);
  const std::string mine =
      fmt::format("{} (node {}, may use {} cores, {:.0f} GFLOP/s exact, {:.0f} openblas)", world.host(),
                  world.node(), cores_of_this_rank(), exact, openblas);
  const std::vector<std::string> ranks = world.gather_text(mine);
  std::vector<Finding> findings = examine_host(world);
  const std::vector<Finding> compared = compare_hosts(world, data);
  findings.insert(findings.end(), compared.begin(), compared.end());
  const nlohmann::ordered_json all_findings = gather_findings(world, findings);
  const char* locking = std::getenv("HDF5_USE_FILE_LOCKING");
  return {
      {"lockstep", version()},
      {"mpi", mpi_library_version()},
      {"ranks", world.size()},
      {"nodes", world.nodes()},
      {"per_rank", ranks},
      {"openblas", blas ? nlohmann::ordered_json{{"version", blas->version},
                                                 {"core", blas->core_name},
                                                 {"threads", blas->threads}}
                        : nlohmann::ordered_json(nullptr)},
      {"instruction_set", instruction_set()},
      {"hdf5", hdf5_identity()},
      {"hdf5_file_locking", locking == nullptr ? "default (files are read without locks)" : locking},
      {"shared_memory", free_space("/dev/shm")},
      {"working_directory", free_space(".")},
      {"product_gflops", {{"exact", exact}, {"openblas", openblas}}},
      {"exchange_milliseconds", exchange},
      {"findings", all_findings},
  };
}

std::string to_text(const nlohmann::ordered_json& value, const std::string& indent) {
  std::string text;
  for (const auto& [key, entry] : value.items()) {
    const std::string name = value.is_array() ? "-" : key;
    if (entry.is_structured()) {
      text += fmt::format("{}{}\n{}", indent, name, to_text(entry, indent + "  "));
    } else {
      const std::string shown = entry.is_string()         ? entry.get<std::string>()
                                : entry.is_number_float() ? fmt::format("{:.3g}", entry.get<double>())
                                                          : entry.dump();
      text += value.is_array() ? fmt::format("{}- {}\n", indent, shown)
                               : fmt::format("{}{:<22} {}\n", indent, name, shown);
    }
  }
  return text;
}

/// Everything but the findings, then those, each with what mends it.
std::string report_text(nlohmann::ordered_json report) {
  const nlohmann::ordered_json findings = report["findings"];
  report.erase("findings");
  std::string text = to_text(report, "");
  if (findings.empty()) return text + "\nNothing found that needs mending.\n";
  for (const auto& finding : findings) {
    std::vector<std::string> hosts = finding["hosts"];
    text += fmt::format("\n{} ({}): {}\n    {}\n", finding["level"].get<std::string>(), join(hosts),
                        finding["found"].get<std::string>(), finding["mend"].get<std::string>());
  }
  return text;
}

}  // namespace

std::function<ExitStatus(const Communicator&)> declare_doctor(CLI::App& app) {
  const auto arguments = std::make_shared<DoctorArguments>();
  app.add_flag("--json", arguments->json, "Print JSON");
  app.add_option("--data", arguments->data, "Dataset file that every rank has to read")->type_name("FILE");
  return [arguments](const Communicator& world) {
    const nlohmann::ordered_json found = examine(world, arguments->data);
    if (world.is_root())
      std::cout << (arguments->json ? json_text(found, 2) + "\n" : report_text(found)) << std::flush;
    const auto& findings = found["findings"];  // rank 0 has them all
    const bool fails = std::any_of(findings.begin(), findings.end(),
                                   [](const auto& finding) { return finding["level"] == "error"; });
    return world.all_reduce_max(fails ? 1 : 0) == 1 ? ExitStatus::failure : ExitStatus::done;
  };
}

}  // namespace lockstep
