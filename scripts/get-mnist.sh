#!/usr/bin/env bash
# Puts MNIST's four IDX files into DIR/mnist and prints that directory.
#   scripts/get-mnist.sh [--only-mnist] DIR
# From $MNIST_DIR if that is set, else from a public mirror (downloads that break off are resumed). Where neither works,
# Fashion-MNIST from the Debian package dataset-fashion-mnist takes its place in DIR/fashion-mnist (not with
# --only-mnist). Files are .gz or plain; the SHA-256 of the unzipped content is checked.
# LOCKSTEP_MNIST_MIRRORS: base addresses, separated by spaces, to be asked instead of the usual mirrors.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

default_mirrors='https://storage.googleapis.com/cvdf-datasets/mnist
https://ossci-datasets.s3.amazonaws.com/mnist
https://azureopendatastorage.blob.core.windows.net/mnist
https://raw.githubusercontent.com/fgnt/mnist/master'

files=(train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte)
# SHA-256 of the unzipped content.
declare -A digests=(
  [train-images-idx3-ubyte]=ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
  [train-labels-idx1-ubyte]=65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
  [t10k-images-idx3-ubyte]=0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
  [t10k-labels-idx1-ubyte]=ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
)

# has_content FILE NAME: whether FILE, unzipped if its name ends in .gz or .part, is MNIST's NAME.
has_content() {
  local digest
  case $1 in
    *.gz | *.part) digest=$(gzip -dc "$1" 2>/dev/null | sha256sum) || return 1 ;;
    *) digest=$(sha256sum <"$1") ;;
  esac
  [ "${digest%% *}" = "${digests[$2]}" ]
}

# find_file DIR NAME: prints DIR/NAME or DIR/NAME.gz, which convert takes, too.
find_file() {
  local candidate
  for candidate in "$1/$2" "$1/$2.gz"; do
    if [ -f "$candidate" ]; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# Whether DIR holds all four files of MNIST.
is_mnist() {
  local name file
  for name in "${files[@]}"; do
    file=$(find_file "$1" "$name") && has_content "$file" "$name" || return 1
  done
}

# Whether DIR holds four files with MNIST's names.
has_all_files() {
  local name
  for name in "${files[@]}"; do
    find_file "$1" "$name" >/dev/null || return 1
  done
}

link_from_mnist_dir() {
  local source name file
  source=$(cd "$MNIST_DIR" 2>/dev/null && pwd -P) || die 2 "MNIST_DIR='$MNIST_DIR' is not a directory"
  for name in "${files[@]}"; do
    file=$(find_file "$source" "$name") ||
      die 2 "MNIST_DIR='$MNIST_DIR' has neither $name.gz nor $name; expected: ${files[*]}, each plain or .gz"
    has_content "$file" "$name" ||
      die 2 "$file is not MNIST's $name: the SHA-256 of its (unzipped) content should be ${digests[$name]}"
  done
  mkdir -p "$mnist"
  for name in "${files[@]}"; do
    file=$(find_file "$source" "$name")
    [ "$file" -ef "$mnist/${file##*/}" ] && continue # MNIST_DIR is where the files go, or links to it
    rm -f "$mnist/$name" "$mnist/$name.gz"
    ln -s "$file" "$mnist/"
  done
}

# fetch URL FILE: downloads, going on where an earlier attempt stopped.
fetch() {
  if command -v curl >/dev/null; then
    curl --fail --location --silent --show-error --connect-timeout 10 --speed-limit 1000 --speed-time 30 \
      --continue-at - --output "$2" "$1"
  else
    wget --no-verbose --tries=1 --timeout=30 --continue --output-document="$2" "$1"
  fi
}

# download_from MIRROR NAME: goes on as long as attempts bring something. What one mirror gave is never continued from
# another. Whether a download is complete is seen from its content: servers refuse to continue a complete file.
download_from() {
  local part attempt size status
  part="$mnist/$2.gz.$(cksum <<<"$1" | cut -d ' ' -f 1).part"
  for attempt in 1 2 3 4 5; do
    size=$(stat -c %s "$part" 2>/dev/null || echo 0)
    status=0
    fetch "$1/$2.gz" "$part" || status=$?
    if [ -s "$part" ] && has_content "$part" "$2"; then
      mv "$part" "$mnist/$2.gz"
      rm -f "$mnist/$2.gz".*.part
      return 0
    fi
    if [ -s "$part" ] && gzip -t "$part" 2>/dev/null; then
      say "$1/$2.gz is not MNIST's file: the SHA-256 of its unzipped content differs from ${digests[$2]}"
      rm -f "$part"
      return 1
    fi
    if [ "$(stat -c %s "$part" 2>/dev/null || echo 0)" = "$size" ]; then
      # Nothing came. Only where the mirror answered, as curl and wget tell, it would not continue what there was.
      [ "$size" != 0 ] && [[ $status =~ ^(0|8|22|33)$ ]] || return 1
      rm -f "$part"
    fi
    say "Trying again ($attempt)"
  done
  return 1
}

download() {
  local name mirror file mirrors=${LOCKSTEP_MNIST_MIRRORS:-$default_mirrors}
  command -v curl >/dev/null || command -v wget >/dev/null || {
    say "Neither curl nor wget is installed: nothing can be downloaded."
    return 1
  }
  mkdir -p "$mnist"
  for name in "${files[@]}"; do
    file=$(find_file "$mnist" "$name") && has_content "$file" "$name" && continue
    rm -f "$mnist/$name" "$mnist/$name.gz"
    for mirror in $mirrors; do
      say "Downloading $name.gz from $mirror"
      download_from "$mirror" "$name" && continue 2
    done
    say "No mirror gave $name.gz (offline?). To use files you have: MNIST_DIR=/where/they/are $0"
    rmdir --ignore-fail-on-non-empty "$mnist"
    return 1
  done
}

link_fashion_mnist() {
  local missing name
  missing=$(missing_packages $fashion_mnist_package 2>/dev/null || echo $fashion_mnist_package)
  if ! has_all_files $fashion_mnist_files && [ -n "$missing" ]; then
    install_packages $fashion_mnist_package || true
  fi
  has_all_files $fashion_mnist_files || return 1
  say "Using Fashion-MNIST (Debian package $fashion_mnist_package) in place of MNIST: same format, harder to classify."
  mkdir -p "$fashion"
  for name in "${files[@]}"; do
    ln -sf "$(find_file $fashion_mnist_files "$name")" "$fashion/"
  done
}

only_mnist=no
if [ "${1:-}" = --only-mnist ]; then
  only_mnist=yes
  shift
fi
[ $# = 1 ] || die 2 "usage: get-mnist.sh [--only-mnist] DIR"
mkdir -p "$1" || die 2 "cannot make directory '$1'"
directory=$(cd "$1" && pwd -P)
mnist=$directory/mnist
fashion=$directory/fashion-mnist

if [ -n "${MNIST_DIR:-}" ]; then
  link_from_mnist_dir
  printf '%s\n' "$mnist"
elif is_mnist "$mnist"; then
  printf '%s\n' "$mnist"
elif [ $only_mnist = no ] && has_all_files "$fashion"; then
  say "Using the Fashion-MNIST of an earlier call; remove $fashion to try for MNIST again."
  printf '%s\n' "$fashion"
elif download; then
  printf '%s\n' "$mnist"
elif [ $only_mnist = no ] && link_fashion_mnist; then
  printf '%s\n' "$fashion"
else
  die 1 "no data: set MNIST_DIR to a directory with MNIST's four files, or install Debian's $fashion_mnist_package"
fi
