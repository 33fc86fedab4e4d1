#!/bin/sh
# Build the C++ kernels with the address and undefined-behaviour sanitisers into an environment of
# their own, and run the tests of the operators with them.
set -eu
cd "$(dirname "$0")/.."
work=build/sanitized
rm -rf "$work/env" "$work/dist"

CXXFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
  SPARSE3D_REQUIRE_NATIVE=1 .venv/bin/python -m build --wheel --no-isolation \
  -Cbuild-dir="$work/objects" -Ccmake.build-type=RelWithDebInfo -o "$work/dist"

.venv/bin/python -m venv --without-pip "$work/env"
site=$("$work/env/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
.venv/bin/python -m zipfile -e "$work"/dist/*.whl "$site"
# A plain path: the editable install of .venv, made by a .pth file in there, stays out.
.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' >"$site/borrowed.pth"

# -I: the package of the clone, which has no kernels beside it, must not be found first.
LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
  ASAN_OPTIONS=detect_leaks=0 \
  "$work/env/bin/python" -I -m pytest -m "not slow" -p no:cacheprovider "${@:-tests/ops}"
