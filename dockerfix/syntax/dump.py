"""The tree made visible: indented text for people, and one JSON object as BuildKit sees it.

`dump_json` has the keys that our vectors have for BuildKit's own parser, so that the two
can be compared; bytes that are no UTF-8 are shown as U+FFFD there, as Go shows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockerfix.syntax import heredocs, mounts, shapes
from dockerfix.syntax.checks import CheckError, check_options
from dockerfix.syntax.lexer import detect_syntax
from dockerfix.syntax.nodes import (
    Add,
    Arg,
    Commanded,
    Copying,
    Dockerfile,
    Env,
    ErrorInstruction,
    Flag,
    Instruction,
    JsonWord,
    Label,
    Node,
    Onbuild,
    Paired,
    Run,
    UnknownInstruction,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.syntax.lines import Problem


def dump_tree(dockerfile: Dockerfile) -> str:
    """One node a line: its class or terminal, its bytes' offsets, and for leaves the bytes."""
    lines: list[str] = []
    stack: list[tuple[int, Node]] = [(0, dockerfile)]
    while stack:
        depth, node = stack.pop()
        start, end = node.span
        label = getattr(node, "kind", None) if not node.children else None
        shown = f" {_shown(node.code)}" if not node.children else ""
        if isinstance(node, ErrorInstruction):
            shown = f" ! {node.message}"
        name = label if isinstance(label, str) else type(node).__name__
        lines.append(f"{'  ' * depth}{name} {start}-{end}{shown}")
        stack += ((depth + 1, child) for child in reversed(node.children))
    return "\n".join(lines) + "\n"


def _shown(code: bytes) -> str:
    return ascii(code.decode("utf-8", "backslashreplace"))


def dump_json(dockerfile: Dockerfile) -> dict[str, Any]:
    """What BuildKit makes of the file. On failure `stage` and `error` say where it stops."""
    result: dict[str, Any] = {"directives": _directives(dockerfile)}
    result |= _check(dockerfile)
    problems = sorted((*dockerfile.errors, *dockerfile.notes), key=lambda one: one.span)
    fatal = next((one for one in problems if one.stage == "parse"), None)
    if fatal is not None:
        return result | {"stage": "parse", "error": _error(fatal)}
    result["escape"] = dockerfile.escape.decode("ascii")
    result["warnings"] = [{"line": one.line, "short": one.message} for one in dockerfile.warnings]
    result["nodes"] = [_node(instruction) for instruction in dockerfile.instructions]
    if problems:
        return result | {"stage": "instructions", "error": _error(problems[0])}
    result["meta_args"] = [_command(arg) for arg in dockerfile.meta_args]
    result["stages"] = [
        {
            "base": _text(block.from_.image.raw),
            "name": block.from_.stage_name or "",
            "platform": _flag_value(block.from_, "platform"),
            "commands": [_command(instruction) for instruction in block.instructions],
        }
        for block in dockerfile.stages
    ]
    return result


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _error(problem: Problem) -> dict[str, Any]:
    message = problem.message
    if problem.stage == "instructions" and not message.startswith("no build stage"):
        message = f"dockerfile parse error on line {problem.line}: {message}"
    return {"message": message, "lines": list(problem.lines)}


def _directives(dockerfile: Dockerfile) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in dockerfile.header.directives:
        if one.read.detected and one.name not in found:
            word = "ref" if one.name == "syntax" else "first_word"
            value = _text(one.read.value)
            found[one.name] = {"line": one.line, "value": value, word: value.split(" ")[0]}
    if "syntax" not in found:
        other = detect_syntax(dockerfile.source.data)
        if other is not None:
            value = _text(other[1])
            ref = value.split(" ")[0] if other[2] else value
            found["syntax"] = {"line": other[0], "value": value, "ref": ref}
    return found


def _check(dockerfile: Dockerfile) -> dict[str, Any]:
    for one in dockerfile.header.directives:
        if one.name == "check" and one.read.detected:
            try:
                options = check_options(_text(one.read.value).split(" ")[0])
            except CheckError as error:
                return {"check_error": str(error)}
            return {"check_config": options}
    return {}


def _leaves(node: Instruction) -> Iterator[shapes.Token]:
    """The tokens of the arguments, in order."""
    stack = list(reversed(node.parts))
    while stack:
        part = stack.pop()
        if not isinstance(part, Node):
            if part[0] not in ("KEYWORD", "END_OF_FLAGS"):
                yield part
        elif not isinstance(part, Flag):
            stack += reversed(part.parts)  # type: ignore[attr-defined]


def _values(node: Instruction) -> list[str]:
    """The arguments as BuildKit's parser splits them."""
    if isinstance(node, UnknownInstruction) or node.name == "":
        return [""]
    tokens = list(_leaves(node))
    text = node.line.text
    if isinstance(node, Onbuild) or (tokens[:1] and tokens[0][0] == "TRIGGER"):
        trigger = _trigger(node)
        return [trigger.keyword, *_values(trigger)] if trigger is not None else []
    if node.name in ("env", "label", "arg"):
        return _pair_values(node.name, text, tokens)
    values = []
    if any(token[0] == "STRING" for token in tokens) or _is_json(node):
        values = [_text(token_text) for token_text in _strings(node)]
        return [*([_text(text[slice(*tokens[0][1:])])] if tokens[0][0] == "CMD" else []), *values]
    return [_text(text[start:end]) for _, start, end in tokens]


