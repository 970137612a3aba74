#!/usr/bin/env bash
# Trains and predicts under valgrind's memcheck, and fails where an error has a frame in the compiled kernels: memory
# that was never written and decides a branch or reaches a system call, and accesses outside of what was allocated.
#
# Level v2: memcheck knows no AVX-512. Errors without a frame of ours are left out: the interpreter's and NumPy's
# own tricks with whole words are not for us to judge. PYTHON names an interpreter that has fastgrad's dependencies.
# Ends with 86 where memcheck found something of ours.
set -euo pipefail
python=${PYTHON:-python3}
source "$(dirname "${BASH_SOURCE[0]}")/instrumented.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build_copy "$work" v2 -g -O1

cd "$work/copy"
cat >"$work/job.py" <<'JOB'
import os, sys
import numpy as np
import fastgrad as fg

assert os.path.samefile(os.path.dirname(fg.__file__), "fastgrad"), fg.__file__
rng = np.random.default_rng(0)
for dtype in "float32", "float64":
    for sizes, loss in ([5, 1], "mse"), ([7, 17, 1], "binary_cross_entropy"), ([9, 33, 12, 3], "cross_entropy"):
        X = rng.normal(size=(43, sizes[0]))
        y = rng.integers(0, max(sizes[-1], 2), 43)
        for batch in 1, 8, None:
            for threads in 1, 2:
                net = fg.Network(sizes, activation="gelu", loss=loss, dtype=dtype)
                net.fit(X, y, epochs=1, batch_size=batch, threads=threads, validation=0.2, progress=False)
                net.partial_fit(X[::2].astype("f4"), y[::2])
                net.gradient(X, y, np.arange(43.0), threads=threads)
                net.backward(X, np.ones((43, sizes[-1])), inputs=True)
                scores = net.predict(np.asfortranarray(X), threads=threads)
                if not np.isfinite(scores).all() or not np.isfinite(net.parameters).all():  # a branch on every result
                    sys.exit("a result is not finite")
for name in "SGD", "Adam", "RAdam", "Lion":
    w, opt = rng.normal(size=83), getattr(fg, name)()
    opt.update(w, np.ones(83), opt.init(w))
    assert np.isfinite(w).all()
print("trained and predicted")
JOB
FASTGRAD_ISA=v2 PYTHONMALLOC=malloc PYTHONPATH=$PWD OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1 \
  valgrind --tool=memcheck --track-origins=no --num-callers=30 --error-limit=no --log-file="$work/log" \
  "$python" -P "$work/job.py"

sed -E 's/^==[0-9]+== ?//' "$work/log" | awk -v RS= -v found=$found '
  /(at|by) 0x/ { seen++ }
  /(at|by) 0x[^\n]*(_f(32|64)_(base|v2)|\/kernels\/)/ { ours++; print; print "" }
  END { printf "memcheck: %d of %d reports have a frame in the kernels\n", ours, seen; exit ours ? found : 0 }'
