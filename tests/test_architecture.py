"""What may know what: read from the source, so that no review has to remember it."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "camfilter"
MODULES = sorted(PACKAGE.rglob("*.py"))
LAB = PACKAGE / "lab"
SINKS = PACKAGE / "sinks"
CORE = [path for path in MODULES if LAB not in path.parents]
LONGEST = 400


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path, *, in_functions: bool = True) -> Iterator[str]:
    """Full names of all modules that a module imports, also when a function is called."""
    tree = tree_of(path)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    late = {inner for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if node in late and not in_functions:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def calls_of(path: Path, name: str) -> list[ast.Call]:
    """Calls of a function or class by its name, plain or after a dot."""
    return [
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == name)
            or (isinstance(node.func, ast.Attribute) and node.func.attr == name)
        )
    ]


def is_below(module: str, *roots: str) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_the_core_knows_neither_the_lab_nor_what_it_needs(path: Path) -> None:
    heavy = ("torch", "onnx", "onnxscript", "matplotlib", "skimage", "camfilter.lab", "tests")
    # A command may ask for the lab when it is called; nothing else of the core may ever.
    imported = imports_of(path, in_functions=path.parent.name != "cli")
    assert [module for module in imported if is_below(module, *heavy)] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_all_names_that_a_module_offers_exist_and_are_sorted(path: Path) -> None:
    kinds = (ast.Assign, ast.AnnAssign, ast.ClassDef, ast.FunctionDef)
    if not any(isinstance(node, kinds) for node in tree_of(path).body):
        return  # it offers nothing
    try:
        module = importlib.import_module(name_of(path))
    except ImportError as error:
        if LAB in path.parents or is_below(name_of(path), "camfilter.tray"):
            pytest.skip(f"an optional part is not installed: {error.name}")
        raise
    offered = module.__all__
    assert isinstance(offered, list)
    assert sorted(set(offered), key=sort_key) == offered
    for name in offered:
        assert hasattr(module, name)


def sort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as the linter sorts them."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_needs_a_table_of_contents(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_only_the_guard_makes_protected_frames() -> None:
    makers = [path.name for path in MODULES if calls_of(path, "ProtectedFrame")]
    assert makers == ["guard.py"]
    users = [path.name for path in MODULES if "_SEAL" in path.read_text(encoding="utf-8")]
    assert users == ["guard.py"]
    for path in MODULES:
        forged = [
            node
            for name in ("replace", "__new__", "__setattr__")
            for node in calls_of(path, name)
            if any("frame" in ast.unparse(argument).lower() for argument in node.args[:1])
        ]
        assert forged == [] or path.name == "guard.py", path


def sinks_with_write() -> list[tuple[Path, ast.ClassDef]]:
    """Each class that writes frames, but the protocol itself."""
    found = []
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.ClassDef) or node.name == "Sink":
                continue
            for method in node.body:
                if (
                    isinstance(method, ast.FunctionDef)
                    and method.name == "write"
                    and any("ProtectedFrame" in ast.unparse(a) for a in method.args.args)
                ):
                    found.append((path, node))
    return found


def test_there_are_sinks_to_look_at() -> None:
    names = {node.name for path, node in sinks_with_write() if path.parent == SINKS}
    assert names >= {"FolderSink", "NullSink", "PictureSink", "PreviewSink", "VideoSink"}


@pytest.mark.parametrize(
    ("path", "sink"), sinks_with_write(), ids=[node.name for _, node in sinks_with_write()]
)
def test_every_sink_gets_at_pixels_through_the_one_door(path: Path, sink: ast.ClassDef) -> None:
    write = next(
        node for node in sink.body if isinstance(node, ast.FunctionDef) and node.name == "write"
    )
    called = [
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(write)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    ]
    if path.parent == SINKS:
        assert "pixels_of" in called
    read = [node.attr for node in ast.walk(sink) if isinstance(node, ast.Attribute)]
    assert "pixels" not in read  # one that hands frames on has no need to look into them


@pytest.mark.parametrize("path", sorted(SINKS.glob("*.py")), ids=name_of)
def test_no_sink_reads_the_pixels_of_a_frame_past_the_door(path: Path) -> None:
    if path.name == "base.py":
        return
    past = [
        ast.unparse(node)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr == "pixels"
        and not ast.unparse(node).startswith("self.")
    ]
    assert past == []


@pytest.mark.parametrize("path", sorted(SINKS.glob("*.py")), ids=name_of)
def test_no_sink_knows_of_raw_frames(path: Path) -> None:
    assert not any(module.endswith(".RawFrame") for module in imports_of(path))


RUN = """
import sys
from camfilter.__main__ import main
status = main(["run", "-i", "demo", "-o", "null", "--max-frames", "2"])
heavy = {"torch", "onnx", "onnxscript", "matplotlib", "sounddevice", "camfilter.lab"}
heavy &= set(sys.modules)
assert status == 0, status
assert not heavy, heavy
"""

NOTHING_HEAVY = """
import sys
from camfilter.__main__ import main
main(["--help"])
heavy = {"torch", "onnx", "mediapipe", "matplotlib", "camfilter.lab"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("program", [RUN, NOTHING_HEAVY], ids=["a run", "the help"])
def test_torch_is_never_loaded_outside_the_lab(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
