#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

static_assert(std::endian::native == std::endian::little, "digests are taken over native numbers");

constexpr std::array<H5Z_filter_t, 3> known_filters = {H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE,
                                                       H5Z_FILTER_FLETCHER32};

constexpr std::size_t most_expansion = 1032;  // deflate's limit

Hdf5Handle simple_space(std::span<const std::size_t> shape, const std::string& where) {
  std::vector<hsize_t> extent(shape.begin(), shape.end());
  const hid_t space = extent.empty()
                          ? H5Screate(H5S_SCALAR)
                          : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr);
  return {hdf5_check(space, where, "cannot describe its shape"), H5Sclose};
}

/// Refuses data that does not lie in the file itself, or that only a plug-in could decode.
void check_storage(const Hdf5Array& array) {
  const Hdf5Handle creation(
      hdf5_check(H5Dget_create_plist(array.id.get()), array.where, "cannot read how it is stored"), H5Pclose);
  if (H5Pget_layout(creation.get()) == H5D_VIRTUAL || H5Pget_external_count(creation.get()) != 0) {
    throw FileError(array.where + ": expected numbers in this file, found a reference to other files");
  }
  const int filters = H5Pget_nfilters(creation.get());
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, options = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &values,
                                               nullptr, 0, nullptr, &options);
    if (std::find(known_filters.begin(), known_filters.end(), filter) == known_filters.end()) {
      throw FileError(array.where + ": expected no compression, or gzip, found HDF5 filter " +
                      std::to_string(filter));
    }
  }
}

/// A header can promise any size: what is not in the file is found out before memory is asked for it.
void check_size(const Hdf5Array& array, hid_t file) {
  const std::size_t most = std::numeric_limits<std::size_t>::max() / 16;
  std::size_t bytes = std::max<std::size_t>(array.type_bytes, 8);
  for (const std::size_t extent : array.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes) || bytes > most) {
      throw FileError(array.where + ": its shape " + shape_text(array.shape) + " is larger than any memory");
    }
  }
  if (bytes == 0) return;
  H5D_space_status_t status = H5D_SPACE_STATUS_NOT_ALLOCATED;
  hdf5_check(H5Dget_space_status(array.id.get(), &status), array.where, "cannot tell how much was written");
  if (status == H5D_SPACE_STATUS_NOT_ALLOCATED) {
    throw FileError(array.where + ": expected numbers of shape " + shape_text(array.shape) +
                    ", found that none were ever written");
  }
  hsize_t file_bytes = 0;
  hdf5_check(H5Fget_filesize(file, &file_bytes), array.where, "cannot tell the file's size");
  const hsize_t stored = H5Dget_storage_size(array.id.get());
  if (stored > file_bytes) {
    throw FileError(array.where + ": expected " + std::to_string(stored) +
                    " bytes of numbers, found a file of " + std::to_string(file_bytes) + " bytes");
  }
  // A single piece that was written makes an array of any size.
  const hsize_t whole = bytes / std::max<std::size_t>(array.type_bytes, 8) * array.type_bytes;
  if (whole / most_expansion > stored) {
    throw FileError(array.where + ": expected numbers of shape " + shape_text(array.shape) +
                    ", found that most were never written");
  }
}

void read_type(Hdf5Array& array) {
  const Hdf5Handle type(hdf5_check(H5Dget_type(array.id.get()), array.where, "cannot read its type"),
                        H5Tclose);
  array.type_class = H5Tget_class(type.get());
  array.type_bytes = H5Tget_size(type.get());
  array.is_signed = array.type_class == H5T_FLOAT || H5Tget_sign(type.get()) == H5T_SGN_2;
  array.big_endian = H5Tget_order(type.get()) == H5T_ORDER_BE && array.type_bytes > 1;
  const bool integer = array.type_class == H5T_INTEGER && std::has_single_bit(array.type_bytes);
  const bool real =
      array.type_class == H5T_FLOAT && std::has_single_bit(array.type_bytes) && array.type_bytes > 1;
  if ((!integer && !real) || array.type_bytes > 8) {
    throw FileError(array.where + ": expected integers or floats of up to 64 bits, found " +
                    array.type_name());
  }
}

void read_shape(Hdf5Array& array) {
  const Hdf5Handle space(hdf5_check(H5Dget_space(array.id.get()), array.where, "cannot read its shape"),
                         H5Sclose);
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) {
    throw FileError(array.where + ": expected an array, found an empty one without a shape");
  }
  const int rank = hdf5_check(H5Sget_simple_extent_ndims(space.get()), array.where, "cannot read its shape");
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  hdf5_check(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), array.where,
             "cannot read its shape");
  array.shape.assign(extent.begin(), extent.end());
}

