"""Change one thing at a time in the code that keeps the promises, and see whether a test notices.

Each mutant lives in the memory of a process of its own; no file is touched. What is changed:
comparisons, arithmetic, `and` and `or`, `not`, numbers, True and False, conditions of `if`,
and statements that are left out. Texts for people are not changed. A mutant that makes the
tests hang counts as noticed. Some mutants change nothing that could be seen; they are counted as
survivors all the same.

    scripts/mutate.py                      all modules, a table at the end
    scripts/mutate.py guard --sample 40    forty mutants of one, drawn by chance
"""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.machinery
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final

import typer

REPOSITORY = Path(__file__).resolve().parent.parent
TESTS: Final = {
    "guard": ["test_guard.py", "test_proof.py", "reliability/test_threads.py"],
    "proof": ["test_proof.py", "test_guard.py"],
    "protector": ["test_protector.py", "reliability/test_threads.py"],
    "pipeline": ["test_live_steps.py", "test_pipeline.py", "reliability/test_threads.py"],
    "chain": ["test_chain.py", "test_pipeline.py"],
    "over_time": ["test_over_time_edges.py", "test_over_time.py", "test_clean_reading.py"],
    "clean_reading": ["test_clean_reading.py", "test_over_time_edges.py"],
    "haste": ["test_haste.py"],
    "governor": ["test_governor.py"],
    "decoy": ["test_decoy.py"],
    "texture": ["test_texture.py"],
    "skin_flow": ["test_skin_flow.py"],
    "faces.hold": ["test_hold.py"],
    "faces.between": ["test_faces_between.py"],
}
"""Modules of camfilter, and the tests that must notice, the quick ones first."""

_SWAPPED: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div,
    ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.And: ast.Or,
    ast.Or: ast.And,
}  # fmt: skip
_LOADED: Final = "ignore::pytest.PytestAssertRewriteWarning"
_LEFT_OUT: Final = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Return, ast.Continue)


@dataclass(frozen=True)
class Mutant:
    """One changed module.

    Attributes:
        line: where.
        text: what was changed, before and after.
        tree: the whole module with the change.
    """

    line: int
    text: str
    tree: ast.Module


def mutants_of(source: str) -> Iterator[Mutant]:
    """Every mutant of a module."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    passive = _passive(tree)
    for number, node in enumerate(nodes):
        if id(node) in passive:
            continue
        for choice in range(_choices(node)):
            changed = copy.deepcopy(tree)
            twin = list(ast.walk(changed))[number]
            before = _shown(node)
            _change(twin, choice)
            ast.fix_missing_locations(changed)
            yield Mutant(getattr(node, "lineno", 0), f"{before}  =>  {_shown(twin)}", changed)


def _passive(tree: ast.Module) -> set[int]:
    """Nodes that do nothing while the program runs: annotations, docstrings, names of a module."""
    passive: set[int] = set()

    def add(node: ast.AST | None) -> None:
        if node is not None:
            passive.update(id(part) for part in ast.walk(node))

    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            add(node.returns)
            for decorator in node.decorator_list:
                add(decorator)
        elif isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                add(decorator)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            add(node.annotation)
        elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or (
            isinstance(node, ast.Assign) and "__all__" in ast.unparse(node.targets[0])
        ):
            add(node)
    return passive


def _choices(node: ast.AST) -> int:
    """In how many ways a node can be changed."""
    if isinstance(node, ast.Compare):
        return len([op for op in node.ops if type(op) in _SWAPPED])
    if isinstance(node, ast.BinOp | ast.AugAssign):
        ways = int(type(node.op) in _SWAPPED)
        return ways + isinstance(node, ast.AugAssign)
    if isinstance(node, ast.Constant):
        return int(isinstance(node.value, bool | int | float))
    return int(isinstance(node, (ast.BoolOp, ast.UnaryOp, ast.If, ast.IfExp, *_LEFT_OUT)))


def _change(node: ast.AST, choice: int) -> None:
    if isinstance(node, ast.Compare):
        node.ops[choice] = _SWAPPED[type(node.ops[choice])]()  # type: ignore[call-overload]
    elif isinstance(node, ast.BinOp | ast.BoolOp) or (
        isinstance(node, ast.AugAssign) and choice == 0 and type(node.op) in _SWAPPED
    ):
        node.op = _SWAPPED[type(node.op)]()  # type: ignore[assignment]
    elif isinstance(node, ast.Constant):
        node.value = not node.value if isinstance(node.value, bool) else _other(node.value)
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
        if isinstance(node.op, ast.Not):  # not x becomes not (not x)
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    else:
        _leave_out(node)


def _other(number: object) -> object:
    assert isinstance(number, int | float)
    return number + 1 if isinstance(number, int) else number * 1.5 + 0.01


def _leave_out(node: ast.AST) -> None:
    """Turn a statement into one that does nothing."""
    line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
    node.__class__ = ast.Pass
    node.__dict__.clear()
    node.lineno, node.col_offset = line, column  # type: ignore[attr-defined]


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    return " ".join(ast.unparse(node).split())[:90]


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in place of a module."""

    def __init__(self, module: str, path: Path, tree: ast.Module) -> None:
        self._module, self._path, self._tree = module, path, tree

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The mutant, where it is asked for."""
        if fullname != self._module:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(self._path))

    def exec_module(self, module: ModuleType) -> None:
        """Run it."""
        module.__file__ = str(self._path)
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)


def preload() -> None:
    """Import what takes long and is not under test, once, before the processes part."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as camfilter does
    import av  # noqa: F401, PLC0415
    import hypothesis  # noqa: PLC0415
    import onnxruntime  # noqa: F401, PLC0415
    import pydantic  # noqa: F401, PLC0415
    import pytest  # noqa: F401, PLC0415
    import skimage.data  # noqa: F401, PLC0415

    from camfilter.faces.solutions import load_solutions  # noqa: PLC0415

    load_solutions()

    hypothesis.settings.register_profile("mutants", database=None, derandomize=True)
    hypothesis.settings.load_profile("mutants")


