"""The image of deploy/image, built by the lines of its Dockerfile as far as they matter
(which files, which user, which program) and run without a container engine."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from test_installs import each, unpacked
from world import EMULATOR, HERE, LINUX, NATIVE, ROOT, VERSION, Run, artifact

if TYPE_CHECKING:
    from pathlib import Path

    from targets import Target

MACHINE = [target for target in LINUX if target.is_stand_alone and target.cpu == NATIVE.cpu]


class Image:
    """The last stage of the Dockerfile, in a folder, with what Kubernetes mounts."""

    def __init__(self, run: Run, command: Path) -> None:
        self.run = run
        self.root = run.folder / "root"
        self.root.mkdir()
        self.user, self.entry_point, self.default = "0:0", list[str](), list[str]()
        text = (ROOT / "deploy/image/Dockerfile").read_text()
        _, stage = text.split("\nFROM scratch\n")
        for line in filter(None, stage.splitlines()):
            word, _, rest = line.partition(" ")
            match word:
                case "COPY":
                    stage_name, source, destination = rest.split()
                    assert stage_name == "--from=files"
                    self._copy(command, source, self.root / destination.lstrip("/"))
                case "USER":
                    self.user = rest
                case "ENTRYPOINT":
                    self.entry_point = json.loads(rest)
                case "CMD":
                    self.default = json.loads(rest)
                case _:
                    assert word == "#", f"this test does not know {word}"
        for folder in ("spiffe-workload-api", "run/openai"):
            (self.root / folder).mkdir(parents=True)
        uid, gid = map(int, self.user.split(":"))
        if os.geteuid() == 0:
            os.chown(self.root / "run/openai", uid, gid)
        (self.root / "run/openai").chmod(0o700)

    @staticmethod
    def _copy(command: Path, source: str, destination: Path) -> None:
        if source == "/svidex":
            for file in command.iterdir():
                file.rename(destination / file.name)
        else:
            # What the first stage has from its distribution: the emulator's own are put there.
            assert source == "/etc/ssl/certs/ca-certificates.crt"
            destination.parent.mkdir(parents=True)
            destination.touch()

    def command(self, *arguments: str) -> list[str]:
        program = [*self.entry_point, *(arguments or self.default)]
        return [
            sys.executable,
            str(HERE / "in_root.py"),
            str(self.root),
            self.user,
            *program,
        ]

    def __call__(self, *arguments: str) -> str:
        return self.run(EMULATOR, "run", "--", *self.command(*arguments))


@pytest.fixture
def image(run: Run, target: Target) -> Image:
    pattern = f"command/svidex-{VERSION}-{target.npm.removesuffix('-musl')}.tar.gz"
    return Image(run, unpacked(artifact(pattern), run.folder))


@each(MACHINE)
def test_the_main_job_in_an_empty_root_as_a_user_without_a_name(image: Image) -> None:
    image.run.job(*image.command("token"))
    files = {path.name for path in image.root.rglob("*") if path.is_file()}
    assert not {"passwd", "group", "resolv.conf", "nsswitch.conf"} & files


@each(MACHINE)
def test_what_the_image_does_by_itself(image: Image) -> None:
    assert "healthy" in image()


@each(MACHINE)
def test_a_bridge_and_a_program_with_a_token(image: Image) -> None:
    files = [
        "--svid-file",
        "/run/openai/svid",
        "--access-token-file",
        "/run/openai/token",
    ]
    image("bridge", "--once", *files)
    uid, gid = (int(number) for number in image.user.split(":"))
    if os.geteuid() != 0:
        uid, gid = os.geteuid(), os.getegid()
    for path in (image.root / "run/openai").iterdir():
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (uid, gid), path
        assert status.st_mode & 0o7777 == 0o600, path
    assert {path.name for path in (image.root / "run/openai").iterdir()} == {
        "svid",
        "token",
    }
    assert VERSION in image("exec", "--", "/svidex", "--version")
