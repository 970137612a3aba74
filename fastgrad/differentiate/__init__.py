"""Differentiation of Python functions: read, lower to a small typed language, transform, print as Python for Numba.

The way of the data: reading (function -> syntax tree) -> structure (one exit, no jumps) -> lowering (typed program) ->
reverse (program of the gradient) -> tidy -> emit (readable source).
"""
