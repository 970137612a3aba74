"""What random expressions look like, as data: lists of templates; fuzz_expressions.py fills the places in angle brackets.

<n> a number, <0> a simple one, <k> a literal, <c> a condition; <v> a vector and <p> a part of an array, both of the length
that is wanted, <L>, and <P> a part of length LENGTH; <w> the name of a vector; <m> a matrix, <M> a simple one; <t> an array
of three dimensions, <T> the name of one; <i> an index of LENGTH, <j> one of 2, <x> an axis of a matrix; <2> and <3> slices of
that length out of LENGTH; <I> an integer name, <q> an index array.  <w> and <M> are the same throughout a template.
"""

from __future__ import annotations

from fuzz_names import LENGTH

EYE = f"np.eye({LENGTH})"

NUMBERS = [
    "(<n> + <n>)", "(<n> - <n>)", "<n> * <n>", "<n> * <n>", "<n> / (2.0 + (<n>) ** 2)", "math.sin(<n>)", "math.cos(<n>)",
    "math.tanh(<n>)", "math.exp(-((<n>) ** 2))", "math.sqrt(1.0 + (<n>) ** 2)", "math.log(1.5 + (<n>) ** 2)",
    "math.atan2(<n>, 2.0 + (<n>) ** 2)", "abs(<n>)", "max(<n>, <n>)", "min(<n>, <n>)", "(<n> if <c> else <n>)",
    "(<n>) ** 2", "0.3 * (<n>) ** 3", "-(<n>)", "np.sin(<n>)", "math.erf(<n>)", "math.hypot(<n>, 1.0 + (<n>) ** 2)",
    "math.lgamma(1.5 + (<n>) ** 2)", "(1.2 + (<n>) ** 2) ** 1.5", "float(np.where(<c>, <n>, <n>))", "sum((<n>, <n>, <k>))",
    "np.maximum(<n>, <n>)", "math.log1p((<n>) ** 2)", "float(<n>)", "(1.1 + (<n>) ** 2) ** (0.3 * math.sin(<n>))",
]  # fmt: skip
OF_INDICES = ["<I> * <n>", "<n> ** <I>", "<n> / (<I> + 1)", "float(<I>) * <n>"]
OF_VECTORS = [
    "np.sum(<v>)", "np.mean(<v>)", "np.max(<v>)", "np.min(<v>)", "np.var(<v>)",
    "np.std(np.concatenate((<v>, np.array([0.9, -0.7]))))",
    "np.prod(<v>)",
    "np.linalg.norm(np.concatenate((<v>, np.ones(1))))",
    "(<p>).sum()", "(<p>).mean()", "(<p>).max()", "(<v> @ <p>)", "np.dot(<p>, <v>)",
    "sum([<n> * e for e in <w>])", "sum(e * r + <n> for e, r in zip(<p>, <p>))", "max([e * r for e, r in zip(<p>, <p>)])",
    "sum(e * i for i, e in enumerate(<w>) if e < <n>)", "len(<w>) * <n>", "np.sum(<w>[<w> > <k>])", "(<v> ** 2).sum()",
    "sum([<n> * i for i in range(<L>)])", "np.array([<n>, <n>]).max()", "np.cumsum(<v>)[-1]", "np.sum(<p>[::-1] * <v>)",
]  # fmt: skip
OF_MATRICES = [
    "np.sum(<m>)", "np.max(<m>)", "np.mean(<m>)", "(<m>).sum()", "np.trace(<m>)", f"0.1 * np.linalg.norm(<m> + 3.0 * {EYE})",
    f"0.01 * np.linalg.det(0.1 * <m> + 2.0 * {EYE})", "0.1 * (<P> @ <M> @ <P>)", "np.std(np.stack((<P>, 2.0 * np.ones(5))))",
    f"np.linalg.slogdet(0.1 * <m> + 2.0 * {EYE})[1]", "np.var(<m>, axis=<x>)[<i>]", "np.sum((<m>)[<2>, <3>])",
    "np.min(<m>, axis=<x>)[<i>]", "(<m>)[<i>, <i>]", "np.sum((<m>)[<3>] * <P>)",
]  # fmt: skip
OF_CUBES = ["np.sum(<t>)", "np.max(<t>, axis=2)[<j>, <i>]", "np.mean((<t>)[:, <2>, <3>])", "(<t>)[<j>, <i>, <i>]",
            "np.sum(np.sum(<t>, axis=1) ** 2)"]  # fmt: skip
