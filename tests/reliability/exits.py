"""Finds in the source every place where something leaves the program.

An exit is the name of a call that hands bytes or a picture to a device, a window, an
encoder, a file or another process, whether it is called or only handed on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

NAMES: Final = frozenset(
    {
        "DeadMansSwitch", "QImage", "SharedMemory", "VideoWriter", "dump", "from_buffer",
        "from_ndarray", "fromarray", "imencode", "imencodemulti", "imshow", "imwrite",
        "imwritemulti", "ioctl", "memmap", "mmap", "mux", "open_memory", "save", "savez",
        "savez_compressed", "send", "send_bytes", "sendall", "sendfile", "sendmsg",
        "sendto", "show", "to_file", "tobytes", "tofile", "write", "write_bytes", "writelines",
    }
)  # fmt: skip
"""Names of calls that take something out."""

_TYPES: Final = frozenset({"QImage", "VideoWriter"})
"""Those of them that annotations name, too."""

Exit = tuple[str, str]
"""Where (module, class and function), and the source of the call."""


def sources_of(package: Path) -> dict[str, str]:
    """Source of each module of a package but the lab, which has no camera."""
    return {
        ".".join(path.relative_to(package).with_suffix("").parts): path.read_text("utf-8")
        for path in sorted(package.rglob("*.py"))
        if "lab" not in path.relative_to(package).parts
    }


def exits_in(module: str, source: str, names: frozenset[str] = NAMES) -> Iterator[Exit]:
    """Every exit of a module."""
    tree = ast.parse(source)
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for place, node in _placed(tree, module):
        if isinstance(node, ast.Attribute):
            name = node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            name = node.id
        else:
            continue
        if name in names and (id(node) in called or name not in _TYPES):
            whole = called.get(id(node), node)
            yield place, ast.unparse(whole)


def values_of(name: str, place: str, source: str) -> list[str]:
    """What a function assigns to a name: the source of each value."""
    module_less = place.rpartition(".")[2]
    return [
        ast.unparse(node.value)
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef) and function.name == module_less
        for node in ast.walk(function)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
        and node.value is not None
        and name == ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    ]


def _placed(node: ast.AST, place: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node below one, with the name of the class or function it stands in."""
    for child in ast.iter_child_nodes(node):
        yield place, child
        inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        yield from _placed(child, f"{place}.{child.name}" if isinstance(child, inner) else place)
