"""What the nodes say: the fields of each instruction, spans, masks, problems."""

from __future__ import annotations

from typing import Any

import pytest

import dockerfix
from dockerfix.source import Span
from dockerfix.syntax.nodes import (
    Add,
    Arg,
    Comment,
    Copy,
    Dockerfile,
    Env,
    ErrorInstruction,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Onbuild,
    Run,
    UnknownInstruction,
    User,
    Volume,
)


def only(data: bytes) -> Any:
    """The last instruction of a file that begins with a stage."""
    return dockerfix.parse(b"FROM x\n" + data).instructions[-1]


def bytes_at(one: Instruction, span: Span) -> bytes:
    return one.source.text(span)


def test_from() -> None:
    one = only(b'FROM --platform="$P" node:20 as Build\n')
    assert isinstance(one, From)
    assert one.image.raw == b"node:20"
    assert one.platform is not None
    assert one.platform.raw == b'"$P"'
    assert one.stage_name == "build"
    assert one.flags[0].value == "$P"


def test_arg_bare_empty_and_quoted() -> None:
    one = only(b"arg A B= C='x y' \\\n  # note\n  D=\"1\"\n")
    assert isinstance(one, Arg)
    assert [(p.name, p.value and p.value.raw) for p in one.pairs] == [
        ("A", None),
        ("B", b""),
        ("C", b"'x y'"),
        ("D", b'"1"'),
    ]
    assert [bytes_at(one, pair.span) for pair in one.pairs] == [b"A", b"B=", b"C='x y'", b'D="1"']
    assert [pair.separator for pair in one.pairs] == ["", "=", "=", "="]
    assert one.name == "arg"
    assert one.keyword == "arg"


def test_legacy_env_keeps_its_value_whole() -> None:
    one = only(b"ENV KEY  a b=c # d\r\n")
    assert isinstance(one, Env)
    (pair,) = one.pairs
    assert (pair.name, pair.separator) == ("KEY", "")
    assert pair.value is not None
    assert pair.value.raw == b"a b=c # d"
    assert one.code == b"ENV KEY  a b=c # d\r\n"


def test_a_word_over_two_lines_maps_to_both() -> None:
    data = b"FROM x\nENV A=one\\\ntwo B=3\n"
    one = dockerfix.parse(data).instructions[1]
    assert isinstance(one, Env)
    value = one.pairs[0].value
    assert value is not None
    assert value.raw == b"onetwo"
    assert bytes_at(one, value.span) == b"one\\\ntwo"
    assert bytes_at(one, value.text.host_span(Span(3, 6))) == b"two"


def test_an_empty_value_before_a_continuation_stands_behind_its_equals() -> None:
    data = b"FROM x\nENV A=\\\n  B=2\n"
    one = dockerfix.parse(data).instructions[1]
    assert isinstance(one, Env)
    value = one.pairs[0].value
    assert value is not None
    assert value.span == Span(13, 13)


def test_run_body_is_a_mask_of_the_same_length() -> None:
    data = b"FROM x\nRUN --network=none a \\\n  # note\n\n  b\n"
    one = dockerfix.parse(data).instructions[1]
    assert isinstance(one, Run)
    text = data[one.body.host(0) :].rstrip(b"\n")
    assert one.body.text == b"a " + b" " * (len(text) - 5) + b"  b"
    assert len(one.body.text) == len(text)
    assert not one.exec_form


def test_exec_form() -> None:
    one = only(b'RUN ["sh", "-c", "a\\"\\u00e9\\ud83d\\ude00\\n"]\n')
    assert isinstance(one, Run)
    assert one.exec_words == ("sh", "-c", 'a"é\U0001f600\n')


def test_text_that_only_begins_like_json_is_for_a_shell() -> None:
    one = only(b"RUN [ -f x ] && y\n")
    assert isinstance(one, Run)
    assert not one.exec_form
    assert one.body.text == b"[ -f x ] && y"


def test_mounts() -> None:
    one = only(
        b'RUN --mount=type=cache,target=/c --mount=type=secret,"id=a,b",ENV=X,required --new=1 z\n'
    )
    assert isinstance(one, Run)
    cache, secret = one.mounts
    assert (cache.type, cache.target, cache.get("dst")) == ("cache", "/c", "/c")
    # The flag scanner takes the quotes away before CSV is read, so the comma parts fields.
    assert secret.options == (
        ("type", "secret"),
        ("id", "a"),
        ("b", None),
        ("env", "X"),
        ("required", None),
    )
    assert secret.required
    assert secret.env == "X"
    assert [flag.name for flag in one.flags] == ["mount", "mount", "new"]
    assert one.arguments_text == b"z"


def test_quotes_inside_quotes_reach_csv() -> None:
    one = only(b"RUN --mount='type=secret,\"id=a,b\"' z\n")
    assert isinstance(one, Run)
    assert one.mounts[0].id == "a,b"
    spans = [bytes_at(one, option.span) for option in one.mounts[0].nodes]
    assert spans == [b"type=secret", b"id=a,b"]