def _trigger(node: Instruction) -> Instruction | None:
    if isinstance(node, Onbuild):
        return node.trigger
    start, end = node.arguments
    return Onbuild(node.line, (("TRIGGER", start, end),)).trigger


def _is_json(node: Instruction) -> bool:
    return any(token[0] == "LSQB" for token in _leaves(node))


def _strings(node: Instruction) -> Iterator[bytes]:
    for token in _leaves(node):
        if token[0] == "STRING":
            yield JsonWord(node.line, (token,)).raw


def _pair_values(name: str, text: bytes, tokens: list[shapes.Token]) -> list[str]:
    values: list[str] = []
    at = 0
    while at < len(tokens):
        key = b""
        if tokens[at][0] in ("NAME", "NO_NAME"):
            key = text[slice(*tokens[at][1:])]
            at += 1
        if at < len(tokens) and tokens[at][0] in ("EQUALS", "GAP"):
            separator = "=" if tokens[at][0] == "EQUALS" else ""
            value = text[slice(*tokens[at + 1][1:])]
            at += 2
            if name == "arg":
                values.append(_text(key + b"=" + value))
            else:
                values += (_text(key), _text(value), separator)
        elif name == "arg":
            values.append(_text(key))
    return values


def _node(node: Instruction, *, inner: bool = False) -> dict[str, Any]:
    result: dict[str, Any] = {
        "instruction": _clean(node.name),
        "keyword": _clean(node.keyword),
        "flags": [_flag(flag) for flag in node.flags],
        "values": _values(node),
        "original": _text(node.line.text),
        "json": _is_json(node),
        "heredocs": [
            {
                "name": _clean(one.name),
                "fd": one.fd,
                "expand": one.expand,
                "chomp": one.chomp,
                "content": _text(one.content),
            }
            for one in node.heredocs
        ],
    }
    if not inner:
        result["start_line"] = node.start_line
        result["end_line"] = node.end_line
        if node.line.comments:
            result["prev_comments"] = [_text(comment) for comment in node.line.comments]
    if node.name == "onbuild":
        trigger = _trigger(node) if node.arguments_text else None
        if trigger is not None:
            result["sub"] = _node(trigger, inner=True)
    return result


def _clean(text: str) -> str:
    return _text(text.encode("utf-8", "surrogateescape"))


def _flag(flag: Flag) -> str:
    return f"--{flag.name}" if flag.value is None else f"--{flag.name}={flag.value}"


def _flag_value(node: Instruction, name: str, default: str = "") -> str:
    flag = node.flag(name)
    return flag.value if flag is not None and flag.value is not None else default


def _command(node: Instruction) -> dict[str, Any]:
    result: dict[str, Any] = {"name": node.name}
    if isinstance(node, Run):
        return result | _run(node)
    if isinstance(node, Commanded) and node.name != "healthcheck":
        line: list[str] | None = _command_line(node)
        if node.name == "shell":
            return result | {"shell": line}
        if node.name == "entrypoint":
            line = line or None
        return result | {"cmdline": line, "shell_form": not node.exec_form}
    if isinstance(node, Env | Label):
        return result | {"env" if isinstance(node, Env) else "labels": _pairs(node)}
    if isinstance(node, Arg):
        return result | {
            "args": [
                {
                    "key": _clean(pair.name),
                    "value": None if pair.value is None else _text(pair.value.raw),
                }
                for pair in node.pairs
            ]
        }
    if isinstance(node, Copying):
        return result | _copy(node)
    if isinstance(node, Onbuild):
        return result | {"expression": _expression(node)}
    return result


def _command_line(node: Commanded) -> list[str]:
    if node.exec_part is not None:
        return [_text(word.raw) for word in node.exec_part.words]
    return [_text(node.command)] if node.command else []


def _run(node: Run) -> dict[str, Any]:
    result: dict[str, Any] = {"cmdline": _command_line(node), "shell_form": not node.exec_form}
    found = []
    for mount in node.mounts:
        try:
            one = mounts.meaning(mount.options)
        except mounts.MountError as error:
            return result | {"mount_error": str(error)}
        found.append(
            {
                "type": one.type, "from": one.from_, "source": one.source, "target": one.target,
                "readonly": one.readonly, "id": one.id, "required": one.required,
                "env": one.env, "mode": one.mode, "uid": one.uid, "gid": one.gid,
            }
        )  # fmt: skip
    return result | {
        "mounts": found,
        "network": _flag_value(node, "network", "default"),
        "security": _flag_value(node, "security", "sandbox"),
    }


def _pairs(node: Paired) -> list[dict[str, Any]]:
    return [
        {
            "key": _clean(pair.name),
            "value": _text(pair.value.raw) if pair.value is not None else "",
            "legacy": pair.separator == "",
        }
        for pair in node.pairs
    ]


def _copy(node: Copying) -> dict[str, Any]:
    sources = [_text(word.raw) for word in node.sources if not heredocs.is_heredoc(word.raw)]
    destination = node.destination.raw if node.destination is not None else b""
    result: dict[str, Any] = {"sources": sources or None, "dest": _text(destination)}
    return result if isinstance(node, Add) else result | {"from": _flag_value(node, "from")}


def _expression(node: Onbuild) -> str:
    """The trigger as it is stored, the heredocs with it (rule 1.35)."""
    text = node.line.text
    start = shapes.after_keyword(node.line)
    parts = [_text(text[start:])]
    parts += (f"\n{_text(one.content)}{_clean(one.name)}" for one in node.heredocs)
    return "".join(parts)
