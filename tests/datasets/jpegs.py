"""JPEG files of every form, of images that a coder handles as photographs."""

import cv2
import numpy as np

SAMPLING, RESTART = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_RST_INTERVAL
FORMS: dict[str, list[int]] = {
    "4:2:0": [],
    "4:4:4": [SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    "4:2:2": [SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422],
    "4:4:0": [SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440],
    "own tables": [cv2.IMWRITE_JPEG_OPTIMIZE, 1],
    "restarts": [RESTART, 7],
    "restarts of a row": [RESTART, 16],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
}


def photo(height: int = 130, width: int = 250, seed: int = 0) -> np.ndarray:
    """Noise whose strength falls with its frequency, as in a photograph, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    strength = 1 / np.maximum(frequency, 1 / max(height, width)) ** 1.2
    noise = [np.fft.ifft2(np.fft.fft2(rng.standard_normal((height, width))) * strength).real for _ in range(3)]
    image = np.stack([0.3 * channel + 0.7 * np.mean(noise, axis=0) for channel in noise], axis=-1)
    return np.clip(120 + 50 * image / (image.std() + 1e-9), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int = 90, form: str = "4:2:0") -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality, *FORMS[form]])[1].tobytes()


def hurt() -> bytes:
    """250 by 130 pixels with 512 bytes lost in the middle, which OpenCV decodes all the same."""
    data = jpeg(photo(), 95)
    middle = len(data) // 2
    return data[:middle] + bytes(512) + data[middle + 512 :]