@pytest.mark.parametrize(
    ("value", "id"),
    [
        ("type=secret,id=a", "a"),
        ("type=secret,src=a", "a"),
        ("type=secret,target=/etc/npmrc", "npmrc"),
        ("type=ssh", None),
        ("type=cache,target=/c", None),
    ],
)
def test_the_id_that_the_client_is_asked_for(value: str, id: str | None) -> None:
    one = only(f"RUN --mount={value} z\n".encode())
    assert isinstance(one, Run)
    assert one.mounts[0].id == id


def test_two_dashes_end_the_flags() -> None:
    one = only(b"RUN --network=none -- --mount=type=ssh a\n")
    assert isinstance(one, Run)
    assert [flag.name for flag in one.flags] == ["network"]
    assert one.arguments_text == b"--mount=type=ssh a"


def test_heredocs() -> None:
    data = b"FROM x\nRUN cat <<A 3<<-'B' \\\n && y\n1\nA\n\t2\n\tB\nRUN z\n"
    tree = dockerfix.parse(data)
    one = tree.instructions[1]
    assert isinstance(one, Run)
    a, b = one.heredocs
    assert (a.name, a.fd, a.expand, a.chomp, a.content) == ("A", 0, True, False, b"1\n")
    assert (b.name, b.fd, b.expand, b.chomp, b.content) == ("B", 3, False, True, b"\t2\n")
    assert (bytes_at(one, a.opener_span), bytes_at(one, b.opener_span)) == (b"<<A", b"3<<-'B'")
    assert bytes_at(one, b.span) == b"\t2\n\tB\n"
    assert (one.start_line, one.end_line) == (2, 7)
    assert one.code == data[7:-6]
    assert [body.text for body in one.heredoc_bodies] == [b"1\n", b"\t2\n"]
    assert b"<<A" in one.body.text
    assert b"1\n" not in one.body.text


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("docker/dockerfile:1", 1),
        ("docker/dockerfile:1.16", 1),
        ("docker/dockerfile:1.15.1-labs", 0),
        ("docker/dockerfile:1.4 x", 0),
        ("mirror.example.com/docker/dockerfile:1.9", 0),
        ("example.com/other:1.9", 1),
    ],
)
def test_a_blank_behind_the_opener_counts_since_1_16(image: str, found: int) -> None:
    text = f"# syntax={image}\nFROM a\nRUN cat << E\nRUN x\nE\n".encode()
    tree = dockerfix.parse(text)
    assert tree.code == text
    assert sum(len(one.heredocs) for one in tree.instructions) == found


def test_an_open_heredoc_leaves_the_rest_of_the_file() -> None:
    tree = dockerfix.parse(b"FROM x\nRUN echo $((1 << 2))\nRUN b\n")
    assert [type(one) for one in tree.instructions] == [From, ErrorInstruction, Run]
    assert [(one.line, one.message) for one in tree.errors] == [(2, "unterminated heredoc")]


def test_copy_sources_flags_and_json() -> None:
    one = only(b'COPY --from=build --chown=1 ["a b", "c\\"d", "/e"]\n')
    assert isinstance(one, Copy)
    assert [word.raw for word in one.sources] == [b"a b", b'c"d']
    assert one.destination is not None
    assert bytes_at(one, one.destination.span) == b"/e"
    assert one.from_ == "build"
    assert not isinstance(one, Add)
    edit = one.sources[1].text.edit(Span(1, 2), b"\\")
    assert bytes_at(one, edit.span) == b'\\"'
    assert edit.text == b"\\\\"


def test_small_instructions() -> None:
    user, expose, volume, health = dockerfix.parse(
        b'FROM x\nUSER a b\nEXPOSE 1  2\nVOLUME ["/a"]\nHEALTHCHECK --retries=1 CMD x y\n'
    ).instructions[1:]
    assert isinstance(user, User)
    assert user.argument is not None
    assert user.argument.raw == b"a b"
    assert isinstance(expose, Expose)
    assert [word.raw for word in expose.words] == [b"1", b"2"]
    assert isinstance(volume, Volume)
    assert [word.raw for word in volume.words] == [b"/a"]
    assert isinstance(health, Healthcheck)
    assert health.body.text == b"x y"


def test_onbuild_holds_an_instruction() -> None:
    one = only(b"ONBUILD RUN \\\n  --mount=type=ssh <<E\nx\nE\n")
    assert isinstance(one, Onbuild)
    assert isinstance(one.trigger, Run)
    assert one.trigger.mounts[0].type == "ssh"
    assert bytes_at(one, one.trigger.span) == b"RUN \\\n  --mount=type=ssh <<E"
    assert [body.content for body in one.heredocs] == [b"x\n"]


def test_header_and_directives() -> None:
    data = b"\xef\xbb\xbf#!/usr/bin/env x\n# Syntax = a/b:1 c \n#escape=`\n# note\nFROM x\n"
    tree = dockerfix.parse(data)
    assert tree.header.code == data[: data.index(b"# note")]
    # After a shebang the parser heeds no escape, but syntax is still looked for (rule 1.11).
    assert [(one.name, one.value, one.line) for one in tree.directives] == [
        ("syntax", "a/b:1 c", 2)
    ]
    assert tree.escape == b"\\"
    assert bytes_at(tree.instructions[0], tree.directives[0].value_span) == b"a/b:1 c"


