"""The image is built from what the wheel needs; docker/check.sh builds it and is run by hand."""

import re
import tomllib

import yaml


def test_the_image_copies_every_folder_that_the_wheel_is_made_of(repository):
    tools = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {name.partition(".")[0] for name in tools["packages"]} | set(tools["package-dir"].values())
    copied = re.findall(r"^COPY (\S+) /src/\1$", (repository / "docker" / "Dockerfile").read_text(), re.M)
    assert folders <= set(copied)


def test_the_image_holds_what_running_needs_at_the_versions_of_the_tests_and_no_test_tools(repository):
    pinned = {
        name: set(re.findall(r"^([a-z][\w.-]*==\S+)", (repository / name).read_text(), re.M))
        for name in ("requirements.txt", "docker/requirements.txt")
    }
    assert pinned["docker/requirements.txt"] < pinned["requirements.txt"]
    left_out = {
        pin.partition("==")[0] for pin in pinned["requirements.txt"] - pinned["docker/requirements.txt"]
    }
    assert {"pytest", "hypothesis", "ruff", "pyright", "pytorch-metric-learning", "triton"} <= left_out
    assert not left_out & {"torch", "torchvision", "opencv-python", "facenet-pytorch", "onnx", "timm", "peft"}
    assert "http" not in re.sub(
        r"httpx\w*|httpcore\w*", "", (repository / "docker/requirements.txt").read_text()
    )


def test_the_compose_file_gives_no_privilege_no_network_and_no_root_to_write(repository):
    services = yaml.safe_load((repository / "docker" / "compose.yaml").read_text())["services"]
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
        assert service["network_mode"] == "none"
        assert service["tmpfs"] == ["/tmp"]
