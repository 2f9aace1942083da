//! How much memory training takes at most.

use candle_core::Device;

/// Forgets what was taken before, where the device can.
pub(crate) fn reset(device: &Device) {
    if device.is_cuda() {
        cuda::reset(device);
    }
}

/// The most memory in use since [`reset`], in MiB: what tensors took on a GPU, the whole process on the CPU.
pub(crate) fn peak(device: &Device) -> Option<f64> {
    if device.is_cuda() { cuda::peak(device) } else { resident() }
}

/// What Linux says of the whole process since its start.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// candle takes memory from the default pool of the device, which knows its own peak.
#[cfg(feature = "cuda")]
#[allow(unsafe_code, reason = "the driver's functions")]
mod cuda {
    use candle_core::cuda_backend::cudarc::driver::sys;
    use candle_core::{Device, DeviceLocation};

    const PEAK: sys::CUmemPool_attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;

    pub(super) fn reset(device: &Device) {
        let Some(pool) = pool(device) else { return };
        let mut zero = 0u64;
        // SAFETY: the pool is the device's, and the attribute a 64-bit number, which may be set to 0.
        let _ = unsafe { sys::cuMemPoolSetAttribute(pool, PEAK, (&raw mut zero).cast()) };
    }

    pub(super) fn peak(device: &Device) -> Option<f64> {
        let mut bytes = 0u64;
        // SAFETY: the pool is the device's, and the attribute a 64-bit number.
        let status = unsafe { sys::cuMemPoolGetAttribute(pool(device)?, PEAK, (&raw mut bytes).cast()) };
        (status == sys::CUresult::CUDA_SUCCESS && bytes > 0).then(|| bytes as f64 / f64::from(1 << 20))
    }

    fn pool(device: &Device) -> Option<sys::CUmemoryPool> {
        let DeviceLocation::Cuda { gpu_id } = device.location() else { return None };
        let (mut number, mut pool) = (0, std::ptr::null_mut());
        // SAFETY: both write to what they are given; the driver is initialised, as there is a device.
        let done = unsafe {
            sys::cuDeviceGet(&raw mut number, gpu_id as i32) == sys::CUresult::CUDA_SUCCESS
                && sys::cuDeviceGetDefaultMemPool(&raw mut pool, number) == sys::CUresult::CUDA_SUCCESS
        };
        done.then_some(pool)
    }
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use candle_core::Device;

    pub(super) fn reset(_: &Device) {}

    pub(super) fn peak(_: &Device) -> Option<f64> {
        None
    }
}