def survives(module: str, path: Path, tree: ast.Module, tests: list[str], limit_s: float) -> bool:
    """Whether the tests of a module pass with a mutant in its place."""
    child = os.fork()
    if child == 0:
        os.setsid()
        _run_tests(module, path, tree, tests)
    until_s = time.monotonic() + limit_s
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        if time.monotonic() > until_s:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.02)


def _run_tests(module: str, path: Path, tree: ast.Module, tests: list[str]) -> None:
    """Run the tests in this process and end it; its status says whether they passed."""
    import pytest  # noqa: PLC0415

    status = 1
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        sys.meta_path.insert(0, Planted(module, path, tree))
        quiet = ["-x", "-q", "-p", "no:cacheprovider", "-W", _LOADED]
        status = int(pytest.main([*quiet, *tests]))
    finally:
        os._exit(status)


def chosen(mutants: list[Mutant], name: str, sample: int, again: Path | None) -> list[Mutant]:
    """All mutants of a module, a sample drawn by chance, or those that survived before."""
    if again is not None:
        lines = again.read_text("utf-8").splitlines()
        before = {
            line.partition("  ")[2].partition("  ")[2] for line in lines if f" {name}." in line
        }
        return [mutant for mutant in mutants if mutant.text in before]
    if sample and sample < len(mutants):
        return random.Random(0).sample(mutants, sample)
    return mutants


def main(
    modules: Annotated[list[str] | None, typer.Argument(help="Of camfilter; all if none.")] = None,
    show: Annotated[bool, typer.Option(help="Print each mutant that survives.")] = True,
    sample: Annotated[int, typer.Option(min=0, help="So many of each module; 0 for all.")] = 0,
    again: Annotated[Path | None, typer.Option(help="Only what survived in this output.")] = None,
) -> None:
    """Print for each module how many mutants the tests notice; exit status 1 below 90 %."""
    os.chdir(REPOSITORY)
    sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]
    preload()
    rows, all_noticed, all_made = [], 0, 0
    for name in modules or list(TESTS):
        path = REPOSITORY / "camfilter" / f"{name.replace('.', '/')}.py"
        tests = [str(REPOSITORY / "tests" / test) for test in TESTS[name]]
        source = path.read_text("utf-8")
        start_s = time.monotonic()
        if not survives(f"camfilter.{name}", path, ast.parse(source), tests, 600):
            print(f"The tests of {name} fail as it is.")
            raise typer.Exit(2)
        limit_s = 20 + 5 * (time.monotonic() - start_s)
        total = noticed = 0
        for mutant in chosen(list(mutants_of(source)), name, sample, again):
            total += 1
            if not survives(f"camfilter.{name}", path, mutant.tree, tests, limit_s):
                noticed += 1
            elif show:
                print(f"SURVIVED  {name}.py:{mutant.line}  {mutant.text}", flush=True)
        all_noticed, all_made = all_noticed + noticed, all_made + total
        rows.append(
            f"| {name} | {total} | {noticed} | {noticed / max(1, total):.1%} "
            f"| {time.monotonic() - start_s:.0f} |"
        )
        print(rows[-1], flush=True)
    print("\n| module | mutants | noticed | share | s |")
    print("| --- | --- | --- | --- | --- |")
    print("\n".join(rows))
    print(f"Noticed {all_noticed} of {all_made}: {all_noticed / max(1, all_made):.1%}.")
    if all_noticed < 0.9 * all_made:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
