#!/bin/sh
# Usage: repair_macos_wheel.sh WHEEL FOLDER
# Makes the kernels of a macOS wheel use the libomp.dylib that torch brings, and puts the wheel
# into FOLDER. A second OpenMP runtime in one process ends in an error or in a second pool of threads.
set -eu
wheel=$1
folder=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python -m pip install --quiet wheel
python -m wheel unpack --dest "$work" "$wheel"
for library in "$work"/*/sparse3d/ops/_native*.so; do
  old=$(otool -L "$library" | awk '/libomp/ { print $1 }')
  install_name_tool -change "$old" @loader_path/../../torch/lib/libomp.dylib "$library"
  codesign --force --sign - "$library"
done
python -m wheel pack --dest-dir "$folder" "$work"/*/
