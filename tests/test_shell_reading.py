"""Reading shell: commands, words, uses, assignments, and what holds at each command."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerfix.projection import Projection
from dockerfix.shell import Command, Script, read
from dockerfix.source import Span


def script(text: str | bytes, **files: bytes) -> Script:
    data = text.encode() if isinstance(text, str) else text
    return read(Projection.identity(data), load=lambda path: files.get(path.replace(".", "_")))


def last(text: str, **files: bytes) -> Command:
    return script(text, **files).commands[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo $X", [("X", "", "none", False)]),
        ('echo "${X}"', [("X", "", "double", False)]),
        ("echo ${X:-a$Y}", [("X", ":-", "none", False), ("Y", "", "none", False)]),
        ("echo ${X-d} ${X+x} ${X:?e}", [("X", "-", "none", False), ("X", "+", "none", False), ("X", ":?", "none", False)]),
        ("echo ${X#p} ${X%%s} ${X/a/b}", [("X", "#", "none", False), ("X", "%%", "none", False), ("X", "/", "none", False)]),
        ("echo ${#X} ${!X}", [("X", "length", "none", False), ("X", "!", "none", False)]),
        ("echo $((X + 1))", [("X", "arithmetic", "none", False)]),
        ("echo `cat $X` $(cat $Y)", [("X", "", "none", False), ("Y", "", "none", False)]),
        (r"echo \$X '$Y' \"$Z", [("X", "", "escaped", True), ("Y", "", "single", True), ("Z", "", "none", False)]),
        (r'echo "\$X ${Y}"', [("X", "", "escaped", True), ("Y", "", "double", False)]),
        ("cat <<E\n$X \\$Y\nE", [("X", "", "double", False), ("Y", "", "escaped", True)]),
        ("cat <<'E'\n$X\nE", [("X", "", "single", True)]),
        ("sh -c 'echo $X'", [("X", "", "single", True)]),
        ("[ -v X ]", [("X", "-v", "none", False)]),
        ("[[ -n $X ]]", [("X", "", "none", False)]),
        ("printenv X", [("X", "printenv", "none", False)]),
        ("echo $XY ${XY}", [("XY", "", "none", False), ("XY", "", "none", False)]),
        ("echo $X-Y", [("X", "", "none", False)]),
        ("X=$Y cmd", [("Y", "", "none", False)]),
        ("cmd <<<$X >$Y", [("X", "", "none", False), ("Y", "", "none", False)]),
        ("echo # $X", []),
        ("for i in $X; do :; done", [("X", "", "none", False)]),
        ("case $X in $Y) ;; esac", [("X", "", "none", False), ("Y", "", "none", False)]),
        ("a=($X \"$Y\")", [("X", "", "none", False), ("Y", "", "double", False)]),
        ("if ] fi (( $X", [("X", "", "none", False)]),
    ],
)  # fmt: skip
def test_uses(text: str, expected: list[tuple[str, str, str, bool]]) -> None:
    found = [(u.name, u.operator, u.quoting, u.deferred) for u in script(text).uses]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("X=1; echo $X", True),
        ("X=1 echo $X", False),
        ("if a; then X=1; fi; echo $X", False),
        ("if a; then X=1; else X=2; fi; echo $X", True),
        ("if a; then X=1; else exit; fi; echo $X", True),
        ("(X=1); echo $X", False),
        ("for X in a b; do echo $X; done", True),
        ("read X; echo $X", True),
        ("a | read X; echo $X", False),
        ("f() { local X=1; echo $X; }; f", True),
        ("f() { X=1; }; f; echo $X", True),
        ("f() { local X=1; }; f; echo $X", False),
        ("f() { X=1; }; echo $X", False),
        ("echo $X; X=1", False),
        ("export X; echo $X", False),
        ("X=1; sh -c 'echo $X'", False),
        ("export X=1; sh -c 'echo $X'", True),
        ("X=1 sh -c 'echo $X'", True),
        ("while a; do echo $X; X=1; done", False),
        (": ${X:=d}; echo $X", True),
        ("unset X; echo $X", True),
    ],
)
def test_what_the_script_assigned_before(text: str, before: bool) -> None:
    uses = [use for use in script(text).uses if use.name == "X" and use.operator != ":="]
    assert [use.assigned_before for use in uses] == [before]


@pytest.mark.parametrize(
    ("text", "exported", "in_sync"),
    [
        ("cmd", False, True),
        ("X=1; cmd", False, False),
        ("export X=1; cmd", True, True),
        ("export X; X=1; cmd", True, True),
        ("set -a; X=1; cmd", True, True),
        ("set -o allexport; X=1; set +a; cmd", True, True),
        ("declare -x X=1; cmd", True, True),
        ("declare X=1; cmd", False, False),
        ("if a; then X=1; fi; cmd", False, False),
        ("if a; then export X=1; fi; cmd", False, True),
        ("f() { local X=1; cmd; }; f", False, False),
        ("read X; cmd", False, False),
        (". ./f; cmd", False, False),
        ("eval $(a); cmd", False, False),
        ('eval "$(ssh-agent -s)"; cmd', False, True),
        ("export X=1; export -n X; cmd", False, False),
    ],
)
def test_what_a_child_finds(text: str, exported: bool, in_sync: bool) -> None:
    command = next(c for c in script(text).commands if c.name == "cmd")
    variable = command.state.variable("X")
    assert (variable.attribute == "yes", variable.in_sync) == (exported, in_sync)


def test_a_sourced_file_is_walked_in_place() -> None:
    command = last(". ./f.sh; cmd", f_sh=b"X=1\nexport Y=2\n")
    assert not command.state.variable("X").in_sync
    assert command.state.variable("Y").in_sync
    assert command.state.variable("Z").in_sync


@pytest.mark.parametrize(
    ("text", "cwds"),
    [
        ("cmd", {""}),
        ("cd a && cmd", {"a"}),
        ("cd a; cd ..; cmd", {""}),
        ("cd a || exit; cmd", {"a"}),
        ("(cd a); cmd", {""}),
        ("pushd a; popd; cmd", {""}),
        ("cd a; cd -; cmd", {""}),
        ("D=a/b; cd $D; cmd", {"a/b"}),
        ("cd $D; cmd", None),
        ('cd "$(dirname "$0")"; cmd', {"\x02"}),
        ('cd "${0%/*}/.."; cmd', {"\x02/.."}),
        ("if a; then cd b; fi; cmd", {"", "b"}),
        ("for d in a b; do (cd $d; true); done; cmd", {""}),
        ("cd /opt; cmd", {"/opt"}),
        ("R=$(pwd); cd a; cd $R/b; cmd", {"b"}),
    ],
)
def test_the_working_directory(text: str, cwds: set[str] | None) -> None:
    assert last(text).states[0].cwds == cwds


def test_options_hold_from_where_they_are_set() -> None:
    found = script("a; set -eux; b; set +u; c; set -o nounset; d")
    state = {command.name: command.state for command in found.commands}
    assert [state[name].nounset for name in "abcd"] == [False, True, False, True]
    assert [state[name].xtrace for name in "abcd"] == [False, True, True, True]
    assert found.nounset_at(found.text.index(b"b;"))


def test_words_prefix_and_redirects_of_a_command() -> None:
    command = script("A=1 B='x y' cmd -f \"$Z\"'q' $X >o 2>&1 <<E arg\nbody\nE\n").commands[0]
    assert [word.raw for word in command.words] == [b"cmd", b"-f", b"\"$Z\"'q'", b"$X", b"arg"]
    assert [(a.name, a.value and a.value.literal) for a in command.prefix] == [
        ("A", "1"),
        ("B", "x y"),
    ]
    assert [redirect.operator for redirect in command.redirects] == [">", ">&", "<<"]
    assert command.words[3].single_variable == "X"
    assert command.words[2].single_variable is None


def test_contexts() -> None:
    found = script("f() { a; }; (b); if c; then d; fi; while e; do g; done; h $(i) | j; k && l; f")
    contexts = {command.name: command.context for command in found.commands}
    assert contexts["a"] == ("function:f",)
    assert contexts["b"] == ("subshell",)
    assert contexts["d"] == ("if",)
    assert contexts["g"] == ("loop",)
    assert contexts["i"] == ("pipeline", "substitution")
    operators = {command.name: command.operator_before for command in found.commands}
    assert operators["l"] == "&&"
    assert [c.name for c in found.commands if c.in_pipeline] == ["h", "j"]


@pytest.mark.parametrize(
    ("text", "piped", "names"),
    [
        ("a && b 2>&1 | c", [["b 2>&1", "c"]], "bc"),
        ("a || b && c 2>/dev/null | d && e", [["c 2>/dev/null", "d"]], "cd"),
        ("a && b | c 2>&1 | d", [["b", "c"], ["b | c 2>&1", "d"]], "bcd"),
        ("a # x\nb &&\n# y\nc > f | d; e", [["c > f", "d"]], "cd"),
        ("{ a && b; } 2>&1 | c", [["{ a && b; } 2>&1", "c"]], "abc"),
    ],
)
def test_a_redirect_does_not_pipe_the_list_before_it(
    text: str, piped: list[list[str]], names: str
) -> None:
    found = script(text)
    assert [[text[one.start : one.end] for one in stages] for stages in found.pipelines] == piped
    assert [c.name for c in found.commands if "pipeline" in c.context] == [*names]


def test_strings_for_another_shell_are_scripts_of_their_own() -> None:
    found = script("sudo bash -ec 'cd a; b $X'\nsh -c \"c \\$Y $Z\"\neval 'd'\nssh h 'e f'")
    assert [nested.kind for nested in found.nested] == ["bash", "sh", "eval", "ssh"]
    inner = found.nested[0].script
    command = inner.commands[1]
    assert command.cwd == "a"
    assert found.text[inner.projection.host_span(command.span).start :].startswith(b"b $X'")
    double = found.nested[1].script
    assert [use.name for use in double.uses] == ["Y"]
    assert double.commands[0].words[2].parts[0].kind == "foreign"
    names = [c.name for _, c in found.every()]
    assert names == ["sudo", "sh", "eval", "ssh", "cd", "b", "c", "d", "e"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["$X", "${X:-", "}", "$(", ")", "`", "'", '"', "\\", "\n", " ", "<<E\n", "E\n", "((",
             "))", ";", "&&", "|", "if a; then ", "fi", "for i in a; do ", "done", "f() { ", "cmd ",
             "X=1 ", "a=(", "\0", "\1", "ü", "[[ ", "case x in a) ", "esac", "#", ">", "$'"]
        ),
        max_size=30,
    ).map(lambda pieces: "".join(pieces).encode())
    | st.binary(max_size=60)
)  # fmt: skip
def test_any_bytes_are_read_and_spans_stay_true(data: bytes) -> None:
    found = script(data)
    whole = Span(0, len(data))
    for command in found.commands:
        assert whole.contains(command.span)
        for word in command.words:
            assert data[word.span.start : word.span.end] == word.raw
    for use in found.uses:
        assert use.name.encode("utf-8", "surrogateescape") in data[use.span.start : use.span.end]
