"""What `docker save` writes is read as a container would see it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

from dockerfix.verify.image import Image

CANARY = "hT6pWz0QxN4vKd9LbRf1YcJm3SgUa7Eo"


def tar(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


class Archive:
    """An image in the making."""

    def __init__(self) -> None:
        self.members: dict[str, bytes] = {}

    def blob(self, data: bytes, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        self.members[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data), **more}

    def manifest(self, config: Any, layers: list[bytes], **more: Any) -> dict[str, Any]:
        document = {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.blob(json.dumps(config).encode()),
            "layers": [self.blob(layer) for layer in layers],
        }
        return self.blob(json.dumps(document).encode(), **more)

    def image(self, *manifests: dict[str, Any]) -> Image:
        inner = {
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": list(manifests),
        }
        index = {"manifests": [self.blob(json.dumps(inner).encode())]}
        return Image(tar({**self.members, "index.json": json.dumps(index).encode()}))


def one(config: dict[str, Any], *layers: dict[str, bytes]) -> Image:
    archive = Archive()
    return archive.image(archive.manifest(config, [gzip.compress(tar(x)) for x in layers]))


def parts(image: Image) -> set[str]:
    return {place.part for place in image.find({"TOKEN": CANARY})}


def test_each_part_of_an_image_is_told_apart() -> None:
    env = {"config": {"Env": [f"TOKEN={CANARY}"]}, "history": []}
    history = {"config": {}, "history": [{"created_by": f"ARG TOKEN={CANARY}"}]}
    assert parts(one(env)) == {"config"}
    assert parts(one(history)) == {"history"}
    assert parts(one({}, {"app/.npmrc": CANARY.encode()})) == {"layer"}
    assert parts(one({}, {"app/.npmrc": b"${TOKEN}"})) == set()


def test_a_file_that_a_later_layer_removes_is_still_found() -> None:
    image = one({}, {"key": CANARY.encode(), "kept": b"x"}, {".wh.key": b""})
    assert parts(image) == {"layer"}
    assert set(image.files()) == {"kept"}


def test_provenance_is_found_beside_the_image() -> None:
    archive = Archive()
    statement = json.dumps({"args": {"build-arg:TOKEN": CANARY}}).encode()
    image = archive.image(
        archive.manifest({"config": {}}, []),
        archive.manifest(
            {},
            [statement],
            annotations={"vnd.docker.reference.type": "attestation-manifest"},
        ),
    )
    assert image.attested
    assert parts(image) == {"provenance"}
    assert len(image.configs) == 1


def test_later_layers_cover_earlier_ones() -> None:
    image = one(
        {},
        {"etc/": b"", "etc/a": b"1", "etc/b": b"1", "var/": b"", "var/x": b"1"},
        {"etc/a": b"2", "etc/.wh.b": b"", "var/.wh..wh..opq": b"", "var/y": b"2"},
    )
    files = image.files()
    assert set(files) == {"etc", "etc/a", "var", "var/y"}
    assert files["etc/a"].content == hashlib.sha256(b"2").hexdigest()
    assert files["etc"].kind == "folder"


def test_settings_and_environment_are_told_apart() -> None:
    image = one({"config": {"Env": ["A=1=2", "B="], "User": "node", "Cmd": ["x"]}})
    assert image.environment() == {"A": "1=2", "B": ""}
    assert image.settings() == {"User": "node", "Cmd": ["x"]}
