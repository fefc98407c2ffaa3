#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

/// HDF5's C interface with handles that close themselves and exceptions in place of error codes. Errors are
/// not printed. Every function throws FileError with the place (`where`: "file: /dataset") and HDF5's own
/// reason.
namespace lockstep {

/// Owns one HDF5 identifier.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;
  ~Hdf5Handle() { reset(); }

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  void reset() noexcept;

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// The kinds of numbers that lockstep's files hold, always little-endian.
enum class ElementType { uint8, int32, int64, uint64, float32, float64 };
std::size_t element_size(ElementType type);
std::string element_name(ElementType type);
hid_t file_type(ElementType type);
hid_t memory_type(ElementType type);
template <class T>
constexpr ElementType element_type_of() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return ElementType::uint8;
  if constexpr (std::is_same_v<T, std::int32_t>) return ElementType::int32;
  if constexpr (std::is_same_v<T, std::int64_t>) return ElementType::int64;
  if constexpr (std::is_same_v<T, std::uint64_t>) return ElementType::uint64;
  if constexpr (std::is_same_v<T, float>) return ElementType::float32;
  if constexpr (std::is_same_v<T, double>) return ElementType::float64;
}

/// The innermost reason on HDF5's error stack, which is cleared.
std::string hdf5_error_text();
[[noreturn]] void throw_hdf5_error(const std::string& where, const char* what);
/// Throws FileError "where: what: HDF5's reason" for a negative result, else returns it. Where MPI failed
/// below HDF5, that is std::runtime_error.
template <class Result>
Result hdf5_check(Result result, const std::string& where, const char* what) {
  if (result < 0) throw_hdf5_error(where, what);
  return result;
}

/// Whether a file starts as HDF5 files do. Throws FileError if it is missing or unreadable.
bool is_hdf5(const std::string& path);
/// Throws FileError unless `path` is a file that looks like HDF5: missing, empty or something else.
void check_hdf5_signature(const std::string& path);
/// Opens for reading without a lock on the file. Tells missing, unreadable, empty, foreign and truncated
/// files apart. A child process reads it first, so that a damaged file that the library does not survive is
/// refused like any other.
Hdf5Handle open_hdf5(const std::string& path);
/// Through MPI-IO, with collective metadata reads (collective over `communicator`), and without the child:
/// for files that open_hdf5() has opened before.
Hdf5Handle open_hdf5_parallel(const std::string& path, MPI_Comm communicator);
/// Makes a new file, with that much room (0, 512, 1024 …) for other uses at its front.
Hdf5Handle create_hdf5(const std::string& path, std::size_t user_block_bytes = 0);
/// The same in memory only, so that what a disk refuses is met by plain writes: HDF5 cannot close a file
/// whose writes fail. `path` is what messages name.
Hdf5Handle create_hdf5_in_memory(const std::string& path, std::size_t user_block_bytes = 0);
/// All bytes of such a file, flushed. Valid until the file is changed or closed.
std::span<char> hdf5_image(hid_t file, const std::string& path);
/// Bytes of a file. Throws FileError if it is missing or not a regular file.
std::uint64_t file_size_bytes(const std::string& path);

/// Whether `path` ("/a/b") names an object that is reached by hard links only.
bool hdf5_exists(hid_t file, const std::string& path, const std::string& file_name);

/// Makes a group, or opens one; throws if it is missing.
Hdf5Handle make_group(hid_t file, const std::string& path, const std::string& file_name);
Hdf5Handle open_group(hid_t file, const std::string& path, const std::string& file_name);
/// One entry of a group.
struct Hdf5Link {
  std::string name;
  bool is_hard = false;
};
/// The entries of a group, names ascending.
std::vector<Hdf5Link> list_links(hid_t group, const std::string& where);

/// An opened array of numbers and what it looks like.
struct Hdf5Array {
  Hdf5Handle id;
  std::string where;  // "file: /path", for messages
  std::vector<std::size_t> shape;
  H5T_class_t type_class = H5T_NO_CLASS;  // H5T_INTEGER or H5T_FLOAT
  std::size_t type_bytes = 0;
  bool is_signed = false;
  bool big_endian = false;
  std::size_t elements() const;      // product of the shape
  std::size_t row_elements() const;  // of one entry of the first axis: 784 for shape (60000, 28, 28)
  std::string type_name() const;     // "uint8", "float64", "int16 (big-endian)"
};
/// Opens an array of integers or floats that lies wholly in this file. Refuses links to other files, external
/// and virtual storage, filters other than gzip, shuffle and Fletcher, arrays never written, and shapes whose
/// size in bytes overflows.
Hdf5Array open_array(hid_t file, const std::string& path, const std::string& file_name);

/// "(60000, 28, 28)".
std::string shape_text(std::span<const std::size_t> shape);

/// Makes a contiguous array and gives its handle.
Hdf5Handle create_array(hid_t location, const std::string& path, ElementType type,
                        std::span<const std::size_t> shape, const std::string& where);
/// Reads a whole array, converting to T. out: (elements()).
template <class T>
void read_array(const Hdf5Array& array, std::span<T> out);
/// Reads or writes the contiguous rows [begin, begin + count) of the first axis.
void read_row_block(const Hdf5Array& array, hid_t memory, std::size_t begin, std::size_t count, void* out);
void write_row_block(hid_t dataset, ElementType type, std::span<const std::size_t> shape, std::size_t begin,
                     std::size_t count, const void* data, const std::string& where);

/// Attributes of an object. Texts are variable-length UTF-8; fixed-length ones are read too.
bool has_attribute(hid_t object, const std::string& name, const std::string& where);
std::string read_text_attribute(hid_t object, const std::string& name, const std::string& where);
std::vector<std::string> read_texts_attribute(hid_t object, const std::string& name,
                                              const std::string& where);
template <class T>
T read_number_attribute(hid_t object, const std::string& name, const std::string& where);
template <class T>
std::vector<T> read_numbers_attribute(hid_t object, const std::string& name, const std::string& where);
std::vector<std::string> attribute_names(hid_t object, const std::string& where);
void write_attribute(hid_t object, const std::string& name, std::string_view text, const std::string& where);
void write_attribute(hid_t object, const std::string& name, const std::vector<std::string>& texts,
                     const std::string& where);
template <class T>
void write_number_attribute(hid_t object, const std::string& name, T number, const std::string& where);
template <class T>
void write_numbers_attribute(hid_t object, const std::string& name, std::span<const T> numbers,
                             const std::string& where);

}  // namespace lockstep
