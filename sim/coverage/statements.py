"""The statements under a condition in a source of the RTL, whether a netlist has them or not."""

import ast

_BRANCHES = {"If", "Elif", "Else", "Case", "Default", "State"}
"""Names of the blocks of Amaranth whose statements wait for a condition."""


def conditional_statements(source: str) -> list[range]:
    """Lines of each assignment under a condition, and of each step to a state of an FSM."""
    found: list[range] = []
    _search(ast.parse(source), False, found)
    return found


def _search(node: ast.AST, is_conditional: bool, found: list[range]) -> None:
    for child in ast.iter_child_nodes(node):
        inside = is_conditional or isinstance(child, ast.With) and any(
            _branches(item.context_expr) for item in child.items)
        if is_conditional and _assigns(child):
            assert isinstance(child, ast.stmt | ast.expr) and child.end_lineno is not None
            found.append(range(child.lineno, child.end_lineno + 1))
        else:
            # A function waits for its caller, not for the condition around its definition.
            _search(child, inside and not isinstance(child, ast.FunctionDef | ast.Lambda), found)


def _branches(expression: ast.expr) -> bool:
    return (isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute)
            and expression.func.attr in _BRANCHES)


def _assigns(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="eq")):
            return True
        case ast.Assign(targets=[ast.Attribute(attr="next")]):
            return True
    return False
