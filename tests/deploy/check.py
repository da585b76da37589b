#!/usr/bin/env python3
"""Whether what is in deploy/ can be used as it stands: manifests against Kubernetes' own
schemas, what one file says of another, the unit by systemd's own analysis, and every
bridge's arguments and configuration by the command itself.

usage: tests/deploy/check.py SVIDEX
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
# Of native sidecars, and the newest one that the schemas are there for.
KUBERNETES = ["1.29", kubernetes_validate.latest_version()]
# systemd's own scale, times ten: 0 is best.
MOST_EXPOSURE = 20
OPENAI = {
    "OPENAI_IDENTITY_PROVIDER_ID": "idp_1",
    "OPENAI_SERVICE_ACCOUNT_ID": "svc_1",
    "SPIFFE_ENDPOINT_SOCKET": "unix:///nowhere/agent.sock",
}

problems: list[str] = []


def check(holds: object, problem: str) -> None:
    if not holds:
        problems.append(problem)


def documents(path: Path) -> list[dict[str, Any]]:
    return [it for it in yaml.safe_load_all(path.read_text()) if it]


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    pod = manifest["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def check_least_privilege(place: str, manifest: dict[str, Any]) -> None:
    pod = manifest["spec"]["template"]["spec"]
    check(pod["securityContext"]["runAsNonRoot"], f"{place}: runs as root")
    check(
        pod["automountServiceAccountToken"] is False,
        f"{place}: has Kubernetes' own token",
    )
    volumes = {it["name"]: it for it in pod["volumes"]}
    for it in containers(manifest):
        name = f"{place}: {it['name']}"
        context = it["securityContext"]
        check(context["readOnlyRootFilesystem"], f"{name}: a root that can be written")
        check(context["allowPrivilegeEscalation"] is False, f"{name}: can gain rights")
        check(context["capabilities"] == {"drop": ["ALL"]}, f"{name}: capabilities")
        check("memory" in it["resources"]["limits"], f"{name}: no limit of memory")
        for mount in it["volumeMounts"]:
            check(mount["name"] in volumes, f"{name}: no volume {mount['name']}")
    for volume in volumes.values():
        in_memory = volume.get("emptyDir", {"medium": "Memory"}).get("medium")
        check(in_memory == "Memory", f"{place}: {volume['name']} is on a disk")


def check_base(folder: Path, svidex: str) -> None:
    [kustomization] = documents(folder / "kustomization.yaml")
    maps = {it["name"] for it in kustomization["configMapGenerator"]}
    images = {it["name"] for it in kustomization["images"]}
    for resource in kustomization["resources"]:
        place = f"{folder.name}/{resource}"
        for manifest in documents(folder / resource):
            for version in KUBERNETES:
                try:
                    kubernetes_validate.validate(manifest, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    problems.append(f"{place}: Kubernetes {version}: {error.message}")
            if "template" not in manifest.get("spec", {}):
                continue
            check_least_privilege(place, manifest)
            for it in containers(manifest):
                check(
                    it["image"] in images, f"{place}: image {it['image']} has no name"
                )
                for source in it.get("envFrom", []):
                    name = source["configMapRef"]["name"]
                    check(name in maps, f"{place}: no config map {name}")
                if it["image"] == "svidex":
                    check_arguments(f"{place}: {it['name']}", svidex, it["args"])


def check_arguments(place: str, svidex: str, arguments: list[str]) -> None:
    """The directories are not here: as in the pod, below one that is."""
    with tempfile.TemporaryDirectory() as directory:
        here = [it.replace("/run/openai", directory) for it in arguments]
        here = [
            it for it in here if it != "--once"
        ]  # which writes, and so does not check
        ran = subprocess.run(
            [svidex, *here, "--check-config"],
            env=OPENAI,
            capture_output=True,
            text=True,
            check=False,
        )
    check(ran.returncode == 0, f"{place}: {ran.stderr.strip()}")


def check_unit(unit: Path, svidex: str) -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE))
    directory = settings["RuntimeDirectory"]
    configuration = (unit.parent / "bridge.toml").read_text()
    # systemd would keep the directory of a dynamic user where no other user gets to.
    check(settings.get("DynamicUser", "no") == "no", f"{unit.name}: a dynamic user")
    paths = re.findall(r'^path = "(.*)"$', configuration, re.MULTILINE)
    check(paths, "bridge.toml: no file")
    for path in paths:
        check(Path(path).parent == Path("/run") / directory, f"{unit.name}: {path}")
    with tempfile.TemporaryDirectory() as here:
        copy = Path(here) / "bridge.toml"
        copy.write_text(configuration.replace(f"/run/{directory}", here))
        check_arguments(unit.name, svidex, ["bridge", "--config", str(copy)])
        if not shutil.which("systemd-analyze"):
            print("deploy: no systemd here: the unit is not analysed")
            return
        # Of the program it is only asked whether it is there.
        installed = Path(here) / unit.name
        installed.write_text(
            unit.read_text().replace("/usr/local/bin/svidex", "/bin/true")
        )
        environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
        for command in (
            ["verify", "--man=no"],
            ["security", "--offline=true", f"--threshold={MOST_EXPOSURE}"],
        ):
            ran = subprocess.run(
                ["systemd-analyze", *command, str(installed)],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            said = ran.stderr.strip() or ran.stdout.strip()[-200:]
            check(ran.returncode == 0, f"{unit.name}: {command[0]}: {said}")
            if command[0] == "security" and ran.stdout.strip():
                print("deploy:", ran.stdout.strip().splitlines()[-1].lstrip("→ "))


def main() -> int:
    svidex = str(Path(sys.argv[1]).resolve())
    bases = sorted(it.parent for it in DEPLOY.glob("kubernetes/*/kustomization.yaml"))
    check(len(bases) >= 3, "no bases")
    for base in bases:
        check_base(base, svidex)
    check_unit(DEPLOY / "systemd/svidex-bridge.service", svidex)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
