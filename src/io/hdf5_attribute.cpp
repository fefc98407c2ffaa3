#include <bit>
#include <limits>

#include "lockstep/core/error.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

/// "file: /object: attribute 'name'"
std::string attribute_place(const std::string& where, const std::string& name) {
  return where + ": attribute '" + name + "'";
}

/// An opened attribute with its type and number of elements.
struct Attribute {
  Attribute(hid_t object, const std::string& name, const std::string& object_place)
      : place(attribute_place(object_place, name)) {
    if (!has_attribute(object, name, object_place)) throw FileError(place + " is missing");
    id = {hdf5_check(H5Aopen(object, name.c_str(), H5P_DEFAULT), place, "cannot be opened"), H5Aclose};
    type = {hdf5_check(H5Aget_type(id.get()), place, "cannot be read"), H5Tclose};
    space = {hdf5_check(H5Aget_space(id.get()), place, "cannot be read"), H5Sclose};
    count = static_cast<std::size_t>(
        hdf5_check(H5Sget_simple_extent_npoints(space.get()), place, "cannot be read"));
    // Attributes are stored inside the file's headers, which HDF5 checks against the file's end.
    if (count > std::numeric_limits<std::uint32_t>::max()) throw FileError(place + " is too long");
  }

  std::string place;
  Hdf5Handle id, type, space;
  std::size_t count = 0;
};

std::vector<std::string> read_variable_texts(const Attribute& attribute) {
  const Hdf5Handle memory(hdf5_check(H5Tcopy(attribute.type.get()), attribute.place, "cannot be read"),
                          H5Tclose);
  std::vector<char*> texts(attribute.count, nullptr);
  hdf5_check(H5Aread(attribute.id.get(), memory.get(), texts.data()), attribute.place, "cannot be read");
  std::vector<std::string> result;
  result.reserve(texts.size());
  for (const char* text : texts) result.emplace_back(text == nullptr ? "" : text);
  H5Dvlen_reclaim(memory.get(), attribute.space.get(), H5P_DEFAULT, texts.data());
  return result;
}

std::vector<std::string> read_fixed_texts(const Attribute& attribute) {
  const std::size_t width = H5Tget_size(attribute.type.get());
  const bool space_padded = H5Tget_strpad(attribute.type.get()) == H5T_STR_SPACEPAD;
  std::vector<char> bytes(width * attribute.count);
  hdf5_check(H5Aread(attribute.id.get(), attribute.type.get(), bytes.data()), attribute.place,
             "cannot be read");
  std::vector<std::string> result;
  for (std::size_t i = 0; i < attribute.count; ++i) {
    std::string text(bytes.data() + i * width, width);
    text.resize(std::min(text.size(), text.find('\0')));
    if (space_padded) text.resize(text.find_last_not_of(' ') + 1);
    result.push_back(std::move(text));
  }
  return result;
}

std::vector<std::string> read_texts(const Attribute& attribute) {
  if (attribute.count == 0) return {};  // h5py gives an empty list the type of numbers
  if (H5Tget_class(attribute.type.get()) != H5T_STRING) {
    throw FileError(attribute.place + ": expected a text, found something else");
  }
  return H5Tis_variable_str(attribute.type.get()) > 0 ? read_variable_texts(attribute)
                                                      : read_fixed_texts(attribute);
}

Hdf5Handle text_type(const std::string& place) {
  Hdf5Handle type(hdf5_check(H5Tcopy(H5T_C_S1), place, "cannot be made"), H5Tclose);
  hdf5_check(H5Tset_size(type.get(), H5T_VARIABLE), place, "cannot be made");
  hdf5_check(H5Tset_cset(type.get(), H5T_CSET_UTF8), place, "cannot be made");
  return type;
}

void write(hid_t object, const std::string& name, hid_t type, hid_t space, const void* data,
           const std::string& place) {
  const Hdf5Handle attribute(
      hdf5_check(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), place,
                 "cannot be made"),
      H5Aclose);
  if (data != nullptr) hdf5_check(H5Awrite(attribute.get(), type, data), place, "cannot be written");
}

Hdf5Handle list_space(std::size_t count, const std::string& place) {
  const hsize_t extent = count;
  return {hdf5_check(H5Screate_simple(1, &extent, nullptr), place, "cannot be made"), H5Sclose};
}

Hdf5Handle scalar_space(const std::string& place) {
  return {hdf5_check(H5Screate(H5S_SCALAR), place, "cannot be made"), H5Sclose};
}

herr_t collect_name(hid_t, const char* name, const H5A_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

}  // namespace

