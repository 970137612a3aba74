"""The optimizers on their own: the public classes, `init` and `update`, and what they refuse.

The oracle reads the catalog's formulas with NumPy in float64; the defaults are PyTorch's, written out here by hand.
Left out: every compiled variant of every build (test_kernels.py), training with them (test_partial_fit.py,
test_descent.py).
"""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import re

import numpy as np
import pytest
from oracle import optimizer_steps

import fastgrad as fg
from fastgrad import catalog, dispatch, optimizers
from fastgrad.formulas import expand_hyper

BETAS = (0.9, 0.999)
TORCH = {  # torch.optim: names, order and defaults of the arguments; Lion is its paper's
    "SGD": {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False},
    "Adagrad": {"lr": 1e-2, "lr_decay": 0, "weight_decay": 0, "initial_accumulator_value": 0, "eps": 1e-10},
    "Adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0},
    "RMSprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0, "centered": False},
    "Adam": {"lr": 1e-3, "betas": BETAS, "eps": 1e-8, "weight_decay": 0, "amsgrad": False},
    "AdamW": {"lr": 1e-3, "betas": BETAS, "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False},
    "Adamax": {"lr": 2e-3, "betas": BETAS, "eps": 1e-8, "weight_decay": 0},
    "NAdam": {"lr": 2e-3, "betas": BETAS, "eps": 1e-8, "weight_decay": 0, "momentum_decay": 4e-3},
    "RAdam": {"lr": 1e-3, "betas": BETAS, "eps": 1e-8, "weight_decay": 0},
    "Lion": {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0},
}
DECAY = {"weight_decay": 0.02}
SETTINGS = [
    *((name, {}) for name in TORCH),
    *((name, DECAY) for name in TORCH if name != "AdamW"),
    ("SGD", {"momentum": 0.8}), ("SGD", {"momentum": 0.8, "dampening": 0.3, **DECAY}),
    ("SGD", {"momentum": 0.8, "nesterov": True}), ("SGD", {"momentum": 0.8, "nesterov": True, **DECAY}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5, **DECAY}), ("Adadelta", {"rho": 0.5, "eps": 1e-3}),
    *(("RMSprop", {"momentum": m, "centered": c, **DECAY}) for m in (0, 0.8) for c in (False, True)),
    *((name, {"amsgrad": True, "betas": (0.8, 0.9)}) for name in ("Adam", "AdamW")), ("AdamW", {"weight_decay": 0}),
    ("Adamax", {"betas": (0.5, 0.9)}), ("NAdam", {"momentum_decay": 0.1}), ("RAdam", {"betas": (0.9, 0.9)}),
]  # fmt: skip


def make(name, **more):
    return getattr(fg, name)(**more)


def problem(rng, dtype, n=60):
    """Parameters of several shapes, and gradients for n steps."""
    shapes = [(7, 5), (5,), (), (3, 1, 11), (0, 4)]
    return [rng.normal(size=s).astype(dtype) for s in shapes], [
        [rng.normal(size=s).astype(dtype) for s in shapes] for _ in range(n)
    ]


# ---- arguments ------------------------------------------------------------------------------------------------------


def test_names_and_defaults_are_pytorchs():
    assert {row.public for row in catalog.OPTIMIZERS.values()} == set(TORCH)
    for name, arguments in TORCH.items():
        found = {p.name: p.default for p in inspect.signature(getattr(fg, name)).parameters.values()}
        assert found == arguments and list(found) == list(arguments), name
        assert all(getattr(make(name), key) == value for key, value in arguments.items())
        assert {type(v) for v in found.values()} <= {float, int, bool, tuple}


@pytest.mark.parametrize("name", TORCH)
def test_what_an_optimizer_says_of_itself(name):
    opt = make(name, lr=0.25)
    assert eval(repr(opt), vars(fg) | {name: getattr(fg, name)}) == opt and repr(opt).startswith(f"{name}(lr=0.25, ")
    assert opt == make(name, lr=0.25) != make(name) and opt != "x" and hash(opt) == hash(make(name, lr=0.25))
    assert pickle.loads(pickle.dumps(opt)) == copy.deepcopy(opt) == opt
    assert getattr(fg, name)(0.25).lr == 0.25
    with pytest.raises(AttributeError, match="lr of an optimizer is fixed"):
        opt.lr = 1.0
    with pytest.raises(AttributeError, match="has no attribute 'learning_rate'"):
        _ = opt.learning_rate
    with pytest.raises(TypeError, match="learning_rate"):
        make(name, learning_rate=0.1)
    assert optimizers.as_optimizer(opt) is opt and optimizers.as_optimizer(getattr(fg, name)) == make(name)
    assert optimizers.as_optimizer(opt.row.name) == make(name)


