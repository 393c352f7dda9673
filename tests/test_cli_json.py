"""The JSON report, held to its schema."""

from __future__ import annotations

from pathlib import Path

from command_line import CALLER, DOCKERFILE, FIXED, FIXED_CALLER, dockerfix, document, lay_out, text


def test_the_json_report(repository: Path) -> None:
    done = dockerfix(repository, "--output-format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    found = document(done)
    (one,) = found["findings"]
    place = {key: one[key] for key in ("path", "line", "column", "end_line", "end_column")}
    assert place == {
        "path": "Dockerfile", "line": 2, "column": 5, "end_line": 2, "end_column": 14,
    }  # fmt: skip
    assert (one["pass"], one["variable"]) == ("secret-in-arg", "NPM_TOKEN")
    assert (one["safety"], one["status"], one["severity"]) == ("safe", "fixable", "warning")
    assert one["fix"]["paths"] == ["Dockerfile", "build.sh"]
    assert found["summary"]["findings"] == 1
    assert found["changed"] == []


def test_json_with_diff_and_write(repository: Path) -> None:
    found = document(dockerfix(repository, "--output-format", "json", "--diff"))
    assert found["diff"].startswith("--- a/Dockerfile\n")
    assert found["changed"] == ["Dockerfile", "build.sh"]
    found = document(dockerfix(repository, "--output-format", "json", "--write"))
    assert "diff" not in found
    assert found["findings"][0]["fix"]["outcome"] == "fixed"
    assert text(repository / "Dockerfile") == FIXED


def test_a_workflow_elsewhere_that_gets_the_secret_is_named(tmp_path: Path) -> None:
    uses = "    uses: o/w/.github/workflows/{}.yml@v1\n    secrets:{}\n"
    jobs = [
        "  lint:\n" + uses.format("lint", " inherit"),
        "  image:\n" + uses.format("image", "\n      npm: ${{ secrets.NPM_TOKEN }}"),
        "  other:\n" + uses.format("docker", "\n      NPM_TOKEN_2: ${{ secrets.OTHER }}"),
    ]
    workflow = ".github/workflows/ci.yml"
    lay_out(tmp_path, {"Dockerfile": DOCKERFILE, workflow: "on: push\njobs:\n" + "".join(jobs)})
    found = document(dockerfix(tmp_path, "--output-format", "json"))
    (caller,) = found["outside_callers"]
    assert [(one["path"], one["line"]) for one in caller["through"]] == [
        (workflow, 5),
        (workflow, 9),
    ]
    assert "`secrets: inherit`" in caller["through"][0]["message"]
    assert "gets NPM_TOKEN in `secrets: npm`" in caller["through"][1]["message"]
    (finding,) = found["findings"]
    assert finding["safety"] == "unsafe"
    assert "S2: .github/workflows/ci.yml:9: " in finding["reason"]
    quiet = "on: push\njobs:\n" + jobs[0]
    (tmp_path / workflow).write_text(quiet)
    found = document(dockerfix(tmp_path, "--output-format", "json"))
    assert found["findings"][0]["safety"] == "safe"
    assert len(found["outside_callers"][0]["through"]) == 1


def test_outside_callers_are_told_the_flag(tmp_path: Path) -> None:
    lay_out(tmp_path, {"Dockerfile": DOCKERFILE})
    found = document(dockerfix(tmp_path, "--output-format", "json", "--diff"))
    assert found["outside_callers"] == [
        {
            "dockerfile": "Dockerfile",
            "variable": "NPM_TOKEN",
            "flag": "--secret id=NPM_TOKEN,env=NPM_TOKEN",
            "through": [],
        }
    ]
    said = dockerfix(tmp_path, "--diff").stderr
    flag = "Dockerfile: callers outside this tree must give `--secret id=NPM_TOKEN,env=NPM_TOKEN`"
    assert said.count("callers outside") == 1
    assert f"{flag} instead of `--build-arg NPM_TOKEN`\n" in said
    written = "FROM a\nENV NPM_TOKEN=npm_inventedCanary0123456789abcdef\nRUN curl -u $NPM_TOKEN b\n"
    lay_out(tmp_path, {"Dockerfile": written})
    assert f"{flag}\n" in dockerfix(tmp_path, "--diff", "--unsafe-fixes").stderr


def test_a_caller_that_git_ignores_is_told_of_and_not_edited(repository: Path) -> None:
    lay_out(repository, {".gitignore": "local.sh\n", "local.sh": CALLER})
    found = document(dockerfix(repository, "--output-format", "json", "--write"))
    assert [(one["path"], one["line"]) for one in found["not_changed"]] == [("local.sh", 2)]
    assert text(repository / "local.sh") == CALLER
    assert text(repository / "build.sh") == FIXED_CALLER
