#!/usr/bin/env bash
# Builds the kernels with AddressSanitizer and UBSan (gcc) in a temporary folder and runs the tests of the kernels and
# of training with them. Fails on the first report: a read or write outside an array, after free, undefined behaviour.
#
# Level v3 (AVX2) and base: every processor of the last ten years has them, and v4 differs in the width of vectors only.
# Buffers that share one block of memory stand behind fences (kernels/platform.h). Not to be seen: an access within the
# spare bytes around an array that begins on a cache line, and within one vector behind a buffer, which is meant to be.
# Ends with 86 where the sanitizers found something, with pytest's status otherwise.
# PYTHON names an interpreter that has the extra "test"; arguments go to pytest, in place of the files below.
set -euo pipefail
python=${PYTHON:-python3}
source "$(dirname "${BASH_SOURCE[0]}")/instrumented.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build_copy "$work" v3 -g1 -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

[ $# -gt 0 ] || set -- tests/test_kernels.py tests/test_vmath.py tests/test_random.py tests/test_computing.py \
  tests/test_fit.py tests/test_partial_fit.py tests/test_properties.py tests/test_optimizers.py tests/test_divergence.py \
  tests/test_dropout.py tests/test_clipping.py tests/test_private_rows.py tests/test_layer_options.py \
  tests/test_averaging.py tests/test_accumulation.py tests/test_factorization_kernels.py tests/test_sparse.py \
  tests/test_csr.py tests/test_lazy.py tests/test_lazy_layers.py tests/test_norms.py tests/test_residual.py \
  tests/test_embedding.py tests/test_embedding_inputs.py
# detect_leaks=0: the interpreter and NumPy keep memory until the process ends, thousands of blocks that are not ours.
# PYTHONMALLOC: every object in a block of its own from malloc, which the sanitizer guards; pymalloc's pools are not.
cd "$work/copy"
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0:exitcode=$found UBSAN_OPTIONS=print_stacktrace=1:exitcode=$found
export PYTHONMALLOC=malloc PYTHONPATH=$PWD
"$python" -P -c "import fastgrad, os; assert os.path.samefile(os.path.dirname(fastgrad.__file__), 'fastgrad')"
# capture=sys: a report goes to the process's own stderr, which pytest would take to its grave
"$python" -P -m pytest -q -x -p no:cacheprovider --capture=sys "$@"
