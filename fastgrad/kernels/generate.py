"""Catalog -> C: the block functions and the tables that list them.  Run by the build; standard library only.

Each block is a plain loop over contiguous values.  The header that comes out is included once per (dtype, instruction set).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence

from ..catalog import ACTIVATIONS, LOSSES, OPTIMIZERS, VOCABULARY, Activation, Loss, Optimizer
from ..formulas import Block, emit_scalar, expand_hyper, parse, slots_of, variants
from ..private_rows import PRIVATE_LOSSES, PRIVATE_OPTIMIZERS

_HEAD = """/* Written by fastgrad/kernels/generate.py from fastgrad/catalog.py: not to be edited. */
#pragma once
#include "records.h"
"""


def _loop(
    block: Block,
    lines: Iterable[tuple[str, ast.expr]],
    loads: Mapping[str, str],
    stores: Iterable[str],
    kind: str = "real",
) -> str:
    """A loop body: loads, the formula's lines, stores.  Names get a prefix so that none can clash with C's."""
    names = dict.fromkeys([*loads, *(name for name, _ in lines)])
    text = [f"        {kind} {', '.join('v_' + n for n in names)};"]
    text += [f"        v_{name} = {source};" for name, source in loads.items()]
    text += [f"        v_{name} = {block.emit(expression)};" for name, expression in lines]
    return "\n".join([*text, *(f"        {s}" for s in stores)])


def _loops(
    block: Block, lines: Sequence[tuple[str, ast.expr]], loads: Mapping[str, str], stores: Mapping[str, str]
) -> str:
    """The loop over n values of arrays: the plain one, and before it, for formulas of arithmetic and roots alone, one over
    whole vectors with `v_sqrt` (simd.h), where the kernels have that: it is faster than what the compiler makes of a root."""
    plain = _loop(
        block, lines, {k: f"{a}[i]" for k, a in loads.items()}, [f"{a}[i] = v_{k};" for k, a in stores.items()]
    )
    if set(re.findall(r"vm_\w+|\?", plain)) != {"vm_sqrt"}:
        return _each("0", plain)
    whole = _loop(
        block,
        lines,
        {k: f"v_load({a} + i)" for k, a in loads.items()},
        [f"v_store({a} + i, v_{k});" for k, a in stores.items()],
        "V",
    )
    head = "    intp begin = 0;\n#ifdef FAST_ROOT\n    for (; begin + LANES <= n; begin += LANES) {\n"
    body = "        const intp i = begin;\n" + whole.replace("vm_sqrt", "v_sqrt")
    return f"{head}{body}\n    }}\n#endif\n{_each('begin', plain)}"


def _each(begin: str, body: str) -> str:
    return f"    INDEPENDENT for (intp i = {begin}; i < n; i++) {{\n{body}\n    }}\n"


def _function(head: str, constants: int, loops: str, before: str = "") -> str:
    consts = "".join(f"    const real c{k} = c[{k}];\n" for k in range(constants))
    return f"{head} {{\n{consts}{before}{loops}}}\n"


def _elementwise(name: str, text: str) -> str:
    """`a = formula(z)` over a block."""
    formula = parse(text)
    block = Block(frozenset(), {n: f"v_{n}" for n in (*formula.names, *(n for n, _ in formula.lines))})
    assert formula.value is not None
    body = _loop(block, formula.lines, {"z": "z[i]"}, [f"a[i] = {block.emit(formula.value)};"])
    return _function(f"static void {name}(readonly_ z, only a, intp n)", 0, _each("0", body))


def _derivative(row: Activation) -> str:
    """`g *= derivative(z, a)` over a block.  Where a piece of it is 1, g is left alone."""
    formula = parse(row.derivative)
    block = Block(frozenset(), {n: f"v_{n}" for n in (*formula.names, *(n for n, _ in formula.lines))})
    loads: dict[str, str] = {n: f"{n}[i]" for n in ("z", "a") if n in formula.names}
    assert formula.value is not None
    body = _loop(block, formula.lines, loads, [f"g[i] *= {block.emit(formula.value)};"])
    return _function(f"static void {row.name}_grad(readonly_ z, readonly_ a, only g, intp n)", 0, _each("0", body))


def _activation(row: Activation) -> tuple[str, str]:
    if row.formula == "z":  # nothing to do, and no pass over memory to do it
        return "", f'    {{"{row.name}", NULL, NULL, 0}},'
    needs_z = int("z" in parse(row.derivative).names)
    code = _elementwise(f"{row.name}_apply", row.formula) + _derivative(row)
    return code, f'    {{"{row.name}", {row.name}_apply, {row.name}_grad, {needs_z}}},'


def _loss(row: Loss) -> tuple[str, str]:
    links = {"p": "NULL", "softmax(p)": "NULL"}
    code = ""
    if row.link not in links:
        code += _elementwise(f"{row.name}_link", row.link.replace("(p)", "(z)").replace("-p", "-z"))
    link = links.get(row.link, f"{row.name}_link")
    prepare, constants, elementwise = "", 0, "NULL"
    if "sum(" not in row.value:
        code += _loss_block(row)
        prepare, elementwise = f"{row.name}_prepare", f"{row.name}_block"
        constants = len(_loss_constants(row))
    softmax = int(row.link == "softmax(p)")
    return code, (
        f'    {{"{row.name}", {elementwise}, {row.rows or "NULL"}, {link}, {prepare or "NULL"}, '
        f"{softmax}, {len(row.hyper)}, {constants}, {int(row.sums_values)}, {int(row.sums_slopes)}}},"
    )


def _loss_parts(row: Loss) -> tuple[Block, str]:
    """The block (with its constants found) and the loop body of value and derivative."""
    value, slope = parse(row.value), parse(row.derivative)
    assert value.value is not None and slope.value is not None
    lines = [*value.lines, ("value", value.value), *slope.lines, ("slope", slope.value)]
    names = {n for _, e in lines for n in _names(e)} | {n for n, _ in lines}
    block = Block(frozenset(row.hyper), {n: f"v_{n}" for n in names})
    body = _loop(block, lines, {"p": "p[i]", "t": "t[i]"}, ["l[i] = v_value;", "dp[i] = v_slope;"])
    return block, body


def _names(expression: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(expression) if isinstance(n, ast.Name)}


def _loss_constants(row: Loss) -> list[str]:
    return _loss_parts(row)[0].constants


def _loss_block(row: Loss) -> str:
    block, body = _loss_parts(row)
    head = f"static void {row.name}_block(readonly_ p, readonly_ t, only dp, only l, intp n, const real *c)"
    scalars = "".join(f"    const double s_{name} = h[{k}]; (void)s_{name};\n" for k, name in enumerate(row.hyper))
    scalars += "".join(f"    c[{k}] = {text};\n" for k, text in enumerate(block.constants))
    prepare = f"static void {row.name}_prepare(const double *h, double *c) {{\n    (void)h; (void)c;\n{scalars}}}\n"
    return prepare + _function(head, len(block.constants), _each("0", body), "    (void)c;\n")


def _optimizer(row: Optimizer) -> tuple[str, list[str]]:
    """Functions `prepare` (scalars, in double, once a step) and `step` (a block) of every variant."""
    code, records = "", []
    for index, flags in enumerate(variants(row)):
        name, slots = f"{row.name}_{index}", slots_of(row, flags)
        update, scalar_lines = parse(row.update, flags), parse(row.per_step).lines if row.per_step else ()
        hyper = list(expand_hyper(row))
        scalars = {"lr", "t", *hyper, *row.carry, *(n for n, _ in scalar_lines)}
        names = {*update.names, *(n for n, _ in update.lines)}
        block = Block(frozenset(scalars), {n: f"v_{n}" for n in names})
        written = {n for n, _ in update.lines}
        arrays = {"g": "g", "w": "w"} | {s: f"s_{s}" for s in slots}
        loads = {k: a for k, a in arrays.items() if k in names}
        stores = {k: a for k, a in arrays.items() if k != "g" and k in written}
        loops = _loops(block, update.lines, loads, stores)
        pointers = "".join(f"    real *RESTRICT s_{s} = slots + {k} * stride;\n" for k, s in enumerate(slots))
        head = f"static void {name}_step(only w, readonly_ g, only slots, intp stride, intp n, const real *c)"
        unused = "    (void)w; (void)slots; (void)stride; (void)c;\n"
        code += _prepare(name, row, hyper, scalar_lines, block.constants)
        code += _function(head, len(block.constants), loops, unused + pointers)
        records.append(
            f'    {{"{row.name}", {index}, {len(slots)}, {len(hyper)}, {len(row.carry)}, {len(block.constants)}, '
            f"{name}_prepare, {name}_step}},"
        )
    return code, records


def _prepare(
    name: str, row: Optimizer, hyper: list[str], lines: Iterable[tuple[str, ast.expr]], constants: list[str]
) -> str:
    text = f"static void {name}_prepare(const double *h, double s_lr, double s_t, double *carry, double *c) {{\n"
    text += "    (void)h; (void)s_lr; (void)s_t; (void)carry; (void)c;\n"
    text += "".join(f"    const double s_{n} = h[{k}]; (void)s_{n};\n" for k, n in enumerate(hyper))
    text += "".join(f"    double s_{n} = carry[{k}];\n" for k, n in enumerate(row.carry))
    for target, expression in lines:
        declare = "" if target in row.carry else "const double "
        text += f"    {declare}s_{target} = {emit_scalar(expression)};"
        text += "\n" if target in row.carry else f" (void)s_{target};\n"
    text += "".join(f"    carry[{k}] = s_{n};\n" for k, n in enumerate(row.carry))
    return text + "".join(f"    c[{k}] = {constant};\n" for k, constant in enumerate(constants)) + "}\n"


def header() -> str:
    """The whole generated header."""
    activations = [_activation(row) for row in ACTIVATIONS.values()]
    losses = [_loss(row) for row in (LOSSES | PRIVATE_LOSSES).values()]
    optimizers = [_optimizer(row) for row in (OPTIMIZERS | PRIVATE_OPTIMIZERS).values()]
    text = _HEAD + "".join(c for c, _ in [*activations, *losses]) + "".join(c for c, _ in optimizers)
    unary = [name for name in VOCABULARY if name not in ("maximum", "minimum", "where")]
    text += "".join(_elementwise(f"elementary_{name}", f"{name}(z)") for name in unary)
    listed = "".join(f'    {{"{name}", elementary_{name}}},\n' for name in unary)
    text += "static const Elementary ELEMENTARY[] = {\n" + listed + "    {NULL}};\n"
    text += "static const Activation ACTIVATIONS[] = {\n" + "\n".join(r for _, r in activations) + "\n    {NULL}};\n"
    text += "static const Loss LOSSES[] = {\n" + "\n".join(r for _, r in losses) + "\n    {NULL}};\n"
    rows = [r for _, records in optimizers for r in records]
    return text + "static const Optimizer OPTIMIZERS[] = {\n" + "\n".join(rows) + "\n    {NULL}};\n"
