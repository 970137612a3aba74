# Arrays by the buffer protocol, and rows of the generated tables by name.
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDED_RO, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer)
from cpython.exc cimport PyErr_Occurred
from libc.stdlib cimport calloc, free

cdef class Buffer:
    """A borrowed array: its memory stays put while this object lives."""
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, array, int flags):
        PyObject_GetBuffer(array, &self.view, flags)
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

cdef Buffer flat(array, intp itemsize, intp least_count, bint writable=False):
    """Contiguous memory of at least so many items; None gives no buffer."""
    cdef Buffer b = Buffer(array, PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writable else 0))
    if b.view.itemsize != itemsize or b.view.len < itemsize * least_count:
        raise ValueError(
            f"a buffer of {b.view.len} bytes, items of {b.view.itemsize}, where {least_count} items of {itemsize} are needed")
    return b

cdef dict TYPES = {"e": F2, "f": F4, "d": F8, "?": U1, "b": I1, "B": U1}

cdef int source(Buffer b, Source *s) except -1:
    """How to read a matrix (or a vector, as one column) of any numeric type, stride and byte order."""
    cdef str form = (<bytes>b.view.format).decode() if b.view.format != NULL else "B"
    cdef str kind = form[len(form) - 1]
    s.data = <const char *>b.view.buf
    s.rows = b.view.shape[0]
    s.columns = b.view.shape[1] if b.view.ndim > 1 else 1
    s.row_stride = b.view.strides[0]
    s.column_stride = b.view.strides[1] if b.view.ndim > 1 else b.view.itemsize
    s.end = s.data
    if s.row_stride > 0 and s.column_stride == b.view.itemsize:
        s.end = s.data + (s.rows - 1) * s.row_stride + s.columns * s.column_stride
    s.swapped = b.view.itemsize > 1 and form[0] in ">!"
    if kind in TYPES:
        s.type = TYPES[kind]
    elif kind in "hilqHILQ":
        s.type = {1: I1, 2: I2, 4: I4, 8: I8}[b.view.itemsize] + (1 if kind.isupper() else 0)
    else:
        raise TypeError(f"no way to read items of format {form!r}")
    return 0

cdef int pending() except -1:
    """Raise what PyErr_CheckSignals left behind."""
    return -1 if PyErr_Occurred() != NULL else 0

cdef const Activation *find_activation(bytes name):
    cdef const Activation *row = ACTIVATIONS
    while row.name != NULL and (<bytes>row.name) != name:
        row += 1
    if row.name == NULL:
        raise KeyError(name)
    return row

cdef const Loss *find_loss(bytes name):
    cdef const Loss *row = LOSSES
    while row.name != NULL and (<bytes>row.name) != name:
        row += 1
    if row.name == NULL:
        raise KeyError(name)
    return row

cdef const Optimizer *find_optimizer(bytes name, int variant):
    cdef const Optimizer *row = OPTIMIZERS
    while row.name != NULL and not ((<bytes>row.name) == name and row.variant == variant):
        row += 1
    if row.name == NULL:
        raise KeyError(name)
    return row