/// Selects rows [begin, begin + count) of the first axis; a matching memory space goes to `memory`.
Hdf5Handle select_rows(std::span<const std::size_t> shape, std::size_t begin, std::size_t count,
                       const std::string& where, Hdf5Handle& memory) {
  Hdf5Handle space = simple_space(shape, where);
  std::vector<hsize_t> start(shape.size(), 0), extent(shape.begin(), shape.end());
  start[0] = begin;
  extent[0] = count;
  hdf5_check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr),
             where, "cannot select rows");
  const std::vector<std::size_t> selected(extent.begin(), extent.end());
  memory = simple_space(selected, where);
  return space;
}

herr_t collect_link(hid_t, const char* name, const H5L_info_t* info, void* links) {
  static_cast<std::vector<Hdf5Link>*>(links)->push_back({name, info->type == H5L_TYPE_HARD});
  return 0;
}

/// Makes the groups above a path that are not there. HDF5 would do it, too, but note the time in them.
void make_groups_above(hid_t location, const std::string& path, const std::string& where) {
  for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string group = path.substr(0, end);
    if (hdf5_check(H5Lexists(location, group.c_str(), H5P_DEFAULT), where, "cannot be made") == 0) {
      make_group(location, group, where);
    }
  }
}

}  // namespace

std::size_t element_size(ElementType type) {
  switch (type) {
    case ElementType::uint8:
      return 1;
    case ElementType::int32:
    case ElementType::float32:
      return 4;
    default:
      return 8;
  }
}

std::string element_name(ElementType type) {
  switch (type) {
    case ElementType::uint8:
      return "uint8";
    case ElementType::int32:
      return "int32";
    case ElementType::int64:
      return "int64";
    case ElementType::uint64:
      return "uint64";
    case ElementType::float32:
      return "float32";
    case ElementType::float64:
      break;
  }
  return "float64";
}

hid_t file_type(ElementType type) {
  switch (type) {
    case ElementType::uint8:
      return H5T_STD_U8LE;
    case ElementType::int32:
      return H5T_STD_I32LE;
    case ElementType::int64:
      return H5T_STD_I64LE;
    case ElementType::uint64:
      return H5T_STD_U64LE;
    case ElementType::float32:
      return H5T_IEEE_F32LE;
    case ElementType::float64:
      break;
  }
  return H5T_IEEE_F64LE;
}

// The host is little-endian (asserted above), so both are the same.
hid_t memory_type(ElementType type) {
  return file_type(type);
}

std::string shape_text(std::span<const std::size_t> shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

std::size_t Hdf5Array::elements() const {
  std::size_t product = 1;
  for (const std::size_t extent : shape) product *= extent;
  return product;
}

std::size_t Hdf5Array::row_elements() const {
  std::size_t product = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) product *= shape[axis];
  return product;
}

std::string Hdf5Array::type_name() const {
  const std::string bits = std::to_string(8 * type_bytes);
  const std::string order = big_endian ? " (big-endian)" : "";
  switch (type_class) {
    case H5T_INTEGER:
      return (is_signed ? "int" : "uint") + bits + order;
    case H5T_FLOAT:
      return "float" + bits + order;
    case H5T_STRING:
      return "texts";
    case H5T_ENUM:
      return "an enumeration (or booleans)";
    case H5T_COMPOUND:
      return "a compound type";
    default:
      return "another kind of type";
  }
}

bool hdf5_exists(hid_t file, const std::string& path, const std::string& file_name) {
  const std::string where = file_name + ": " + path;
  if (path.size() < 2 || path.front() != '/') {
    throw FileError(where + ": expected a path like /train/x");
  }
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (hdf5_check(H5Lexists(file, part.c_str(), H5P_DEFAULT), where, "cannot be looked up") == 0)
      return false;
    H5L_info_t link{};
    hdf5_check(H5Lget_info(file, part.c_str(), &link, H5P_DEFAULT), where, "cannot be looked up");
    if (link.type != H5L_TYPE_HARD) {
      throw FileError(where + ": expected data in this file, found that " + part +
                      " is a soft or external link");
    }
    if (end == std::string::npos) return true;
    H5O_info_t object{};
    hdf5_check(H5Oget_info_by_name(file, part.c_str(), &object, H5P_DEFAULT), where, "cannot be looked up");
    if (object.type != H5O_TYPE_GROUP) return false;  // nothing is below it
  }
}

