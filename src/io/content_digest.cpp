#include "lockstep/io/content_digest.hpp"

#include <array>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/sha256.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

constexpr int digested_depth = 8;
constexpr std::size_t digested_objects = 100'000;

/// One of lockstep's types, by its name; throws for others.
ElementType known_type(const std::string& name, const std::string& where) {
  for (const ElementType type : {ElementType::uint8, ElementType::int32, ElementType::int64,
                                 ElementType::uint64, ElementType::float32, ElementType::float64}) {
    if (element_name(type) == name) return type;
  }
  throw FileError(where + ": found numbers of type " + name + ", which lockstep does not write");
}

void add_bytes(Sha256& digest, const void* data, std::size_t bytes) {
  digest.update(std::span(static_cast<const std::byte*>(data), bytes));
}

void add_header(Sha256& digest, const std::string& type, std::span<const std::size_t> shape) {
  digest.update(type + "\n" + shape_text(shape) + "\n");
}

std::vector<std::size_t> attribute_shape(hid_t attribute, const std::string& where) {
  const Hdf5Handle space(hdf5_check(H5Aget_space(attribute), where, "cannot be read"), H5Sclose);
  const int rank = hdf5_check(H5Sget_simple_extent_ndims(space.get()), where, "cannot be read");
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  hdf5_check(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), where, "cannot be read");
  return {extent.begin(), extent.end()};
}

template <class T>
void add_numbers(Sha256& digest, hid_t object, const std::string& name, const std::string& where) {
  const std::vector<T> numbers = read_numbers_attribute<T>(object, name, where);
  add_bytes(digest, numbers.data(), numbers.size() * sizeof(T));
}

void add_attribute(Sha256& digest, hid_t object, const std::string& name, const std::string& where) {
  const Hdf5Handle attribute(hdf5_check(H5Aopen(object, name.c_str(), H5P_DEFAULT), where, "cannot be read"),
                             H5Aclose);
  const Hdf5Handle type(hdf5_check(H5Aget_type(attribute.get()), where, "cannot be read"), H5Tclose);
  const std::vector<std::size_t> shape = attribute_shape(attribute.get(), where);
  digest.update("@" + name + "\n");
  if (H5Tget_class(type.get()) == H5T_STRING) {
    add_header(digest, "text", shape);
    for (const std::string& text : read_texts_attribute(object, name, where)) {
      digest.update(text);
      digest.update(std::string_view("\0", 1));
    }
  } else if (H5Tequal(type.get(), file_type(ElementType::int64)) > 0) {
    add_header(digest, "int64", shape);
    add_numbers<std::int64_t>(digest, object, name, where);
  } else if (H5Tequal(type.get(), file_type(ElementType::uint64)) > 0) {
    add_header(digest, "uint64", shape);
    add_numbers<std::uint64_t>(digest, object, name, where);
  } else if (H5Tequal(type.get(), file_type(ElementType::float64)) > 0) {
    add_header(digest, "float64", shape);
    add_numbers<double>(digest, object, name, where);
  } else {
    throw FileError(where + ": attribute '" + name + "' is of a type that lockstep does not write");
  }
}

void add_array(Sha256& digest, hid_t file, const std::string& path, const std::string& file_name) {
  const Hdf5Array array = open_array(file, path, file_name);
  const ElementType type = known_type(array.type_name(), array.where);
  add_header(digest, array.type_name(), array.shape);
  const std::size_t elements = array.elements();
  const std::size_t bytes = elements * element_size(type);
  if (elements == 0) return;
  // What is stored plainly is bounded by the file's size; anything else could be a header's empty promise.
  if (H5Dget_storage_size(array.id.get()) != bytes) {
    throw FileError(array.where + ": is stored in a way that lockstep does not write");
  }
  std::vector<std::byte> buffer(bytes);
  hdf5_check(H5Dread(array.id.get(), memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data()),
             array.where, "cannot be read");
  add_bytes(digest, buffer.data(), buffer.size());
}

/// The walk over one file.
struct Walk {
  hid_t file;
  const std::string& file_name;
  Sha256 digest = {};
  std::size_t objects = 0;

  void add_object(const std::string& path, int depth);
  void add_children(hid_t group, const std::string& path, int depth);
};

void Walk::add_object(const std::string& path, int depth) {
  const std::string where = file_name + ": " + path;
  // A damaged file may hold a group that contains itself.
  if (depth > digested_depth || ++objects > digested_objects) {
    throw FileError(where + ": found more objects than lockstep writes");
  }
  const Hdf5Handle object(hdf5_check(H5Oopen(file, path.c_str(), H5P_DEFAULT), where, "cannot be opened"),
                          H5Oclose);
  digest.update(path + "\n");
  for (const std::string& name : attribute_names(object.get(), where)) {
    if (path != "/" || name != "sha256") add_attribute(digest, object.get(), name, where);
  }
  switch (H5Iget_type(object.get())) {
    case H5I_DATASET:
      add_array(digest, file, path, file_name);
      break;
    case H5I_GROUP:
      add_children(object.get(), path, depth);
      break;
    default:
      throw FileError(where + ": expected a group or an array, found something else");
  }
}

void Walk::add_children(hid_t group, const std::string& path, int depth) {
  for (const Hdf5Link& link : list_links(group, file_name + ": " + path)) {
    const std::string child = (path == "/" ? path : path + "/") + link.name;
    if (!link.is_hard) {
      throw FileError(file_name + ": " + child + ": found a link, which lockstep does not write");
    }
    add_object(child, depth + 1);
  }
}

}  // namespace

std::string content_sha256(hid_t file, const std::string& file_name) {
  Walk walk{file, file_name};
  walk.add_object("/", 0);
  return walk.digest.hex_digest();
}

}  // namespace lockstep