VECTORS = [
    "(<v> + <v>)", "(<v> - <v>)", "<v> * <v>", "<n> * <v>", "(<v> + <n>)", "<v> / (2.0 + (<v>) ** 2)", "np.sin(<v>)",
    "np.tanh(<v>)", "np.exp(-((<v>) ** 2))", "np.where(<v> > <v>, <v>, <n>)", "np.abs(<v>)", "np.maximum(<v>, <v>)",
    "np.minimum(<v>, <n>)", "np.clip(<v>, -0.9, 0.9)", "np.cumsum(<v>)", "(<v>).copy()", "(<v>) ** 2", "np.zeros(<L>)",
    "np.full(<L>, <n>)", "np.ones_like(<v>)", "<n> * np.arange(<L>.0)", "np.array([<n> * i for i in range(<L>)])",
    "np.roll(<v>, 1)", "(<v> if <c> else <v>)", "np.sqrt(1.0 + (<v>) ** 2)", "<n> - <v>", "np.hypot(<v>, 1.5)",
    "np.array([e * <n> for e in <p>])", "np.array([e * r - <n> for e, r in zip(<p>, <v>)])", "-<v>", "<n> / (2.5 + <v> ** 2)",
    "np.concatenate((<v>, <v>))[::2]", "np.stack((<v>, <v>))[<j>]", "np.sum(np.stack((<v>, <v>)), axis=0)",
]  # fmt: skip
WHOLE_VECTORS = [  # of length LENGTH, made of matrices
    "0.3 * (<m> @ <P>)", "0.3 * (<P> @ <m>)", "np.diag(<m>)", f"np.linalg.solve(0.1 * <m> + 3.0 * {EYE}, <P>)",
    *(f"np.{f}(<m>, axis=<x>)" for f in ("sum", "max", "mean", "var", "prod")), "(<m>)[<i>]", "(<m>)[:, <i>]",
    "np.array([np.sum(row * <P>) for row in <M>])",
]  # fmt: skip
BLOCKS = ["(<m>)[<2>, <2>].copy().ravel()", "(<m>)[<2>, <2>].copy().reshape(4)"]  # vectors of length 4
MATRICES = [
    "(<m> + <m>)", "<m> * <m>", "<n> * <m>", "np.sin(<m>)", "<m> * <P>", "np.outer(<P>, <P>)", "0.3 * (<m> @ <m>)",
    "(<m>).copy()", "np.where(<m> > <m>, <m>, <0>)", "np.triu(<m>)", "np.tril(<m>)", "np.diag(<P>)",
    f"(<m> + <n> * {EYE})", "(<m> - (<P>)[:, None])", f"np.linalg.inv(0.1 * <m> + 3.0 * {EYE})", "np.maximum(<m>, <n>)",
    f"np.linalg.solve(0.1 * <m> + 3.0 * {EYE}, <m>)", "(<P>)[:, None] * (<P>)[None, :]", "np.transpose(<m>)", "(<m>).T",
    "np.concatenate(((<m>)[:2], (<m>)[2:]))", "np.stack((<P>, <P>, <P>, <P>, <P>))", f"np.zeros(({LENGTH}, {LENGTH}))",
    "np.zeros_like(<m>)", "(<m> if <c> else <m>)", f"(<m>).copy().reshape({LENGTH**2}).reshape(({LENGTH}, {LENGTH}))",
    "<m> / (2.0 + (<m>) ** 2)", "np.cumsum(<m>, axis=<x>)", "(<m> - np.mean(<m>, axis=<x>, keepdims=True))",
    f"np.linalg.cholesky(0.1 * (<M> @ (<M>).T) + 2.0 * {EYE})",
]  # fmt: skip
LAYERS = ["np.sum(<t>, axis=0)", "np.max(<t>, axis=0)", "np.mean(<t>, axis=0)", "(<t>)[<j>]"]  # matrices made of cubes
CUBES = [
    "<T>", "<T> * <T>", "np.tanh(<T>)", "<n> * <T>", "(<T> + <m>)", "<T> * <P>", "np.transpose(<T>, (0, 2, 1))",
    "<T>[::-1]", "(<T>).copy()", "np.stack((<m>, <m>))", "np.where(<T> > 0.1, <T>, <n>)", "(<T> - <T>[:, :, ::-1])",
]  # fmt: skip
CONDITIONS = [
    *(f"<0> {sign} <0>" for sign in ("<", ">", "<=", ">=")), "<0> > <0> and <0> < 0.8", "not <0> < <0>", "-0.7 < <0> <= 0.9",
    "(<0> < <0> or <0> > 0.5)",
]  # fmt: skip
