#include "lockstep/dist/agreement.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

namespace lockstep {
namespace {

/// The error that `call` throws; every rank has to see the same one.
template <class F>
AgreedError agreed_error_of(const Communicator& world, F&& call) {
  try {
    call();
  } catch (const AgreedError& error) {
    const std::string of_root = world.broadcast(error.what());
    EXPECT_EQ(of_root, error.what());
    EXPECT_EQ(world.all_reduce_max(error.rank()), world.all_reduce_min(error.rank()));
    return error;
  }
  ADD_FAILURE() << "no AgreedError";
  return {"none", ExitStatus::done, -1, ""};
}

TEST(Collectively, ReturnsEveryRanksOwnValue) {
  const Communicator world = Communicator::world();
  EXPECT_EQ(collectively(world, [&] { return world.rank() * 2; }), world.rank() * 2);
  const std::unique_ptr<int> moved = collectively(world, [] { return std::make_unique<int>(3); });
  EXPECT_EQ(*moved, 3);
  bool ran = false;
  collectively(world, [&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(Collectively, AnErrorOnOneRankIsThrownOnAllAndNamesTheRank) {
  const Communicator world = Communicator::world();
  for (int failing = 0; failing < world.size(); ++failing) {
    const std::string host = world.broadcast(world.host(), failing);
    const AgreedError error = agreed_error_of(world, [&] {
      collectively(world, [&] {
        if (world.rank() == failing) throw FileError("x.h5: not found");
        return 1;
      });
    });
    const std::string prefix = failing == 0 ? "" : "rank " + std::to_string(failing) + " on " + host + ": ";
    EXPECT_EQ(std::string(error.what()), prefix + "x.h5: not found");
    EXPECT_EQ(error.status(), ExitStatus::user_error);
    EXPECT_EQ(error.rank(), failing);
    EXPECT_EQ(error.host(), host);
  }
}

TEST(Collectively, APathThatMayNotBeUsedIsTheUsersMistake) {
  const Communicator world = Communicator::world();
  for (const auto& [reason, status] : {std::pair(std::errc::permission_denied, ExitStatus::user_error),
                                       {std::errc::no_space_on_device, ExitStatus::failure}}) {
    const std::error_code code = std::make_error_code(reason);
    const AgreedError error = agreed_error_of(world, [&] {
      collectively(world, [&] { throw std::filesystem::filesystem_error("status", "runs/a", code); });
    });
    EXPECT_EQ(std::string(error.what()), "runs/a: " + code.message());
    EXPECT_EQ(error.status(), status);
  }
}

TEST(Collectively, TheSameErrorOnAllRanksNamesNone) {
  const Communicator world = Communicator::world();
  const AgreedError error =
      agreed_error_of(world, [&] { collectively(world, [] { throw std::runtime_error("disk full"); }); });
  EXPECT_STREQ(error.what(), "disk full");
  EXPECT_EQ(error.status(), ExitStatus::failure);
  EXPECT_EQ(error.rank(), 0);
}

TEST(Collectively, OfDifferentErrorsTheLowestRanksCounts) {
  const Communicator world = Communicator::world();
  const int first = world.size() > 1 ? 1 : 0;
  const AgreedError error = agreed_error_of(world, [&] {
    collectively(world, [&] {
      if (world.rank() == first) throw UserError("mine");
      if (world.rank() > first) throw std::runtime_error("rank " + std::to_string(world.rank()));
    });
  });
  EXPECT_NE(std::string(error.what()).find("mine"), std::string::npos);
  EXPECT_EQ(error.status(), ExitStatus::user_error);
  EXPECT_EQ(error.rank(), first);
}

TEST(Collectively, LongMessagesArriveWhole) {
  const Communicator world = Communicator::world();
  const std::string text(200'000, 'm');
  const AgreedError error =
      agreed_error_of(world, [&] { collectively(world, [&] { throw UserError(text); }); });
  EXPECT_EQ(error.what(), text);
}

TEST(Collectively, AnythingThrownIsAnError) {
  const Communicator world = Communicator::world();
  const AgreedError memory =
      agreed_error_of(world, [&] { collectively(world, [] { throw std::bad_alloc(); }); });
  EXPECT_STREQ(memory.what(), "out of memory");
  const AgreedError unknown = agreed_error_of(world, [&] { collectively(world, [] { throw 42; }); });
  EXPECT_EQ(unknown.status(), ExitStatus::failure);
}

TEST(Collectively, AnAgreedErrorKeepsMessageAndStatus) {
  const Communicator world = Communicator::world();
  const AgreedError error = agreed_error_of(
      world, [&] { collectively(world, [&] { collectively(world, [] { throw UserError("inner"); }); }); });
  EXPECT_STREQ(error.what(), "inner");
  EXPECT_EQ(error.status(), ExitStatus::user_error);
}

TEST(Collectively, AnErrorOfMpiIsNotAgreedOn) {
  const Communicator world = Communicator::world();
  EXPECT_THROW(collectively(world, [] { check_mpi(MPI_ERR_OTHER, "MPI_Bcast"); }), MpiError);
}

TEST(Collectively, AllRanksGoOnTogetherAfterAnError) {
  const Communicator world = Communicator::world();
  for (int i = 0; i < 50; ++i) {
    const int failing = i % (world.size() + 1);  // in some rounds no rank
    int caught = 0;
    try {
      collectively(world, [&] {
        if (world.rank() == failing) throw UserError("x");
      });
    } catch (const AgreedError&) {
      caught = 1;
    }
    ASSERT_EQ(caught, failing < world.size() ? 1 : 0);
    ASSERT_EQ(world.all_reduce_sum(caught), caught * world.size());
  }
}

TEST(OnRoot, RunsOnTheRootOnly) {
  const Communicator world = Communicator::world();
  int runs = 0;
  const std::optional<std::string> text = on_root(world, [&] {
    ++runs;
    return std::string("t");
  });
  EXPECT_EQ(text.has_value(), world.is_root());
  on_root(world, [&] { ++runs; });
  EXPECT_EQ(runs, world.is_root() ? 2 : 0);
}

TEST(OnRoot, ItsErrorIsThrownOnAllRanks) {
  const Communicator world = Communicator::world();
  const AgreedError error =
      agreed_error_of(world, [&] { on_root(world, [] { throw UserError("no such flag"); }); });
  EXPECT_STREQ(error.what(), "no such flag");
  EXPECT_EQ(error.status(), ExitStatus::user_error);
  const AgreedError other =
      agreed_error_of(world, [&] { on_root(world, []() -> int { throw std::runtime_error("broken"); }); });
  const std::string host = world.broadcast(world.host());
  EXPECT_EQ(other.what(), world.size() == 1 ? "broken" : "rank 0 on " + host + ": broken");
  EXPECT_EQ(other.status(), ExitStatus::failure);
}

}  // namespace
}  // namespace lockstep