bool has_attribute(hid_t object, const std::string& name, const std::string& where) {
  return hdf5_check(H5Aexists(object, name.c_str()), attribute_place(where, name), "cannot be looked up") > 0;
}

std::string read_text_attribute(hid_t object, const std::string& name, const std::string& where) {
  const Attribute attribute(object, name, where);
  const std::vector<std::string> texts = read_texts(attribute);
  if (texts.size() != 1) {
    throw FileError(attribute.place + ": expected one text, found " + std::to_string(texts.size()));
  }
  return texts.front();
}

std::vector<std::string> read_texts_attribute(hid_t object, const std::string& name,
                                              const std::string& where) {
  return read_texts(Attribute(object, name, where));
}

template <class T>
std::vector<T> read_numbers_attribute(hid_t object, const std::string& name, const std::string& where) {
  const Attribute attribute(object, name, where);
  const H5T_class_t type_class = H5Tget_class(attribute.type.get());
  const bool fits = type_class == H5T_INTEGER || (type_class == H5T_FLOAT && std::is_floating_point_v<T>);
  if (!fits) {
    throw FileError(attribute.place + ": expected " +
                    (std::is_floating_point_v<T> ? "a number" : "a whole number") + ", found something else");
  }
  std::vector<T> numbers(attribute.count);
  if (numbers.empty()) return numbers;
  hdf5_check(H5Aread(attribute.id.get(), memory_type(element_type_of<T>()), numbers.data()), attribute.place,
             "cannot be read");
  return numbers;
}

template <class T>
T read_number_attribute(hid_t object, const std::string& name, const std::string& where) {
  const std::vector<T> numbers = read_numbers_attribute<T>(object, name, where);
  if (numbers.size() != 1) {
    throw FileError(attribute_place(where, name) + ": expected one number, found " +
                    std::to_string(numbers.size()));
  }
  return numbers.front();
}

std::vector<std::string> attribute_names(hid_t object, const std::string& where) {
  std::vector<std::string> names;
  hsize_t position = 0;
  hdf5_check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &position, collect_name, &names), where,
             "cannot list its attributes");
  return names;
}

void write_attribute(hid_t object, const std::string& name, std::string_view text, const std::string& where) {
  const std::string place = attribute_place(where, name);
  const std::string copy(text);
  const char* pointer = copy.c_str();
  write(object, name, text_type(place).get(), scalar_space(place).get(), &pointer, place);
}

void write_attribute(hid_t object, const std::string& name, const std::vector<std::string>& texts,
                     const std::string& where) {
  const std::string place = attribute_place(where, name);
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  write(object, name, text_type(place).get(), list_space(texts.size(), place).get(),
        pointers.empty() ? nullptr : pointers.data(), place);
}

template <class T>
void write_number_attribute(hid_t object, const std::string& name, T number, const std::string& where) {
  const std::string place = attribute_place(where, name);
  write(object, name, file_type(element_type_of<T>()), scalar_space(place).get(), &number, place);
}

template <class T>
void write_numbers_attribute(hid_t object, const std::string& name, std::span<const T> numbers,
                             const std::string& where) {
  const std::string place = attribute_place(where, name);
  write(object, name, file_type(element_type_of<T>()), list_space(numbers.size(), place).get(),
        numbers.empty() ? nullptr : numbers.data(), place);
}

template std::vector<std::int64_t> read_numbers_attribute<std::int64_t>(hid_t, const std::string&,
                                                                        const std::string&);
template std::vector<std::uint64_t> read_numbers_attribute<std::uint64_t>(hid_t, const std::string&,
                                                                          const std::string&);
template std::vector<double> read_numbers_attribute<double>(hid_t, const std::string&, const std::string&);
template std::int64_t read_number_attribute<std::int64_t>(hid_t, const std::string&, const std::string&);
template std::uint64_t read_number_attribute<std::uint64_t>(hid_t, const std::string&, const std::string&);
template double read_number_attribute<double>(hid_t, const std::string&, const std::string&);
template void write_number_attribute<std::int64_t>(hid_t, const std::string&, std::int64_t,
                                                   const std::string&);
template void write_number_attribute<std::uint64_t>(hid_t, const std::string&, std::uint64_t,
                                                    const std::string&);
template void write_number_attribute<double>(hid_t, const std::string&, double, const std::string&);
template void write_numbers_attribute<std::int64_t>(hid_t, const std::string&, std::span<const std::int64_t>,
                                                    const std::string&);
template void write_numbers_attribute<std::uint64_t>(hid_t, const std::string&,
                                                     std::span<const std::uint64_t>, const std::string&);
template void write_numbers_attribute<double>(hid_t, const std::string&, std::span<const double>,
                                              const std::string&);

}  // namespace lockstep
