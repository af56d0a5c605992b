"""Where a model of names is computed: on a graphics processor where the installed library offers one, else on the CPU.

Both compute the same function. Their scores differ in the last digits, so a score at a bound may fall on the other side:
a build that must be repeated to the byte is repeated on the same kind of processor.
"""

from __future__ import annotations

from typing import Any, Protocol

CUDA_PROVIDER, CPU_PROVIDER = "CUDAExecutionProvider", "CPUExecutionProvider"


class _Runtime(Protocol):
    def get_available_providers(self) -> list[str]:
        """What this build of ONNX Runtime can compute with."""


def onnx_providers(runtime: _Runtime) -> list[str]:
    """The execution providers to ask ONNX Runtime for, the first that works first."""
    offered = runtime.get_available_providers()
    return [*([CUDA_PROVIDER] if CUDA_PROVIDER in offered else []), CPU_PROVIDER]


def torch_device(torch: Any) -> str:  # noqa: ANN401 optional, and its types with it
    """The device to put a model of Torch on."""
    return "cuda" if torch.cuda.is_available() else "cpu"
