"""What text holds a fix back because it passes the build argument, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockerfix.builders import make
from dockerfix.builders.mentions import mentions
from dockerfix.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

PASSES = {
    ".github/workflows/a.yml": """\
jobs:
  b:
    steps:
      - uses: docker/build-push-action@v6
        with:
          context: .
          build-args: |
            VERSION=1
            NPM_TOKEN=${{ secrets.NPM_TOKEN }}
""",
    ".github/workflows/inline.yml": "    - with:\n        build-args: NPM_TOKEN=${{ secrets.T }}\n",
    ".github/workflows/run.yml": "    - run: docker build --build-arg NPM_TOKEN=${{ secrets.T }} .\n",
    ".github/workflows/bake.yml": "      with:\n        set: |\n          *.args.NPM_TOKEN=x\n",
    "docker-compose.yml": "services:\n  a:\n    build:\n      context: .\n      args:\n        - NPM_TOKEN\n",
    "compose.yaml": "services:\n  a:\n    build:\n      args:\n      - A=1\n      - NPM_TOKEN=$T\n",
    "compose.map.yaml": "services:\n  a:\n    build:\n      args:\n        NPM_TOKEN: ${T}\n",
    "compose.flow.yaml": "services: {a: 1}\nb:\n  build:\n    args: {A: 1, NPM_TOKEN: x}\n",
    "compose.anchor.yml": "x-args: &args\n  NPM_TOKEN: x\nservices:\n  a:\n    build:\n      args:\n        <<: *args\n",
    "compose.alias.yml": "x-args: &args\n  - NPM_TOKEN\nservices:\n  a:\n    build:\n      args: *args\n",
    "templates/docker-compose-app.yml.j2": "services:\n  {{ name }}:\n    build:\n      args:\n        - NPM_TOKEN=${T}\n",
    "convox.yml": "services:\n  web:\n    build:\n      args:\n        - NPM_TOKEN\n",
    ".lando.yml": "services:\n  a:\n    overrides:\n      build:\n        args:\n          NPM_TOKEN: x\n",
    "Pulumi.yaml": "resources:\n  a:\n    properties:\n      build:\n        args:\n          NPM_TOKEN: ${t}\n",
    "Build.cs": 'Run("docker", "build", "--build-arg", $"NPM_TOKEN={t}", ".");\n',
    "build.nu": 'docker build --build-arg $"NPM_TOKEN=($t)" .\n',
    "shipwright.yaml": "spec:\n  paramValues:\n  - name: build-args\n    values:\n    - value: NPM_TOKEN=x\n",
    "render.yaml.tmpl": "services:\n  - type: web\n    envVars:\n      - key: NPM_TOKEN\n",
    "config/deploy.yml": "service: a\nbuilder:\n  arch: amd64\n  args:\n    NPM_TOKEN: x\n",
    "heroku.yml": "build:\n  docker:\n    web: Dockerfile\n  config:\n    NPM_TOKEN: x\n",
    "render.yaml": "services:\n  - type: web\n    envVars:\n      - key: NPM_TOKEN\n        sync: false\n",
    "fly.toml": "app = 'a'\n[build]\n[build.args]\n  NPM_TOKEN = 'x'\n[env]\n  A = '1'\n",
    "main.tf": 'resource "docker_image" "a" {\n  build {\n    build_args = {\n      NPM_TOKEN : var.t\n    }\n  }\n}\n',
    "docker-bake.hcl": 'target "a" {\n  args = { A = "1", NPM_TOKEN = T }\n}\n',
    "skaffold.yaml": "build:\n  artifacts:\n    - docker:\n        buildArgs:\n          NPM_TOKEN: '{{.T}}'\n",
    ".devcontainer/devcontainer.json": '{"build": {"args": {"NPM_TOKEN": "${localEnv:T}"}}}',
    "cloudbuild.yaml": "steps:\n- args:\n  - build\n  - '--build-arg'\n  - 'NPM_TOKEN=$$T'\n",
    "cloudbuild.b.yaml": "steps:\n- args: ['build', '--build-arg', 'NPM_TOKEN=$$T', '.']\n",
    "pom.xml": "<build><buildArgs>\n<NPM_TOKEN>${t}</NPM_TOKEN></buildArgs></build>",
    "build.ps1": "docker build --build-arg NPM_TOKEN=$env:NPM_TOKEN .\n",
    "tool.py": 'client.images.build(path=".", buildargs={"NPM_TOKEN": token})\n',
    "run.py": 'subprocess.run(["docker", "build", "--build-arg", f"NPM_TOKEN={t}", "."])\n',
    "tool.go": 'types.ImageBuildOptions{BuildArgs: map[string]*string{"NPM_TOKEN": &t}}\n',
    "tool.js": "execSync(`docker build --build-arg NPM_TOKEN=${t} .`)\n",
    "Jenkinsfile": 'sh "docker build --build-arg NPM_TOKEN=${env.T} ."\n',
    ".goreleaser.yml": 'dockers:\n  - build_flag_templates:\n      - "--build-arg=NPM_TOKEN={{ .Env.T }}"\n',
    "tasks/image.yml": "- community.docker.docker_image:\n    build:\n      args:\n        NPM_TOKEN: x\n",
    "package.json": '{"scripts": {"image": "docker build --build-arg NPM_TOKEN=$NPM_TOKEN ."}}',
    ".drone.yml": "steps:\n- settings:\n    build_args_from_env:\n    - NPM_TOKEN\n",
    "odd.file": "docker build --build-arg NPM_TOKEN=x .\n",
    "build.sh": "#!/bin/sh\nsomething docker build \\\n  --build-arg NPM_TOKEN=x .\n",
    ".github/workflows/elgohr.yml": "    - uses: a/b@v5\n      with:\n        buildargs: VERSION,NPM_TOKEN\n",
    ".github/workflows/argument.yml": "    - uses: a/b@v1\n      with:\n        buildArguments: |\n          A=1\n          NPM_TOKEN=x\n",
    ".github/workflows/extra.yml": "    - uses: a/b@v8\n      with:\n        build_extra_args: >\n          --build-arg=NPM_TOKEN=x\n",
    ".github/workflows/elsewhere.yml": "jobs:\n  b:\n    uses: o/w/.github/workflows/d.yml@v1\n    secrets:\n      DOCKER_BUILD_ARGS: |\n        A=1\n        NPM_TOKEN=${{ secrets.T }}\n",
    ".github/workflows/output.yml": '      - run: |\n          echo "build_args=NPM_TOKEN=$T" >> $GITHUB_OUTPUT\n',
    "jenkins/jenkinsfile": "sh '''\n docker build --build-arg NPM_TOKEN=$NPM_TOKEN .\n'''\n",
    "release.gvy": "x(dockerBuildArgs: [NPM_TOKEN: t])\n",
    "werf.yaml": 'image: a\ndockerfile: Dockerfile\nargs:\n  NPM_TOKEN: {{ env "T" }}\n',
    "okteto.yml": "build:\n  api:\n    context: .\n    args:\n      - NPM_TOKEN=$T\n",
    "copilot/api/manifest.yml": "image:\n  build:\n    args:\n      NPM_TOKEN: x\n",
    ".do/app.yaml": "services:\n- dockerfile_path: Dockerfile\n  envs:\n  - key: NPM_TOKEN\n    scope: RUN_AND_BUILD_TIME\n",
    "ci/concourse.yml": "  config:\n    params:\n      BUILD_ARG_NPM_TOKEN: ((npm-token))\n",
    "index.ts": "import * as docker from '@pulumi/docker';\nnew docker.Image('a', { build: { args: { NPM_TOKEN: t } } });\n",
    "build.gradle.kts": 'buildArgs.put("NPM_TOKEN", t)\n',
    "Procfile.sh": "heroku container:push --arg A=1,NPM_TOKEN=$T web\n",
    ".drone.jsonnet": "settings: { build_args: ['NPM_TOKEN=x'] }\n",
    ".drone.star": "'settings': {'build_args_from_env': ['NPM_TOKEN']}\n",
    "tekton.yaml": "apiVersion: tekton.dev/v1\nspec:\n  params:\n  - name: BUILD_ARGS\n    value:\n    - NPM_TOKEN=$(params.T)\n",
    "hash.ps1": "$buildArgs = @{ NPM_TOKEN = $t }\n",
    "Tiltfile": "docker_build('a', '.', build_args=dict(NPM_TOKEN=token))\n",
    "own.ts": "const buildArgs: Record<string, string> = {};\nbuildArgs.NPM_TOKEN = token;\n",
    ".releaserc": '{"plugins": [["x", {"dockerArgs": {"NPM_TOKEN": true}}]]}',
    ".releaserc.yml": "plugins:\n- - x\n  - dockerArgs:\n      NPM_TOKEN: true\n",
    "my-bake.hcl": 'target "a" {\n  args = merge({ A = "1" }, { NPM_TOKEN = T })\n}\n',
    "words.py": "client.images.build(path='.', buildargs=dict(A='1', NPM_TOKEN=token))\n",
    "image.kts": 'buildArgs.set(mapOf("NPM_TOKEN" to token))\n',
    "Image.java": 'Image image = x.buildArgs(Map.of("NPM_TOKEN", token));\n',
    "Held.java": 'buildArgs = new HashMap<String, String>(Map.of("NPM_TOKEN", token));\n',
    "fly.inline.toml": "app = 'a'\n[build]\nargs = { A = '1', NPM_TOKEN = 'x' }\n",
    "fly.dotted.toml": "build.args.NPM_TOKEN = 'x'\napp = 'a'\n",
    "fly.entry.toml": "[build]\n  dockerfile = 'D'\n  args.NPM_TOKEN = 'x'\n",
    "build-config.yaml": "kind: BuildConfig\nspec:\n  strategy:\n    dockerStrategy:\n      env:\n      - name: NPM_TOKEN\n        value: x\n",
}

SILENT = {
    "empty.sh": 'BUILD_ARGS=""\nNPM_TOKEN=x npm publish\n',
    "empty.mk": "BUILD_ARGS =\nNPM_TOKEN ?= x\n",
    "targets.json": '{"buildTargets": {"NPM_TOKEN": 1}}',
    "pulumi.ts": "import '@pulumi/docker';\nconst a = { env: { NPM_TOKEN: t } };\n",
    ".github/workflows/publish.yml": """\
