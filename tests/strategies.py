"""What hypothesis draws from: arrays in every form that is accepted, sizes around the edges of tiles."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

NUMBERS = ["f2", "f4", "f8", ">f2", ">f4", ">f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u8", "?"]
EDGES = [n for edge in (4, 8, 16, 32, 48, 64) for n in (edge - 1, edge, edge + 1)]  # of tiles and panels, any build's
widths = st.sampled_from(EDGES) | st.integers(1, 70)
few = st.integers(1, 9)


@st.composite
def matrices(draw, dtypes=NUMBERS, rows=few, columns=few):
    """Arrays (N, I) of any dtype, order and strides: C, Fortran, steps of either sign, read-only."""
    n, i = draw(rows), draw(columns)
    down, across = draw(st.sampled_from([1, 2, -1, -3])), draw(st.sampled_from([1, 2, -1, -3]))
    whole = (np.arange(1, 1 + n * abs(down) * i * abs(across)) * 7 % 100).reshape(n * abs(down), -1)
    X = whole.astype(draw(st.sampled_from(dtypes)), order=draw(st.sampled_from("CF")))[::down, ::across]
    X.flags.writeable = draw(st.booleans())
    return X
