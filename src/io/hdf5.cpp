#include "lockstep/io/hdf5.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "hdf5_trial.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/io/file_type.hpp"

namespace lockstep {
namespace {

/// HDF5 prints its error stack and loads filters from plug-in directories by default; both end here.
void prepare_library() {
  static const bool prepared = [] {
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    return true;
  }();
  (void)prepared;
}

herr_t keep_last_description(unsigned, const H5E_error2_t* entry, void* text) {
  if (entry->desc != nullptr && entry->desc[0] != '\0') *static_cast<std::string*>(text) = entry->desc;
  return 0;
}

herr_t look_for_mpi(unsigned, const H5E_error2_t* entry, void* found) {
  if (entry->min_num == H5E_MPI || entry->min_num == H5E_MPIERRSTR) *static_cast<bool*>(found) = true;
  return 0;
}

/// Files are written by one process at a time and renamed when complete, so that locks, which many network
/// file systems lack, are of no use. HDF5_USE_FILE_LOCKING still overrides this.
Hdf5Handle serial_access(const std::string& path) {
  Hdf5Handle access(hdf5_check(H5Pcreate(H5P_FILE_ACCESS), path, "cannot set up the access"), H5Pclose);
  hdf5_check(H5Pset_file_locking(access.get(), false, true), path, "cannot turn off locking");
  // The sieve buffer would read more than the rows asked for.
  hdf5_check(H5Pset_sieve_buf_size(access.get(), 0), path, "cannot set up the access");
  return access;
}

Hdf5Handle open_checked(const std::string& path, hid_t access) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access);
  if (file < 0) throw_hdf5_error(path, "damaged HDF5 file, or not readable");
  return {file, H5Fclose};
}

}  // namespace

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
  if (this != &other) {
    reset();
    id_ = std::exchange(other.id_, H5I_INVALID_HID);
    close_ = other.close_;
  }
  return *this;
}

void Hdf5Handle::reset() noexcept {
  if (id_ >= 0) close_(id_);
  id_ = H5I_INVALID_HID;
}

std::string hdf5_error_text() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_last_description, &text);
  H5Eclear2(H5E_DEFAULT);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.empty() ? "no reason given by HDF5" : text;
}

void throw_hdf5_error(const std::string& where, const char* what) {
  bool is_mpi = false;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, look_for_mpi, &is_mpi);
  const std::string message = where + ": " + what + ": " + hdf5_error_text();
  if (is_mpi) throw std::runtime_error(message);  // messages that get lost are not the file's fault
  throw FileError(message);
}

std::uint64_t file_size_bytes(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw FileError(path + ": " + (errno == ENOENT ? "no such file" : std::strerror(errno)));
  }
  if (S_ISDIR(status.st_mode)) throw FileError(path + ": expected a file, found a directory");
  if (!S_ISREG(status.st_mode)) {
    std::error_code ignored;
    throw FileError(path + ": expected a regular file, found " +
                    file_type_name(std::filesystem::status(path, ignored).type()));
  }
  return static_cast<std::uint64_t>(status.st_size);
}

bool is_hdf5(const std::string& path) {
  prepare_library();
  if (file_size_bytes(path) == 0) return false;
  if (::access(path.c_str(), R_OK) != 0) throw FileError(path + ": " + std::strerror(errno));
  return hdf5_check(H5Fis_hdf5(path.c_str()), path, "cannot be read") > 0;
}

void check_hdf5_signature(const std::string& path) {
  if (is_hdf5(path)) return;
  throw FileError(path + ": expected an HDF5 file, found " +
                  (file_size_bytes(path) == 0 ? "an empty file" : "something else"));
}

Hdf5Handle open_hdf5_untried(const std::string& path) {
  return open_checked(path, serial_access(path).get());
}

Hdf5Handle open_hdf5(const std::string& path) {
  check_hdf5_signature(path);
  try_hdf5(path);
  return open_hdf5_untried(path);
}

Hdf5Handle open_hdf5_parallel(const std::string& path, MPI_Comm communicator) {
  prepare_library();
  Hdf5Handle access(hdf5_check(H5Pcreate(H5P_FILE_ACCESS), path, "cannot set up the access"), H5Pclose);
  hdf5_check(H5Pset_fapl_mpio(access.get(), communicator, MPI_INFO_NULL), path, "cannot set up MPI-IO");
  hdf5_check(H5Pset_all_coll_metadata_ops(access.get(), true), path,
             "cannot set up collective metadata reads");
  return open_checked(path, access.get());
}

namespace {

Hdf5Handle create_with(hid_t access, const std::string& path, std::size_t user_block_bytes) {
  // The format of HDF5 1.8 has checksums on metadata and allows attributes of more than 64 KiB.
  hdf5_check(H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST), path,
             "cannot set the version of the format");
  const Hdf5Handle creation(hdf5_check(H5Pcreate(H5P_FILE_CREATE), path, "cannot set up the file"), H5Pclose);
  hdf5_check(H5Pset_userblock(creation.get(), user_block_bytes), path, "cannot set up the user block");
  // Times would make equal contents differ: here, of the root group.
  hdf5_check(H5Pset_obj_track_times(creation.get(), false), path, "cannot set up the file");
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access);
  return {hdf5_check(file, path, "cannot be made"), H5Fclose};
}

}  // namespace

Hdf5Handle create_hdf5(const std::string& path, std::size_t user_block_bytes) {
  prepare_library();
  return create_with(serial_access(path).get(), path, user_block_bytes);
}

Hdf5Handle create_hdf5_in_memory(const std::string& path, std::size_t user_block_bytes) {
  prepare_library();
  const Hdf5Handle access = serial_access(path);
  // Grown byte by byte (arrays are written whole, so not often), the image is as long as the file would be.
  hdf5_check(H5Pset_fapl_core(access.get(), 1, false), path, "cannot set up the access");
  return create_with(access.get(), path, user_block_bytes);
}

std::span<char> hdf5_image(hid_t file, const std::string& path) {
  hdf5_check(H5Fflush(file, H5F_SCOPE_GLOBAL), path, "cannot be written");
  void* image = nullptr;  // the address of the driver's pointer
  hsize_t bytes = 0;
  hdf5_check(H5Fget_vfd_handle(file, H5P_DEFAULT, &image), path, "cannot be written");
  hdf5_check(H5Fget_filesize(file, &bytes), path, "cannot be written");
  return {*static_cast<char**>(image), static_cast<std::size_t>(bytes)};
}

}  // namespace lockstep