@pytest.mark.parametrize(
    "name, arguments, error, text",
    [
        ("Adam", {"lr": -1}, ValueError, "Adam: lr must be at least 0 and below inf, got -1"),
        ("Adam", {"lr": math.nan}, ValueError, "Adam: lr must be at least 0"),
        ("Adam", {"lr": math.inf}, ValueError, "Adam: lr must be"),
        ("Adam", {"lr": "0.1"}, TypeError, "Adam: lr must be a number, got '0.1'"),
        ("Adam", {"lr": True}, TypeError, "Adam: lr must be a number, got True"),
        ("Adam", {"lr": None}, TypeError, "Adam: lr must be a number"),
        ("Adam", {"betas": (0.9, 1.0)}, ValueError, "Adam: betas[1] must be at least 0 and below 1, got 1.0"),
        ("Adam", {"betas": (-0.1, 0.9)}, ValueError, "Adam: betas[0] must be"),
        ("Adam", {"betas": 0.9}, ValueError, "Adam: betas must be 2 numbers, got 0.9"),
        ("Adam", {"betas": (0.9,)}, ValueError, "Adam: betas must be 2 numbers"),
        ("Adam", {"eps": -1e-8}, ValueError, "Adam: eps must be"),
        ("Adam", {"amsgrad": 1}, TypeError, "Adam: amsgrad must be True or False, got 1"),
        ("AdamW", {"weight_decay": -1}, ValueError, "AdamW: weight_decay must be"),
        ("SGD", {"nesterov": True}, ValueError, "nesterov=True needs momentum > 0 and dampening = 0"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "nesterov=True needs momentum"),
        ("SGD", {"momentum": -0.5}, ValueError, "SGD: momentum must be"),
        ("RMSprop", {"alpha": 1.0}, ValueError, "RMSprop: alpha must be at least 0 and below 1"),
        ("Adadelta", {"rho": 1.5}, ValueError, "Adadelta: rho must be"),
        ("Lion", {"betas": [0.9, 2]}, ValueError, "Lion: betas[1] must be"),
    ],
)
def test_bad_arguments_are_refused_by_name(name, arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make(name, **arguments)


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"unknown optimizer 'adm' \(did you mean 'adam'\?\); known: sgd, "):
        optimizers.as_optimizer("adm")
    for bad in (None, 0.1, fg.Cosine()):
        with pytest.raises(ValueError, match="unknown optimizer"):
            optimizers.as_optimizer(bad)


# ---- steps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, arguments", SETTINGS, ids=lambda v: v if isinstance(v, str) else ",".join(map(str, v)))
def test_sixty_steps_follow_the_formulas(name, arguments, dtype, rng):
    opt = make(name, lr=0.01, **arguments)
    params, grads = problem(rng, dtype)
    exact = [p.astype(float) for p in params]
    state = opt.init(params)
    for g in grads:
        opt.update(params, g, state)
    hyper = expand_hyper(opt.row) | {k: v for k, v in opt.hyper.items() if k != "betas"}
    hyper |= dict(zip(("beta1", "beta2"), opt.hyper.get("betas", ()), strict=False))
    optimizer_steps(opt.row, hyper, exact, lambda k: [g.astype(float) for g in grads[k]], 60)
    got, want = (np.concatenate([np.ravel(a) for a in arrays]) for arrays in (params, exact))
    assert np.linalg.norm(got - want) <= (2e-6 if dtype == np.float32 else 1e-12) * np.linalg.norm(want)
    assert state.step == 60 and [set(s) for s in state.slots] == [set(opt.slots)] * 5
    assert all(
        a.shape == p.shape and a.dtype == dtype for s, p in zip(state.slots, params, strict=True) for a in s.values()
    )