def test_escape_directive() -> None:
    tree = dockerfix.parse(b"# escape=`\nFROM x\nRUN a `\n b\nCOPY a\\b c\n")
    assert tree.escape == b"`"
    assert [one.end_line for one in tree.instructions] == [2, 4, 5]


def test_indentation_and_comments_stand_between_instructions() -> None:
    tree = dockerfix.parse(b"# one\n\n  FROM x\n\t# two\nRUN y")
    kinds = [getattr(child, "kind", type(child).__name__) for child in tree.children]
    assert kinds == ["Header", "Comment", "Blank", "BLANK", "From", "Comment", "Run"]
    assert isinstance(tree.children[1], Comment)
    assert tree.children[1].text == "one"
    assert tree.instructions[0].span.start == 9
    assert tree.instructions[0].comments == ("one",)


def test_stages_and_meta_args() -> None:
    tree = dockerfix.parse(b"ARG A\nARG B=1\nFROM x AS a\nRUN 1\nFROM a\nARG A\nRUN 2\n")
    assert [arg.pairs[0].name for arg in tree.meta_args] == ["A", "B"]
    assert [(block.index, block.name, len(block.instructions)) for block in tree.stages] == [
        (0, "a", 1),
        (1, None, 2),
    ]
    assert tree.stages[1].from_.image.raw == b"a"


def test_unknown_things_are_notes() -> None:
    tree = dockerfix.parse(
        b"FROM x\nFUTURE --a b\nCOPY --future a b\nRUN --mount=type=new,key=1 c\n"
    )
    assert not tree.errors
    assert [(note.line, note.message) for note in tree.notes] == [
        (2, "unknown instruction: FUTURE"),
        (3, "unknown flag: --future"),
    ]
    assert isinstance(tree.instructions[1], UnknownInstruction)
    assert isinstance(tree.instructions[3], Run)
    assert tree.instructions[3].mounts[0].get("key") == "1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"FROM a b", "FROM requires either one or three arguments"),
        (b"ENV A", "ENV must have two arguments"),
        (b"ENV A=1 B", 'Syntax error - can\'t find = in "B". Must be of the form: name=value'),
        (b"ARG a = 1", "ARG names can not be blank"),
        (b"COPY a", "COPY requires at least two arguments, but only one was provided. Destination could not be determined"),
        (b"RUN [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
        (b"RUN --mount a", "missing a value on flag: --mount"),
        (b"COPY --link=x a b", "expecting boolean value for flag --link, not: x"),
        (b"ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        (b"SHELL sh -c", "SHELL requires the arguments to be in JSON form"),
        (b"HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        (b"COPY a <<E\nx\nE", "COPY cannot accept a heredoc as a destination"),
        (b"VOLUME [\" \"]", "VOLUME specified can not be an empty string"),
    ],
)  # fmt: skip
def test_an_instruction_that_fails_its_shape_holds_its_tokens(line: bytes, message: str) -> None:
    tree = dockerfix.parse(b"FROM x\n" + line + b"\nRUN after\n")
    bad = tree.instructions[1]
    assert isinstance(bad, ErrorInstruction)
    assert bad.message == message
    assert [(one.line, one.message) for one in tree.errors] == [(2, message)]
    assert bad.code == line + b"\n"
    assert len(bad.parts) > 1
    assert isinstance(tree.instructions[2], Run)


def test_a_file_without_a_stage_says_so_once() -> None:
    tree = dockerfix.parse(b"ARG A\nRUN a\nRUN b\n")
    assert [(one.line, one.message) for one in tree.errors] == [
        (2, "no build stage in current context")
    ]
    assert all(isinstance(one, Arg | Run) for one in tree.instructions)


def test_long_lines_are_noted_and_read() -> None:
    tree = dockerfix.parse(b"FROM x\nRUN " + b"a" * 65530 + b"\nRUN " + b"a" * 65531 + b"\n")
    assert [(note.line, note.stage) for note in tree.notes] == [(3, "parse")]
    assert len(tree.instructions) == 3


def test_blank_lines_inside_an_instruction_are_warned_of() -> None:
    tree = dockerfix.parse(b"FROM x\nRUN a \\\n\n  b\n")
    assert [(one.line, one.message) for one in tree.warnings] == [
        (4, "Empty continuation line found in: RUN a   b")
    ]


def test_find_reads_only_what_is_asked_for() -> None:
    tree = dockerfix.parse(b"FROM x\nENV A=1\nRUN a\nARG B\n")
    found = list(tree.find("env", "arg"))
    assert [one.name for one in found] == ["env", "arg"]
    assert found == [tree.instructions[1], tree.instructions[3]]


def test_nodes_are_frozen() -> None:
    tree: Dockerfile = dockerfix.parse(b"FROM x\n")
    with pytest.raises(AttributeError):
        tree.instructions[0].line = None  # type: ignore[misc, assignment]
