"""Weights out, in the form that the name of the output asks for: what `sphereface-plus export` does."""

from __future__ import annotations

from pathlib import Path

from sphereface_plus.model_files import check_model
from sphereface_plus.path_checks import PlaceError, check_file, check_folder
from sphereface_plus.words import counted


def check_out(out: Path) -> None:
    """Raises PlaceError for an OUT that cannot be written, or whose name asks for no form."""
    if out.suffix in (".onnx", ".pt2", ".safetensors"):
        check_file(out, out.suffix)
    elif out.suffix:
        raise PlaceError(
            f"{out}: ends in none of .onnx, .pt2 and .safetensors, and is not the name of a folder"
        )
    else:
        check_folder(out)


def beside(out: Path) -> list[str]:
    """Names of the files that are written beside a file `out`: the input spec of a program."""
    return [f"{out.name}.yaml"] if out.suffix in (".onnx", ".pt2") else []


def export(model: str | Path, out: str | Path, *, license: str | None = None, head: bool = False) -> str:
    """Writes a model as .onnx, .pt2 (torch.export), .safetensors or a folder of the Hub, and says so.

    license, head: of weight files and folders (hub.save_weights).
    Raises PlaceError for another name or a place that cannot be written to, and what the writers raise.
    """
    out = Path(out)
    if out.suffix in (".onnx", ".pt2") and (license is not None or head):
        raise PlaceError(f"{out}: holds no terms and no head; --license and --with-head are for weight files")
    check_out(out)
    check_model(model)
    if out.suffix == ".onnx":
        from sphereface_plus.export.onnx import export_onnx  # draws in torch, as the others below do

        return f"{out} and {out}.yaml: onnxruntime agrees with torch to {export_onnx(model, out):.1e}"
    if out.suffix == ".pt2":
        from sphereface_plus.export.torch_program import export_torch

        return f"{out} and {out}.yaml: the program agrees with the network to {export_torch(model, out):.1e}"
    from sphereface_plus.hub import save_pretrained, save_weights

    if out.suffix == ".safetensors":
        written = save_weights(model, out, license=license, head=head)
        return f"{out}: {counted(len(written.network) + len(written.loss), 'tensor')}, and how to feed them"
    save_pretrained(model, out, license=license, head=head)
    return f"{out}: model.safetensors, config.json and README.md, a model card to read before passing it on"
