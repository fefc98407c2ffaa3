#include "lockstep/core/build_id.hpp"

#include <link.h>

#include <cstring>

namespace lockstep {
namespace {

std::string hex(const unsigned char* bytes, std::size_t count) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

/// Looks through a segment of notes: each a header, a name and a content, padded to 4 bytes.
std::string build_id_in(const unsigned char* notes, std::size_t bytes) {
  const auto padded = [](std::size_t length) { return (length + 3) & ~std::size_t{3}; };
  ElfW(Nhdr) note{};
  while (bytes >= sizeof note) {
    std::memcpy(&note, notes, sizeof note);
    const std::size_t length = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
    if (length > bytes) break;
    const unsigned char* const name = notes + sizeof note;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      return hex(name + padded(note.n_namesz), note.n_descsz);
    }
    notes += length;
    bytes -= length;
  }
  return "";
}

/// The first object is the program itself: a result other than 0 ends the search there.
int read_first_object(dl_phdr_info* object, std::size_t, void* found) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* const notes = reinterpret_cast<const unsigned char*>(object->dlpi_addr + segment.p_vaddr);
    const std::string id = build_id_in(notes, segment.p_memsz);
    if (!id.empty()) *static_cast<std::string*>(found) = id;
  }
  return 1;
}

}  // namespace

std::string build_id() {
  std::string id;
  dl_iterate_phdr(read_first_object, &id);
  return id;
}

}  // namespace lockstep
