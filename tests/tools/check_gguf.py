#!/usr/bin/env python3
"""Reads GGUF files with the public gguf package and compares what it sees.

    check_gguf.py [FILE.gguf VALUES.f32]...

VALUES.f32 holds the values of all tensors, decoded by Fonte, in the file's order. They must be the
package's, bit for bit; architecture and tokens must be readable. Exit status 77 (SKIP) where the
package is not installed, also without arguments.
"""
import sys

try:
    import numpy as np
    from gguf import GGUFReader
    from gguf.quants import dequantize
except ImportError as e:
    print(f"SKIP: {e}")
    sys.exit(77)


def check(path, values):
    reader = GGUFReader(path)
    assert reader.fields["general.architecture"].contents() == "llama"
    assert reader.fields["tokenizer.ggml.tokens"].contents()
    ours = np.fromfile(values, np.uint32)
    at = 0
    for tensor in reader.tensors:
        theirs = dequantize(tensor.data, tensor.tensor_type).astype(np.float32).ravel()
        mine = ours[at : at + theirs.size]
        same = np.array_equal(theirs.view(np.uint32), mine)
        assert same, f"{path}: {tensor.name} ({tensor.tensor_type.name}) differs"
        at += theirs.size
    assert at == ours.size, f"{path}: {ours.size - at} values more than the package sees"
    print(f"{path}: {len(reader.tensors)} tensors, {len(reader.fields)} fields, {at} values the same")


for i in range(1, len(sys.argv), 2):
    check(sys.argv[i], sys.argv[i + 1])
