#include "lockstep/dist/mpi_error.hpp"

#include <gtest/gtest.h>
#include <mpi.h>

#include <string>

#include "lockstep/dist/communicator.hpp"

namespace lockstep {
namespace {

TEST(MpiError, NamesTheCallAndTheReason) {
  try {
    check_mpi(MPI_ERR_TRUNCATE, "MPI_Recv");
    FAIL();
  } catch (const MpiError& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find("MPI_Recv: "), 0u);
    EXPECT_NE(text.find("truncated"), std::string::npos) << text;
    EXPECT_EQ(error.code(), MPI_ERR_TRUNCATE);
  }
  EXPECT_NO_THROW(check_mpi(MPI_SUCCESS, "MPI_Recv"));
}

TEST(MpiError, ErrorsOfMpiBecomeExceptions) {
  const Communicator world = Communicator::world();
  EXPECT_THROW(check_mpi(MPI_Send(nullptr, 0, MPI_INT, world.size(), 0, world.handle()), "MPI_Send"),
               MpiError);
  EXPECT_THROW(check_mpi(MPI_Send(nullptr, 0, MPI_INT, world.size(), 0, MPI_COMM_WORLD), "MPI_Send"),
               MpiError);
}

}  // namespace
}  // namespace lockstep
