//! The GPUs of this machine: which there are, and which of them a stage is given.
//!
//! How many a stage waits for is the business of the budget; here it is told which, by the variables that CUDA and ROCm go by. So two stages that
//! want one each do not meet on the first.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::engine::executor::surroundings::NARROWING;
use crate::pipeline::Stage;

/// The variables that say which devices a program sees.
const CUDA: &str = "CUDA_VISIBLE_DEVICES";
const ROCM: &str = "HIP_VISIBLE_DEVICES";

/// Makes CUDA count devices as the driver does, and not the fastest first.
const ORDER: (&str, &str) = ("CUDA_DEVICE_ORDER", "PCI_BUS_ID");

/// The GPUs of this machine.
pub(crate) struct Gpus {
    /// The variable that names them, and their names there.
    variable: &'static str,
    names: Vec<String>,
    free: Mutex<BTreeSet<usize>>,
}

/// GPUs that a stage has until this is dropped.
pub(crate) struct Lent<'a> {
    gpus: &'a Gpus,
    taken: Vec<usize>,
}

impl Gpus {
    /// Looks what there is.
    pub(crate) fn find() -> Self {
        let outside = |name: &str| std::env::var(name).ok();
        let nvidia = numbered(Path::new("/dev"), "nvidia");
        if !nvidia.is_empty() {
            return Self::of(CUDA, outside(CUDA).map_or(nvidia, |list| listed(&list)));
        }
        let amd = amd_nodes(Path::new("/sys/class/kfd/kfd/topology/nodes"));
        if amd > 0 {
            let all = (0..amd).map(|number| number.to_string()).collect();
            return Self::of(ROCM, outside(ROCM).map_or(all, |list| listed(&list)));
        }
        // Windows shows its own to Linux under one name.
        let shared = if Path::new("/dev/dxg").exists() { vec!["0".to_owned()] } else { vec![] };
        Self::of(CUDA, shared)
    }

    fn of(variable: &'static str, names: Vec<String>) -> Self {
        let free = Mutex::new((0..names.len()).collect());
        Self { variable, names, free }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// What is to be said of a stage that asks for more than there are.
    pub(crate) fn lacking(&self, stage: &Stage) -> Option<String> {
        let (asked, there) = (stage.resources.gpu, self.count());
        if asked <= there {
            return None;
        }
        let gpus = |count: usize| if count == 1 { "a GPU".to_owned() } else { format!("{count} GPUs") };
        let (name, asked) = (&stage.name, gpus(asked));
        Some(match there {
            0 => format!("{name} asks for {asked}, and Kiln finds none on this machine; such stages run one at a time"),
            _ => format!("{name} asks for {asked}, and this machine has {}; it is given what there is", gpus(there)),
        })
    }

    /// Lends so many, or as many as are free.
    pub(crate) fn lend(&self, count: usize) -> Lent<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::iter::from_fn(|| free.pop_first()).take(count).collect();
        drop(free);
        Lent { gpus: self, taken }
    }
}

impl Lent<'_> {
    /// The variables by which a program is told of them; of a stage without any what holds for Kiln itself.
    pub(crate) fn variables(&self) -> Vec<(OsString, OsString)> {
        let mut all: Vec<(OsString, OsString)> =
            NARROWING.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect();
        if self.taken.is_empty() {
            return all;
        }
        let names: Vec<&str> = self.taken.iter().map(|at| self.gpus.names[*at].as_str()).collect();
        let mut set = |name: &str, value: &str| {
            all.retain(|(known, _)| known != name);
            all.push((name.into(), value.into()));
        };
        set(self.gpus.variable, &names.join(","));
        // The names are those of the driver unless somebody has chosen them.
        if self.gpus.variable == CUDA && std::env::var_os(CUDA).is_none() {
            set(ORDER.0, ORDER.1);
        }
        all
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.gpus.free.lock().unwrap_or_else(PoisonError::into_inner).extend(self.taken.drain(..));
    }
}

/// The devices in a list such as `0,2` or `GPU-8932f937,GPU-1c2d`: those before the first that is none.
fn listed(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim);
    names.take_while(|name| !name.is_empty() && !name.starts_with('-')).map(str::to_owned).collect()
}

/// The numbers of the entries of a folder that are called so: `nvidia0`, `nvidia1`.
fn numbered(folder: &Path, prefix: &str) -> Vec<String> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse::<u32>().ok();
    let mut numbers: Vec<u32> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(number).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| number.to_string()).collect()
}

/// How many nodes of the AMD driver are GPUs; processors have the number 0.
fn amd_nodes(nodes: &Path) -> usize {
    let is_gpu = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("gpu_id")).is_ok_and(|id| id.trim() != "0");
    fs::read_dir(nodes).into_iter().flatten().flatten().map(is_gpu).filter(|is| *is).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_gpu_is_lent_twice() {
        let gpus = Gpus::of(CUDA, listed("3, 5,-1,7"));
        assert_eq!(gpus.count(), 2);
        let value = |lent: &Lent<'_>| {
            let variables = lent.variables();
            variables.into_iter().rev().find(|(name, _)| name == CUDA).map(|(_, value)| value.into_string().unwrap())
        };
        let first = gpus.lend(1);
        let second = gpus.lend(1);
        assert_eq!((value(&first).as_deref(), value(&second).as_deref()), (Some("3"), Some("5")));
        drop(first);
        drop(second);
        assert_eq!(value(&gpus.lend(2)).as_deref(), Some("3,5"));
        assert!(listed("").is_empty() && listed("-1").is_empty());
    }

    #[test]
    fn devices_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "null"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(numbered(folder.path(), "nvidia"), ["2", "10"]);
        for (node, id) in [("0", "0\n"), ("1", "24752\n"), ("2", "4321\n")] {
            let node = folder.path().join("nodes").join(node);
            fs::create_dir_all(&node).unwrap();
            fs::write(node.join("gpu_id"), id).unwrap();
        }
        assert_eq!(amd_nodes(&folder.path().join("nodes")), 2);
    }
}
