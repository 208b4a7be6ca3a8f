"""Filters of image processing, and the photographs convolved with them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastconv.benchmark.interleave import Array
from fastconv.cli.demo.comparison import Comparisons

# Rec. 601 luma of red, green, blue.
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1)

# Central difference across, smoothing along.
SOBEL_X = np.outer([1, 2, 1], [-1, 0, 1])
SOBEL = np.stack([SOBEL_X, SOBEL_X.T]).astype(np.float32)[:, None]

LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)[None, None]

BLUR_SIGMA = 2.0
GABOR_ORIENTATIONS = 8


class Filtered(NamedTuple):
    """Results of the filters on a batch of photographs, and the Gabor bank itself."""

    luminance: Array
    edges: Array
    laplacian: Array
    blurred: Array
    gabor_bank: Array
    gabor_energy: Array


def gaussian(sigma: float, radius: int) -> Array:
    """Kernel ``exp(-(x^2 + y^2) / (2 sigma^2))`` that sums to one, ``(2 radius + 1)`` wide and high."""
    x = np.arange(-radius, radius + 1)
    line = np.exp(-(x**2) / (2 * sigma**2))
    return np.asarray(np.outer(line, line) / line.sum() ** 2, np.float32)


def gabor_bank(orientations: int, radius: int = 5, wavelength: float = 6.0, sigma: float = 2.5) -> Array:
    """Return ``(2 * orientations, 1, k, k)``: an even and an odd wave under a Gaussian, turned.

    ``exp(-(x^2 + y^2) / (2 sigma^2)) cos(2 pi (x cos t + y sin t) / wavelength - phase)``, phases 0 and pi/2;
    the mean is taken off, so that even brightness gives no response, and the norm is one.
    """
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    envelope = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    kernels = []
    for angle in np.arange(orientations) * np.pi / orientations:
        along = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength
        for wave in (np.cos(along), np.sin(along)):
            kernel = envelope * (wave - (envelope * wave).sum() / envelope.sum())
            kernels.append(kernel / np.linalg.norm(kernel))
    return np.stack(kernels).astype(np.float32)[:, None]


def filter_photographs(photographs: Array, comparisons: Comparisons) -> Filtered:
    """Grey values, edges, blur and oriented structure, each compared with NumPy."""
    grey = comparisons.conv2d("luminance 1x1", photographs, LUMINANCE)
    gradient = comparisons.conv2d("edges: Sobel 3x3", grey, SOBEL, padding=1)
    laplacian = comparisons.conv2d("edges: Laplacian 3x3", grey, LAPLACIAN, padding=1)
    radius = int(2 * BLUR_SIGMA)
    # One copy of the kernel a colour: a depthwise convolution.
    kernel = np.repeat(gaussian(BLUR_SIGMA, radius)[None, None], 3, axis=0)
    blurred = comparisons.conv2d(
        f"blur: Gaussian {2 * radius + 1}x{2 * radius + 1}", photographs, kernel, radius, 3
    )
    bank = gabor_bank(GABOR_ORIENTATIONS)
    size = bank.shape[-1]
    waves = comparisons.conv2d(f"orientation: {len(bank)} Gabor {size}x{size}", grey, bank, padding=size // 2)
    edges = np.hypot(gradient[:, 0], gradient[:, 1])
    energy = np.hypot(waves[:, 0::2], waves[:, 1::2])
    return Filtered(grey[:, 0], edges, laplacian[:, 0], blurred, bank, energy)


def principal_components(x: Array, kernel: int, count: int, step: int = 2) -> Array:
    """Return the ``(count, C, k, k)``, of norm one, along which the patches of ``(N, C, H, W)`` vary most.

    These are the filters of PCANet (Chan et al. 2015): they come from the data, without training.
    """
    view = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))[:, :, ::step, ::step]
    patches = view.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * kernel * kernel).astype(np.float64)
    patches -= patches.mean(axis=0)
    _, vectors = np.linalg.eigh(patches.T @ patches)
    components = vectors.T[::-1][:count]
    # A component has no sign of its own: make the largest entry positive.
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], 1)
    signed = components * np.sign(largest)
    return np.asarray(signed, np.float32).reshape(count, x.shape[1], kernel, kernel)
