"""Arrays that behave as if they were on a GPU, and modules in place of CuPy's.

>>> module = DeviceModule(np)
>>> module.asnumpy(module.zeros(3))
array([0., 0., 0.])
"""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import scipy.fft


class DeviceArray(np.ndarray):
    """Stands for an array on a GPU: refuses to be combined with one on the host, as CuPy does."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **keys):
        for value in inputs:
            if isinstance(value, np.ndarray) and value.ndim and not isinstance(value, DeviceArray):
                raise TypeError("an array of the host meets one of the device")
        plain = [np.asarray(v) if isinstance(v, DeviceArray) else v for v in inputs]
        if out is not None:
            keys["out"] = tuple(np.asarray(v) for v in out)
        result = getattr(ufunc, method)(*plain, **keys)
        return out[0] if out is not None else np.asarray(result).view(DeviceArray)

    def __array_function__(self, function, types, arguments, keys):
        raise TypeError(f"{function.__name__} of NumPy is called with an array of the device")

    def __setitem__(self, key, value):
        if isinstance(value, np.ndarray) and value.ndim and not isinstance(value, DeviceArray):
            raise TypeError("an array of the host is written into one of the device")
        super().__setitem__(key, value)


class DeviceModule:
    """Stands for CuPy or its FFT: functions take and give arrays of the device.

    ``calls`` counts the functions by their names, ``pool_bytes`` is what the pool of memory keeps,
    ``freed`` counts how often it was emptied, ``cleared`` how often the prepared transforms were.
    """

    def __init__(self, module):
        self.module = module
        self.calls = Counter()
        self.pool_bytes = self.freed = self.cleared = 0
        self.fft = SimpleNamespace(config=SimpleNamespace(get_plan_cache=lambda: self))

    def __getattr__(self, name):
        function = getattr(self.module, name)

        def on_device(array, *arguments, **keys):
            self.calls[name] += 1
            if name not in ("asarray", "empty", "zeros"):
                assert isinstance(array, DeviceArray)
                array = np.asarray(array)
            return np.array(function(array, *arguments, **keys)).view(DeviceArray)

        return on_device

    def asnumpy(self, array):
        assert isinstance(array, DeviceArray)
        self.calls["asnumpy"] += 1
        return np.array(array)

    @property
    def transfers(self):
        """Copies from the host to the device and back."""
        return self.calls["asarray"] + self.calls["asnumpy"]

    def get_default_memory_pool(self):
        return self

    def total_bytes(self):
        return self.pool_bytes

    def clear(self):
        self.cleared += 1

    def free_all_blocks(self):
        self.freed += 1


def device_modules():
    """Return what stands for `cupy` and `cupyx.scipy.fft`."""
    return DeviceModule(np), DeviceModule(scipy.fft)
