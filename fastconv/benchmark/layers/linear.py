"""Linear layers: heads and hidden layers of networks, by one row and by many."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.benchmark.layers.item import ITEMSIZE


@dataclass(frozen=True)
class LinearLayer:
    """Rows of features, each multiplied by a weight, with a bias."""

    name: str
    rows: int
    features: int
    outputs: int

    @property
    def input_shape(self) -> tuple[int, int]:
        """``(N, in_features)``."""
        return (self.rows, self.features)

    @property
    def output_shape(self) -> tuple[int, int]:
        """``(N, out_features)``."""
        return (self.rows, self.outputs)

    @property
    def weight_shape(self) -> tuple[int, int]:
        """``(out_features, in_features)``."""
        return (self.outputs, self.features)

    @property
    def flops(self) -> int:
        """A multiply-add a feature, row and output."""
        return 2 * self.rows * self.features * self.outputs

    @property
    def nbytes(self) -> int:
        """Everything once."""
        rows, features, outputs = self.rows, self.features, self.outputs
        return ITEMSIZE * (rows * features + outputs * features + outputs + rows * outputs)


LINEARS: tuple[LinearLayer, ...] = (
    LinearLayer("lenet5_400to120", 1, 400, 120),
    LinearLayer("lenet5_400to120_batch_9", 9, 400, 120),
    LinearLayer("resnet50_2048to1000", 1, 2048, 1000),
    LinearLayer("resnet50_2048to1000_batch_8", 8, 2048, 1000),
    LinearLayer("resnet50_2048to1000_batch_64", 64, 2048, 1000),
    LinearLayer("resnet18_512to10_batch_64", 64, 512, 10),
    LinearLayer("vgg16_4096to1000_batch_128", 128, 4096, 1000),
    LinearLayer("vgg16_25088to4096", 1, 25088, 4096),
    LinearLayer("mlp_784to256_batch_32", 32, 784, 256),
    LinearLayer("mlp_512to512_batch_16", 16, 512, 512),
    LinearLayer("mlp_512to512_batch_256", 256, 512, 512),
    LinearLayer("mlp_64to64_batch_1000", 1000, 64, 64),
    LinearLayer("vit_768to3072_rows_197", 197, 768, 3072),
    LinearLayer("vit_3072to768_rows_197", 197, 3072, 768),
)
