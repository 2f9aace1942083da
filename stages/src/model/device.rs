//! Where a network is computed: `auto`, `cpu` or `cuda:N`.

use anyhow::{Context as _, bail};
use candle_core::Device;

/// The device of a name. `auto` is the first CUDA device where this build and machine have one, else the CPU.
///
/// # Errors
/// If the name is none of these, or the device cannot be had.
pub fn device(name: &str) -> anyhow::Result<Device> {
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" if cfg!(feature = "cuda") => Ok(Device::new_cuda(0).unwrap_or(Device::Cpu)),
        "auto" => Ok(Device::Cpu),
        _ => {
            let Some(ordinal) = name.strip_prefix("cuda:").and_then(|n| n.parse().ok()) else {
                bail!("there is no device `{name}`: it is `auto`, `cpu` or `cuda:N`");
            };
            if !cfg!(feature = "cuda") {
                bail!(
                    "device `{name}` was asked for, but this build of Kiln has no CUDA (build it with `--features cuda`)"
                );
            }
            Device::new_cuda(ordinal).with_context(|| format!("cannot use device `{name}`"))
        }
    }
}
