"""The compiled kernels, one module per dtype and instruction set, and the generator of their block functions."""
