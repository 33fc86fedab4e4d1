"""Which backend a call gets."""

import importlib.util

import pytest
import torch

from sparse3d.errors import MissingDependencyError, UserError
from sparse3d.ops.backend import choose_backend, has_native, native_module

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_auto_takes_native_on_the_cpu_where_it_was_built() -> None:
    assert choose_backend("auto", CPU) == ("native" if has_native() else "torch")


def test_auto_takes_torch_on_other_devices() -> None:
    assert choose_backend("auto", ELSEWHERE) == "torch"


@pytest.mark.usefixtures("without_native")
def test_auto_takes_torch_where_native_was_not_built() -> None:
    assert not has_native()
    assert choose_backend("auto", CPU) == "torch"


@pytest.mark.usefixtures("without_native")
def test_a_named_backend_that_is_missing_fails_with_the_line_that_installs_it() -> None:
    with pytest.raises(MissingDependencyError, match=r"not built.*install it with: .*pip install"):
        choose_backend("native", CPU)
    with pytest.raises(UserError):
        native_module()


@pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
def test_native_refuses_other_devices() -> None:
    with pytest.raises(ValueError, match="runs on the CPU, got tensors on meta"):
        choose_backend("native", ELSEWHERE)


@pytest.mark.parametrize("name", ["reference", "torch"])
@pytest.mark.parametrize("device", [CPU, ELSEWHERE], ids=str)
def test_backends_without_requirements_are_taken_as_named(name: str, device: torch.device) -> None:
    assert choose_backend(name, device) == name  # pyright: ignore[reportArgumentType]  (parametrised)