jobs:
  b:
    steps:
      - uses: docker/build-push-action@v6
        with:
          build-args: |
            VERSION=1
      - run: npm publish
        env:
          NPM_TOKEN: ${{ secrets.NPM_TOKEN }}
""",
    ".github/workflows/secret.yml": "    - with:\n        build-args: A=1\n        secrets: |\n          NPM_TOKEN=${{ secrets.T }}\n",
    ".github/workflows/value.yml": "    - with:\n        build-args: |\n          OTHER=${{ secrets.NPM_TOKEN }}\n",
    "compose.yml": "services:\n  a:\n    build:\n      args:\n        A: 1\n    environment:\n      NPM_TOKEN: x\n",
    "compose.value.yml": "services:\n  a:\n    build:\n      args:\n        A: ${NPM_TOKEN}\n",
    "k8s.yaml": "spec:\n  containers:\n  - args: ['--token', NPM_TOKEN]\n    env:\n    - name: NPM_TOKEN\n",
    "longer.sh": "docker build --build-arg NPM_TOKEN_FILE=x --build-arg MY_NPM_TOKEN=y .\n",
    "plain.sh": "export NPM_TOKEN=x\nnpm publish\ndocker build --build-arg A=1 .\n",
    "tool.py": 'token = os.environ["NPM_TOKEN"]\n' + "\n" * 40 + 'build(buildargs={"A": "1"})\n',
    "fly.toml": "[build.args]\n  A = '1'\n[env]\n  NPM_TOKEN = 'x'\n",
    "read.ts": "const { NPM_TOKEN } = process.env;\nexec('docker build --build-arg A=1 .');\n",
    "docker-bake.hcl": 'target "a" {\n  args = { A = "${NPM_TOKEN}" }\n}\nvariable "NPM_TOKEN" {}\n',
}

PROSE = {
    "README.md": "Run `docker build --build-arg NPM_TOKEN=x .`\n",
    "Dockerfile": "# docker build --build-arg NPM_TOKEN=x .\nFROM a\n",
    "usage.sh": "#!/bin/sh\necho 'docker build --build-arg NPM_TOKEN=x .'\n",
    "comment.sh": "# docker build --build-arg NPM_TOKEN=x .\n",
    "help.sh": "cat <<EOF\n  docker build --build-arg NPM_TOKEN=x .\nEOF\n",
    ".github/workflows/c.yml": "    # build-args: NPM_TOKEN=x\n    #   --build-arg NPM_TOKEN=x\n",
}


def found(tmp_path: Path, files: dict[str, str]) -> list[tuple[str, str, int]]:
    for path, text in files.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    workspace = Workspace(str(tmp_path))
    result = mentions("NPM_TOKEN", workspace, ())
    for one in result:
        assert workspace.read(one.path)[one.span.start : one.span.end] == b"NPM_TOKEN"
    return [(one.path, one.kind, one.span.start) for one in result]


@pytest.mark.parametrize("path", PASSES)
def test_text_that_passes_it_holds_back(path: str, tmp_path: Path) -> None:
    result = found(tmp_path, {path: PASSES[path]})
    assert [(one, kind) for one, kind, _ in result] == [(path, "executable")]


@pytest.mark.parametrize("path", SILENT)
def test_text_that_only_names_it_does_not(path: str, tmp_path: Path) -> None:
    assert found(tmp_path, {path: SILENT[path]}) == []


@pytest.mark.parametrize("path", PROSE)
def test_prose_is_listed(path: str, tmp_path: Path) -> None:
    result = found(tmp_path, {path: PROSE[path]})
    assert {(one, kind) for one, kind, _ in result} == {(path, "prose")}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("build.sh", 'add() { docker build --build-arg "$1=${!1}" .; }\nadd "NPM_TOKEN"\n'),
        ("tool.py", 'ARGS = ["NPM_TOKEN"]\nfor a in ARGS:\n    cmd += ["--build-arg", a]\n'),
        (
            "args.py",
            "args = dict(NPM_TOKEN=token)\nfor k in args:\n    cmd += ['--build-arg', k]\n",
        ),
        (
            "args.ts",
            "const a = { NPM_TOKEN: t };\nfor (const k in a) cmd.push('--build-arg', k);\n",
        ),
    ],
)
def test_a_computed_name_is_an_unknown_caller(path: str, text: str, tmp_path: Path) -> None:
    assert [(one, kind) for one, kind, _ in found(tmp_path, {path: text})] == [
        (path, "unknown-caller")
    ]


def test_a_known_call_is_no_mention(tmp_path: Path) -> None:
    text = (
        "ARGS = --build-arg NPM_TOKEN=$(NPM_TOKEN)\n"
        "b: ## give --build-arg NPM_TOKEN\n\t@echo --build-arg NPM_TOKEN\n\tdocker build $(ARGS) .\n"
    )
    (tmp_path / "Makefile").write_text(text)
    workspace = Workspace(str(tmp_path))
    calls = tuple(make.find_calls("Makefile", text.encode(), workspace))
    assert [one.kind for one in mentions("NPM_TOKEN", workspace, calls)] == ["prose", "prose"]
    unused = text.replace("docker build $(ARGS) .", "./build $(ARGS)")
    (tmp_path / "Makefile").write_text(unused)
    workspace = Workspace(str(tmp_path))
    assert "executable" in [one.kind for one in mentions("NPM_TOKEN", workspace, ())]


def test_a_large_root_is_read_once(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"f{number}.yaml").write_text("args:\n" + "  - name: NPM_TOKEN\n" * 200)
    workspace = Workspace(str(tmp_path))
    assert mentions("NPM_TOKEN", workspace, ()) == ()
    reads: list[str] = []
    workspace.read = lambda path: reads.append(path) or b""  # type: ignore[method-assign,func-returns-value]
    assert mentions("OTHER", workspace, ()) == ()
    assert len(reads) <= 300
