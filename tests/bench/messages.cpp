// What a model of the exchange between nodes needs, and what it can be checked against (docs/scaling.md).
// Prints CSV lines: what, ranks, bytes, seconds. All ranks exchange messages, as if each were on a node of
// its own.
//
//   mpirun -n 2 bench_messages links 31                    messages by size and in a flood; additions
//   mpirun -n 8 bench_messages exchange 15 784-512-10 …    of a step of these nets, direct and by halving
//   mpirun -n 8 bench_messages halving 15 784-512-10 …     one way only: direct, halving
//
// The number says how often each is timed; the median is printed. Plain MPI without Google Benchmark, since
// SimGrid runs it, too (scripts/scaling_simulate.sh).

#include <mpi.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/instruction_set.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/gradient_exchange.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "lockstep/nn/parameters.hpp"

namespace lockstep::bench {
namespace {

void print(const Communicator& world, std::string_view what, std::size_t bytes, double seconds) {
  if (!world.is_root()) return;
  std::printf("%.*s,%d,%zu,%.3e\n", static_cast<int>(what.size()), what.data(), world.size(), bytes, seconds);
  std::fflush(stdout);
}

/// The median over some rounds of the time until the last rank is done. Collective.
double median_time(const Communicator& world, int rounds, const std::function<void()>& work) {
  std::vector<double> times;
  work();  // the first time connections are made
  for (int round = 0; round < rounds; ++round) {
    world.barrier();
    const double start = MPI_Wtime();
    work();
    const double mine = MPI_Wtime() - start;
    double slowest = 0;
    check_mpi(MPI_Allreduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, world.handle()), "MPI_Allreduce");
    times.push_back(slowest);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// How often short messages follow each other without a barrier, for the clock to be fine enough.
int repetitions_of(std::size_t bytes) {
  return bytes < 65536 ? 10 : 1;
}

/// A message between the first two ranks, there and back: half of the time of it.
void ping_pong(const Communicator& world, int rounds, std::size_t bytes) {
  const int repetitions = repetitions_of(bytes);
  std::vector<char> message(bytes);
  const int length = checked_cast<int>(bytes, "a message's length");
  const double seconds = median_time(world, rounds, [&] {
    for (int i = 0; i < repetitions; ++i) {
      for (int sender = 0; sender < 2; ++sender) {
        if (world.rank() == sender) {
          check_mpi(MPI_Send(message.data(), length, MPI_CHAR, 1 - sender, 0, world.handle()), "MPI_Send");
        } else if (world.rank() == 1 - sender) {
          check_mpi(MPI_Recv(message.data(), length, MPI_CHAR, sender, 0, world.handle(), MPI_STATUS_IGNORE),
                    "MPI_Recv");
        }
      }
    }
  });
  print(world, "ping_pong", bytes, seconds / (2 * repetitions));
}

/// A message each way between the first two ranks at once, as in every round of the exchange.
void send_and_receive(const Communicator& world, int rounds, std::size_t bytes) {
  const int repetitions = repetitions_of(bytes);
  std::vector<char> sent(bytes), received(bytes);
  const int length = checked_cast<int>(bytes, "a message's length"), partner = 1 - world.rank();
  const double seconds = median_time(world, rounds, [&] {
    for (int i = 0; i < repetitions && world.rank() < 2; ++i) {
      check_mpi(MPI_Sendrecv(sent.data(), length, MPI_CHAR, partner, 0, received.data(), length, MPI_CHAR,
                             partner, 0, world.handle(), MPI_STATUS_IGNORE),
                "MPI_Sendrecv");
    }
  });
  print(world, "send_and_receive", bytes, seconds / repetitions);
}

/// Small messages between the first two ranks, both ways at once, as many as wait in a large direct exchange:
/// the time of one that is sent and one that is received.
void flood(const Communicator& world, int rounds, std::size_t bytes) {
  constexpr std::size_t messages = 256;
  std::vector<char> sent(bytes * messages), received(bytes * messages);
  const int length = checked_cast<int>(bytes, "a message's length");
  const double seconds = median_time(world, rounds, [&] {
    if (world.rank() > 1) return;
    std::vector<MPI_Request> requests(2 * messages);
    for (std::size_t i = 0; i < messages; ++i) {
      check_mpi(MPI_Irecv(received.data() + i * bytes, length, MPI_CHAR, 1 - world.rank(), 0, world.handle(),
                          &requests[i]),
                "MPI_Irecv");
    }
    for (std::size_t i = 0; i < messages; ++i) {
      check_mpi(MPI_Isend(sent.data() + i * bytes, length, MPI_CHAR, 1 - world.rank(), 0, world.handle(),
                          &requests[messages + i]),
                "MPI_Isend");
    }
    check_mpi(MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE),
              "MPI_Waitall");
  });
  print(world, "flood", bytes, seconds / messages);
}

/// One vector added to another one, on all ranks at once, as recursive halving does it.
void add(const Communicator& world, int rounds, std::size_t bytes) {
  std::vector<float> sum(bytes / sizeof(float), 1.0F), term(bytes / sizeof(float), 1.0F);
  print(world, "add", bytes, median_time(world, rounds, [&] {
          run_vectorized([sums = sum.data(), terms = term.data(), length = sum.size()](auto) {
            for (std::size_t i = 0; i < length; ++i) sums[i] += terms[i];
          });
        }));
}

void links(const Communicator& world, int rounds) {
  for (std::size_t bytes = 4; bytes <= std::size_t{1} << 22; bytes *= 4) {
    ping_pong(world, rounds, bytes);
    send_and_receive(world, rounds, bytes);
  }
  for (const std::size_t bytes : {4, 1024, 4096}) flood(world, rounds, bytes);
  for (std::size_t bytes = 1 << 14; bytes <= std::size_t{1} << 24; bytes *= 4) add(world, rounds, bytes);
}

/// The sums of the own slice, which the update would read.
void finish_sums(GradientExchange<float>& exchange) {
  const std::size_t length = exchange.own_slice().size();
  for (std::size_t begin = 0; begin < length; begin += chunk_elements) {
    exchange.slice_sum({begin, std::min(begin + chunk_elements, length)});
  }
}

void time_exchange(const Communicator& world, int rounds, const std::string& net,
                   const ParameterLayout& layout, const std::string& way, HalvingRule rule) {
  GradientExchange<float> exchange(world, layout, static_cast<std::size_t>(world.size()),
                                   Reduction::reproducible, Transport::messages, rule);
  std::memset(exchange.accumulator().next_term(), 0, layout.size() * sizeof(float));
  exchange.accumulator().add_term();
  const std::size_t bytes = layout.size() * sizeof(float);
  print(world, net + " reduce_" + way, bytes, median_time(world, rounds, [&] {
          exchange.share_sums(0);
          finish_sums(exchange);
        }));
  print(world, net + " gather_" + way, bytes, median_time(world, rounds, [&] { exchange.share_slices(); }));
}

/// "784-512-10": the widths of a net.
std::vector<std::size_t> widths_of(std::string_view net) {
  std::vector<std::size_t> widths;
  const char* const end = net.data() + net.size();
  for (const char* at = net.data(); at < end; ++at) {
    std::size_t width = 0;
    at = std::from_chars(at, end, width).ptr;
    widths.push_back(width);
  }
  return widths;
}

int run(const Communicator& world, int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 0;
  if (rounds < 1 || (what != "links" && what != "exchange" && what != "direct" && what != "halving")) {
    if (world.is_root())
      std::fputs("usage: bench_messages links ROUNDS | exchange|direct|halving ROUNDS NET…\n", stderr);
    return 2;
  }
  const auto ranks = static_cast<std::size_t>(world.size());
  if (what == "links") {
    if (ranks > 1) links(world, rounds);
    return 0;
  }
  constexpr std::size_t any = std::numeric_limits<std::size_t>::max();
  constexpr HalvingRule never{any, 0}, always{2, any};
  for (int i = 3; i < argc; ++i) {
    const ParameterLayout layout(widths_of(argv[i]), sizeof(float));
    if (what != "halving") time_exchange(world, rounds, argv[i], layout, "direct", never);
    if (what == "direct" || ranks == 1 || !std::has_single_bit(ranks)) continue;
    time_exchange(world, rounds, argv[i], layout, "halving", always);
  }
  return 0;
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int status = 0;
  {
    const lockstep::Communicator world = lockstep::Communicator::world();
    status = lockstep::bench::run(world, argc, argv);
  }
  MPI_Finalize();
  return status;
}
