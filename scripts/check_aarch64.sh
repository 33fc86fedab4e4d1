#!/bin/sh
# Build the C++ kernels for aarch64 with a cross compiler, run them on small inputs under an
# emulator, and compare their numbers with those of this machine's build for any x86-64.
#
# Exit status: 0 all is well, 1 not, 2 a tool is missing.
set -eu
cd "$(dirname "$0")/.."
work=build/aarch64
python=${PYTHON:-$(command -v .venv/bin/python python3 | head -n 1)}

missing() {
  echo "check-aarch64: $1 is missing; apt-get install g++-aarch64-linux-gnu qemu-user" >&2
  exit 2
}
for tool in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$tool" >/dev/null || missing "$tool"
done

# Flags of kernels are those of CMakeLists.txt, where all but MSVC's begin with -O3.
flags=$(sed -n 's/^ *set(KERNEL_FLAGS \(-O3 .*\))$/\1/p' CMakeLists.txt)
if [ -z "$flags" ]; then
  echo "check-aarch64: no KERNEL_FLAGS in CMakeLists.txt" >&2
  exit 1
fi

# build DIRECTORY COMPILER: all that needs no Python, warnings being errors, into DIRECTORY/check.
build() {
  rm -rf "$1"
  mkdir -p "$1"
  for source in native/kernels/*.cpp native/kernels/units/*_emulated.cpp \
    native/kernels/units/pack.cpp native/check/*.cpp \
    native/rasterize/*.cpp native/sparse/*.cpp native/draw/*.cpp; do
    case $source in
      native/kernels/*) own="$flags -DSPARSE3D_ISA=baseline" ;;
      native/check/*) own="-O1 -fopenmp -ffp-contract=off -DSPARSE3D_ISA=baseline" ;;
      *) own="-O3 -fopenmp" ;;
    esac
    # shellcheck disable=SC2086 # flags are words
    "$2" -std=c++17 -Wall -Wextra -Werror -Inative $own \
      -c "$source" -o "$1/$(echo "$source" | tr / _).o"
  done
  "$2" -fopenmp "$1"/*.o -o "$1/check"
}

build "$work/here" g++
build "$work/there" aarch64-linux-gnu-g++
"$work/here/check" >"$work/here.txt"
qemu-aarch64 -L /usr/aarch64-linux-gnu "$work/there/check" >"$work/there.txt"
"$python" scripts/compare_numbers.py "$work/here.txt" "$work/there.txt" || exit 1