Hdf5Handle make_group(hid_t file, const std::string& path, const std::string& file_name) {
  const std::string where = file_name + ": " + path;
  const Hdf5Handle creation(hdf5_check(H5Pcreate(H5P_GROUP_CREATE), where, "cannot be made"), H5Pclose);
  hdf5_check(H5Pset_obj_track_times(creation.get(), false), where, "cannot be made");
  const hid_t id = H5Gcreate2(file, path.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT);
  return {hdf5_check(id, where, "cannot be made"), H5Gclose};
}

Hdf5Handle open_group(hid_t file, const std::string& path, const std::string& file_name) {
  const std::string where = file_name + ": " + path;
  if (!hdf5_exists(file, path, file_name))
    throw FileError(where + ": expected a group, found nothing of this name");
  return {hdf5_check(H5Gopen2(file, path.c_str(), H5P_DEFAULT), where, "is not a readable group"), H5Gclose};
}

std::vector<Hdf5Link> list_links(hid_t group, const std::string& where) {
  std::vector<Hdf5Link> links;
  hdf5_check(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_link, &links), where,
             "cannot be listed");
  return links;
}

Hdf5Array open_array(hid_t file, const std::string& path, const std::string& file_name) {
  Hdf5Array array;
  array.where = file_name + ": " + path;
  if (!hdf5_exists(file, path, file_name)) {
    throw FileError(array.where + ": expected an array, found nothing of this name");
  }
  array.id = {hdf5_check(H5Dopen2(file, path.c_str(), H5P_DEFAULT), array.where, "is not a readable array"),
              H5Dclose};
  check_storage(array);  // first: to ask for a virtual array's shape opens the files that it names
  read_type(array);
  read_shape(array);
  check_size(array, file);
  return array;
}

Hdf5Handle create_array(hid_t location, const std::string& path, ElementType type,
                        std::span<const std::size_t> shape, const std::string& where) {
  make_groups_above(location, path, where);
  const Hdf5Handle creation(hdf5_check(H5Pcreate(H5P_DATASET_CREATE), where, "cannot be made"), H5Pclose);
  // Every element gets written, so that no fill value is needed; times would make equal contents differ.
  hdf5_check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), where, "cannot be made");
  hdf5_check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), where, "cannot be made");
  hdf5_check(H5Pset_obj_track_times(creation.get(), false), where, "cannot be made");
  const Hdf5Handle space = simple_space(shape, where);
  const hid_t id = H5Dcreate2(location, path.c_str(), file_type(type), space.get(), H5P_DEFAULT,
                              creation.get(), H5P_DEFAULT);
  return {hdf5_check(id, where, "cannot be made"), H5Dclose};
}

template <class T>
void read_array(const Hdf5Array& array, std::span<T> out) {
  if (out.size() != array.elements()) {
    throw FileError(array.where + ": expected " + std::to_string(out.size()) + " numbers, found shape " +
                    shape_text(array.shape));
  }
  if (out.empty()) return;
  hdf5_check(
      H5Dread(array.id.get(), memory_type(element_type_of<T>()), H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()),
      array.where, "cannot be read");
}

void read_row_block(const Hdf5Array& array, hid_t memory, std::size_t begin, std::size_t count, void* out) {
  if (count == 0) return;
  Hdf5Handle memory_space;
  const Hdf5Handle space = select_rows(array.shape, begin, count, array.where, memory_space);
  hdf5_check(H5Dread(array.id.get(), memory, memory_space.get(), space.get(), H5P_DEFAULT, out), array.where,
             "cannot be read");
}

void write_row_block(hid_t dataset, ElementType type, std::span<const std::size_t> shape, std::size_t begin,
                     std::size_t count, const void* data, const std::string& where) {
  if (count == 0) return;
  Hdf5Handle memory_space;
  const Hdf5Handle space = select_rows(shape, begin, count, where, memory_space);
  hdf5_check(H5Dwrite(dataset, memory_type(type), memory_space.get(), space.get(), H5P_DEFAULT, data), where,
             "cannot be written");
}

template void read_array<std::uint8_t>(const Hdf5Array&, std::span<std::uint8_t>);
template void read_array<std::int32_t>(const Hdf5Array&, std::span<std::int32_t>);
template void read_array<std::int64_t>(const Hdf5Array&, std::span<std::int64_t>);
template void read_array<std::uint64_t>(const Hdf5Array&, std::span<std::uint64_t>);
template void read_array<float>(const Hdf5Array&, std::span<float>);
template void read_array<double>(const Hdf5Array&, std::span<double>);

}  // namespace lockstep
