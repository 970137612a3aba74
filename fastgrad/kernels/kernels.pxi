# One build of the kernels: for the type that REAL_BITS names and the instruction set that the compiler was told.
# The stubs made by setup.py include this file; they differ in name alone.
include "declare.pxi"
include "products.pxi"
include "steps.pxi"
include "online.pxi"
include "scores.pxi"
include "buffers.pxi"
include "program.pxi"
include "plan.pxi"
include "sparse.pxi"
include "trainer.pxi"
include "functions.pxi"
include "pieces.pxi"
