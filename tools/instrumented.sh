# Sourced by sanitize.sh and valgrind.sh: build_copy makes a copy of the sources with kernels that a checker can read.
#
# The flags go through a compiler of our own name, since setup.py's -O3 -g0 would come after those of CFLAGS and win:
# a report without debug information has no file and line, and -O3 under AddressSanitizer compiles for ten minutes.

found=86  # how both scripts end where a memory error was found; a failed build or test ends otherwise

# build_copy FOLDER LEVEL FLAGS...: copy the checkout into FOLDER and compile it there, for base and LEVEL
build_copy() {
  local folder=$1 level=$2 root
  shift 2
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  mkdir -p "$folder/copy"
  # what a build left in the checkout stays behind: the kernels are to be compiled anew
  tar -C "$root" --exclude=.git --exclude='*.so' --exclude='fastgrad/kernels/_f*' --exclude=build --exclude=__pycache__ \
    -cf - fastgrad tests tools setup.py pyproject.toml README.md LICENSE | tar -C "$folder/copy" -xf -
  printf '#!/bin/sh\nexec %s "$@" %s\n' "${CC:-gcc}" "$*" >"$folder/cc"
  chmod +x "$folder/cc"
  # a command that puts an error into the copy, to see that it is found; noxfile.py has one
  [ -z "${PLANT:-}" ] || (cd "$folder/copy" && sh -c "$PLANT")
  (cd "$folder/copy" && CC=$folder/cc FASTGRAD_LEVELS=$level "$python" setup.py --quiet build_ext --inplace) ||
    { echo "$0: the build failed" >&2; return 2; }
}