@pytest.mark.parametrize("name", TORCH)
def test_an_array_a_list_and_a_dict_are_the_same(name, rng, dtype):
    params, grads = problem(rng, dtype, 5)
    opt, forms = make(name), []
    listed, named, single = (
        [p.copy() for p in params],
        {f"p{k}": p.copy() for k, p in enumerate(params)},
        [p.copy() for p in params],
    )
    states = opt.init(listed), opt.init(named), [opt.init(p) for p in single]
    for g in grads:
        opt.update(listed, tuple(g), states[0])
        opt.update(
            named, dict(reversed([(f"p{k}", a) for k, a in enumerate(g)])), states[1]
        )  # by name, whatever the order
        for p, a, s in zip(single, g, states[2], strict=True):
            opt.update(p, a, s)
    forms = [b"".join(p.tobytes() for p in form) for form in (listed, named.values(), single)]
    assert forms[0] == forms[1] == forms[2] != b"".join(p.tobytes() for p in params)


def test_mapped_files_are_arrays_too(tmp_path, rng):
    mapped, plain = np.memmap(tmp_path / "w", "f4", "w+", shape=(9, 3)), np.zeros((9, 3), "f4")
    g, opt = rng.normal(size=(9, 3)).astype("f4"), fg.Adam(0.1)
    for w in (mapped, plain):
        opt.update(w, g, opt.init(w))
    assert mapped.tobytes() == plain.tobytes() != bytes(mapped.nbytes)


def test_lr_can_be_given_for_a_step(rng):
    g = rng.normal(size=(3, 4))
    own, given, state = np.zeros(4), np.zeros(4), {}
    for name, w, lr in (("own", own, None), ("given", given, 0.3)):
        opt = fg.Adam(0.3) if lr is None else fg.Adam(7.0)
        state[name] = opt.init(w)
        for k in range(3):
            opt.update(w, g[k], state[name], lr=lr)
    assert own.tobytes() == given.tobytes()
    kept = own.copy()
    fg.Adam(0.3).update(own, g[0], state["own"], lr=0)  # another optimizer of the same numbers is the same
    assert (own == kept).all() and state["own"].step == 4
    for bad in (-0.1, math.nan, "1", True):
        with pytest.raises((TypeError, ValueError), match="Adam: lr must be"):
            fg.Adam(0.3).update(own, g[0], state["own"], lr=bad)
    assert (own == kept).all() and state["own"].step == 4


def test_what_does_not_fit_the_state_changes_nothing(rng):
    params = [rng.normal(size=(4, 3)), rng.normal(size=3)]
    grads = [rng.normal(size=(4, 3)), rng.normal(size=3)]
    opt = fg.Adam(0.1)
    state = opt.init(params)
    opt.update(params, grads, state)
    frozen = [p.copy() for p in params]
    frozen[1].flags.writeable = False
    cases = [
        (params[:1], grads[:1], "1 params and 1 grads where the state has 2 arrays"),
        (params, grads[::-1], "grads[0] must be a C-contiguous float64 array of shape (4, 3), got float64 (3,)"),
        (params, [grads[0], grads[1][:2]], "grads[1] must be a C-contiguous float64 array of shape (3,)"),
        (
            params,
            [grads[0], grads[1].astype("f4")],
            "grads[1] must be a C-contiguous float64 array of shape (3,), got float32",
        ),
        (params, [grads[0], grads[1].astype(">f8")], "grads[1] must be"),
        (params, [np.asfortranarray(grads[0]), grads[1]], "grads[0] must be a C-contiguous"),
        ([params[0].T.copy().T, params[1]], grads, "params[0] must be a C-contiguous"),
        (frozen, grads, "params[1] is read-only"),
        (params, {"a": grads[0], "b": grads[1], "c": grads[1]}, "2 params and 3 grads"),
    ]
    before = copy.deepcopy(([p.tobytes() for p in params], [{k: a.copy() for k, a in s.items()} for s in state.slots]))
    for w, g, text in cases:
        with pytest.raises(ValueError, match=re.escape(text)):
            opt.update(w, g, state)
    for other in (fg.Adam(0.2), fg.SGD(0.1), fg.AdamW(0.1)):
        with pytest.raises(ValueError, match=re.escape("the state belongs to Adam(lr=0.1, ")):
            other.update(params, grads, state)
    with pytest.raises(TypeError, match=re.escape("grads[1] must be a NumPy array, got list")):
        opt.update(params, [grads[0], [1.0, 2, 3]], state)
    w, alone = np.zeros((4, 3)), opt.init(np.zeros((4, 3)))  # a single array goes a shorter way
    with pytest.raises(ValueError, match=re.escape("grads[0] must be a C-contiguous float64 array of shape (4, 3)")):
        opt.update(w, np.ones((3, 4)).T, alone)
    assert not w.any() and alone.step == 0
    assert [p.tobytes() for p in params] == before[0] and state.step == 1
    for now, then in zip(state.slots, before[1], strict=True):
        assert all((now[k] == then[k]).all() for k in then)
    named = opt.init({"a": params[0], "b": params[1]})
    with pytest.raises(ValueError, match=re.escape("grads has the names ['a', 'c'], expected ['a', 'b']")):
        opt.update({"a": params[0], "b": params[1]}, {"a": grads[0], "c": grads[1]}, named)


