#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <span>
#include <string>

#include "lockstep/core/error.hpp"
#include "lockstep/io/checkpoint.hpp"
#include "temporary_directory.hpp"

/// What faults.py asks many times of lockstep's own reading functions.
///   faults_tool newest                    directories on standard input, a line each: the step of the newest
///                                         valid checkpoint of each, or "none"
///   faults_tool invalid FILE…             those of the files that are no valid checkpoints, a line each
///   faults_tool damage FILE COUNT SEED    flips bits and cuts: "COUNT damaged, N not found"
namespace {

using lockstep::FileError;

bool is_refused(const std::string& path) {
  try {
    lockstep::read_checkpoint_state(path);
    return false;
  } catch (const FileError&) {
    return true;
  }
}

int print_newest() {
  for (std::string directory; std::getline(std::cin, directory);) {
    std::string newest = "none";
    for (const std::string& path : lockstep::checkpoints_newest_first(directory)) {
      if (is_refused(path)) continue;
      newest = std::to_string(lockstep::read_checkpoint_state(path).step);
      break;
    }
    std::cout << newest << "\n";
  }
  return 0;
}

int print_invalid(std::span<char*> paths) {
  for (const char* path : paths) {
    if (is_refused(path)) std::cout << path << "\n";
  }
  return 0;
}

/// The first three of four are bit flips anywhere, the fourth is a truncation.
int damage(const std::string& path, std::size_t count, std::uint64_t seed) {
  std::ifstream file(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  const lockstep::TemporaryDirectory directory;
  std::mt19937_64 random(seed);
  std::size_t not_found = 0, done = 0;
  while (done < count) {
    std::string damaged = whole;
    const std::size_t place = random() % whole.size();
    const unsigned bit = static_cast<unsigned>(random() % 8);
    if (done % 4 == 3) {
      damaged.resize(place);
    } else {
      damaged[place] = static_cast<char>(damaged[place] ^ (1 << bit));
    }
    lockstep::write_text(directory / "damaged.h5", damaged);
    ++done;
    if (is_refused(directory / "damaged.h5")) continue;
    ++not_found;
    std::fprintf(stderr, "not found: byte %zu of %zu, %s\n", place, whole.size(),
                 done % 4 == 0 ? "truncated" : "flipped");
  }
  std::printf("%zu damaged, %zu not found\n", done, not_found);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "newest") return print_newest();
  if (what == "invalid") return print_invalid({argv + 2, argv + argc});
  if (what == "damage" && argc == 5) return damage(argv[2], std::stoull(argv[3]), std::stoull(argv[4]));
  std::cerr << "faults_tool newest | faults_tool invalid FILE… | faults_tool damage FILE COUNT SEED\n";
  return 2;
}