@pytest.mark.parametrize(
    "params, error, text",
    [
        ([], ValueError, "params is empty"),
        ({}, ValueError, "params is empty"),
        (np.zeros(3, int), TypeError, "params must be float32 or float64, got int64"),
        (np.zeros(3, "f2"), TypeError, "params must be float32 or float64, got float16"),
        (np.zeros(3, ">f8"), TypeError, "params must be float32 or float64, got >f8"),
        ([1.0, 2.0], TypeError, "params[0] must be a NumPy array, got float"),
        ([np.zeros(3), np.zeros(3, "f4")], TypeError, "params[1] is float32, but params[0] is float64"),
        (np.zeros((3, 4)).T, ValueError, "params[0] must be C-contiguous and writeable"),
        (np.broadcast_to(np.zeros(3), (3,)), ValueError, "params[0] must be C-contiguous and writeable"),
    ],
)
def test_bad_parameters_are_refused(params, error, text):
    with pytest.raises(error, match=re.escape(text)):
        fg.Adam().init(params)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Lion"])
def test_threads_give_the_same_bits(name, rng, dtype, monkeypatch):
    n = 3 * optimizers.ONE_THREAD + 17
    start, g, found = rng.normal(size=n).astype(dtype), rng.normal(size=n).astype(dtype), set()
    for threads in (1, 2, 3):
        monkeypatch.setattr(dispatch, "available_threads", lambda threads=threads: threads)
        w, opt = start.copy(), make(name)
        state = opt.init(w)
        for _ in range(3):
            opt.update(w, g, state)
        found.add(w.tobytes())
    assert len(found) == 1
    small, opt = start[:1000].copy(), make(name)
    state = opt.init(small)
    for _ in range(3):
        opt.update(small, g[:1000], state)
    assert small.tobytes() == w[:1000].tobytes()


def test_what_is_not_finite_passes_through_and_nothing_else_is_touched(rng):
    for name in TORCH:
        w, g, opt = rng.normal(size=64), rng.normal(size=64), make(name)
        g[13] = math.nan
        clean, state, clean_state = w.copy(), opt.init(w), None
        clean_state = opt.init(clean)
        opt.update(w, g, state)
        opt.update(clean, np.where(np.arange(64) == 13, 1.0, g), clean_state)
        assert np.isnan(w[13]) and (np.delete(w, 13) == np.delete(clean, 13)).all(), name


@pytest.mark.parametrize("level", dispatch.usable_levels())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_roots_over_the_whole_range(level, dtype, rng, monkeypatch):
    # step 1 from zero slots divides by sqrt(g^2) = |g|; without it the step is not lr, whatever the size of g
    monkeypatch.setattr(dispatch, "isa", lambda: level)
    limits = np.finfo(dtype)
    top = np.log10(limits.max) / 2 - 0.1
    g = 10 ** rng.uniform(np.log10(limits.tiny) / 2 + 0.1, top, 1003) * rng.choice([-1, 1], 1003)
    g[::50], g[7], g[27] = 0, np.inf, np.nan
    g = g.astype(dtype)
    optimizer = fg.Adagrad(lr=1.0, eps=0.0 if dtype == "float64" else 1e-30)
    w = np.zeros(1003, dtype)
    with np.errstate(all="ignore"):
        expected = -g / (np.sqrt(g * g) + g.dtype.type(optimizer.eps))
    optimizer.update(w, g, optimizer.init(w))
    np.testing.assert_allclose(w, expected, rtol=3 * limits.eps)
